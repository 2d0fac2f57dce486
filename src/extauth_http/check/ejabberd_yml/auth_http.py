"""``auth_method: http``: the module ejabberd_auth_http of ejabberd-contrib asks a service itself.

Its options are in ``auth_opts``: ``host`` is scheme, name and port, ``path_prefix`` is put between
``host`` and the name of a method (``/`` by default), and ``basic_auth`` is ``USER:PASSWORD``. The
service has the HTTP API of MongooseIM, which the kind ``mongooseim`` uses.

Source: ``ejabberd_auth_http/README.md`` and ``ejabberd_auth_http.erl`` of ejabberd-contrib.
"""

from extauth_http.check.backend_example import BackendExample
from extauth_http.check.ejabberd_yml.parser import EjabberdYml
from extauth_http.config.endpoint import Endpoint

METHOD = "http"
"""The word for the module in ``auth_method``."""


def backend_examples(yml: EjabberdYml) -> dict[str, BackendExample]:
    """The backend of each virtual host whose users ejabberd_auth_http knows."""
    found = {host: backend_example(yml, host) for host in yml.hosts}
    return {host: example for host, example in found.items() if example}


def backend_example(yml: EjabberdYml, host: str) -> BackendExample | None:
    """The backend that asks the service of ``auth_opts``; None if the host has no such service.

    The password in ``basic_auth`` is not part of it.
    """
    method, options = yml.option(host, "auth_method"), yml.option(host, "auth_opts")
    if not (method and METHOD in method.value.words and options):
        return None
    values = {key: str(value.plain) for key, value in options.value.items()}
    url = f"{values.get('host', '').rstrip('/')}/{values.get('path_prefix', '/').lstrip('/')}"
    try:
        endpoint = Endpoint.parse(url)
    except ValueError:
        return None
    username, colon, _ = values.get("basic_auth", "").partition(":")
    return BackendExample("mongooseim", str(endpoint), username if colon else "")
