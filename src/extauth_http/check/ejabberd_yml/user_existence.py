"""Whether the reply to ``isuser`` decides who exists (``auth_external_user_exists_check``).

Verified on ejabberd 23.01, 24.12 and 26.07: the option exists since 23.10 and is on by default.
ejabberd then overrules a no, and a missing reply, for each user that mod_last knows.
"""

from extauth_http.check.ejabberd_yml.host_options import location
from extauth_http.check.ejabberd_yml.parser import EjabberdYml, Option
from extauth_http.check.finding import Finding, broken, good, warning
from extauth_http.ejabberd_api.releases import Release

OPTION = "auth_external_user_exists_check"
SINCE = Release(23, 10)
LINE = f"{OPTION}: false"
ONLY_IF = (
    "change it only if the service knows which users exist. If isuser is no for every user, "
    "ejabberd would refuse all messages to users who are offline"
)


def finding(yml: EjabberdYml, host: str) -> Finding:
    release = yml.environment.release
    option = yml.option(host, OPTION)
    if release and release < SINCE:
        return _old_release(release, option, host)
    if option and option.value.boolean is False:
        note = "" if release else f". Releases before {SINCE} do not start with this option"
        return good(
            "user-exists",
            f"{OPTION} is false: the reply to isuser decides who exists{note}",
            host=host,
            **location(option),
        )
    if "mod_last" not in yml.modules(host):
        return good(
            "user-exists",
            "the reply to isuser decides who exists, because mod_last is not loaded",
            host=host,
        )
    current = f"{OPTION} is true" if option else f"{OPTION} is not set, and its default is true"
    condition = "" if release else f"since ejabberd {SINCE}, "
    return warning(
        "user-exists-check",
        f"{condition}{current}: for ejabberd, each user that was ever online exists, whatever the "
        "program replies to isuser. Messages to a removed user are stored, and the name cannot be "
        "registered again",
        line=LINE if release else "",
        details=(ONLY_IF,)
        if release
        else (
            f"since {SINCE}: {LINE} (older releases do not start with this line)",
            "on any release: remove mod_last from modules",
            ONLY_IF,
        ),
        host=host,
        **location(option),
    )


def _old_release(release: Release, option: Option | None, host: str) -> Finding:
    if option is None:
        text = f"on ejabberd {release}, the reply to isuser decides who exists"
        return good("user-exists", text, host=host)
    return broken(
        "user-exists-check",
        f"ejabberd {release} does not start with {OPTION}, which exists since {SINCE}",
        details=(f"remove {OPTION} from {'.'.join(option.place) or 'the file'}",),
        host=host,
        **location(option),
    )
