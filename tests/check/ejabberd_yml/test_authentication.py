"""auth_method, the cache and extauth_program of a virtual host."""

from pathlib import Path

import pytest

from extauth_http.check.ejabberd_yml import authentication
from extauth_http.check.ejabberd_yml.keywords import UNKNOWN, Environment
from extauth_http.check.finding import Level
from extauth_http.ejabberd_api.releases import Release
from tests.check.ejabberd_yml.files import findings_of

CACHES = [
    ("", True, "auth_use_cache is not set, and its default is true"),
    (
        "use_cache: true",
        True,
        "use_cache is true, and auth_use_cache, which is not set, follows it",
    ),
    (
        "use_cache: false",
        False,
        "use_cache is false, and auth_use_cache, which is not set, follows it",
    ),
    ("use_cache: false\nauth_use_cache: true", True, "auth_use_cache is true"),
    ("use_cache: true\nauth_use_cache: false", False, "auth_use_cache is false"),
    ("auth_use_cache: 'off'", False, "auth_use_cache is false"),
    ("auth_use_cache: n", False, "auth_use_cache is false"),
    (
        "auth_use_cache: false\nhost_config: {EXAMPLE.org: {auth_use_cache: on}}",
        True,
        "auth_use_cache is true in host_config",
    ),
    ("host_config: {example.org: {use_cache: no}}", False, "use_cache is false in host_config"),
]


@pytest.mark.parametrize(("lines", "on", "expected"), CACHES)
def test_the_cache_is_on_unless_it_is_turned_off(
    tmp_path: Path, lines: str, on: bool, expected: str
) -> None:
    found = findings_of(tmp_path, lines)
    assert found["cache-on" if on else "cache-off"].found.startswith(expected)
    assert ("cache-on" in found) != ("cache-off" in found)


IDENTITIES = [
    (UNKNOWN, "On ejabberd before 26.07, a user can also open the session of any other"),
    (Environment(Release(24, 12)), "On ejabberd 24.12, a user can also open the session of any"),
    (Environment(Release(26, 7)), None),
]


@pytest.mark.parametrize(("environment", "text"), IDENTITIES)
def test_with_the_cache_the_authorization_identity_is_a_risk_before_26_07(
    tmp_path: Path, environment: Environment, text: str | None
) -> None:
    found = findings_of(tmp_path, "", environment)["cache-on"].found
    assert ("open the session" in found) == (text is not None)
    assert text is None or text in found


METHODS = [
    ("", "auth_method is not set, so ejabberd uses default_db, which is mnesia by default"),
    ("auth_method: []", "auth_method is not set"),
    ("auth_method: internal", "auth_method is internal"),
    ("auth_method: [ldap, sql]", "auth_method is ldap, sql"),
]


@pytest.mark.parametrize(("lines", "expected"), METHODS)
def test_without_external_the_program_is_never_asked(
    tmp_path: Path, lines: str, expected: str
) -> None:
    found = findings_of(tmp_path, lines)["auth-method-not-external"]
    assert found.found.startswith(expected)
    assert (found.line, found.level) == ("auth_method: [external]", Level.BROKEN)


@pytest.mark.parametrize("method", authentication.OTHER_METHODS)
def test_another_method_is_a_warning_that_tells_what_it_accepts(
    tmp_path: Path, method: str
) -> None:
    found = findings_of(tmp_path, f"auth_method: [external, {method}]")["auth-method-beside"]
    assert method in found.found
    assert authentication.OTHER_METHODS[method] in found.found


def test_an_appended_method_is_to_be_removed_from_append_host_config(tmp_path: Path) -> None:
    found = findings_of(
        tmp_path,
        "auth_method: external\nappend_host_config: {example.org: {auth_method: [mnesia]}}",
    )["auth-method-beside"]
    assert found.line == ""
    assert found.details == ("remove auth_method from append_host_config for example.org",)
