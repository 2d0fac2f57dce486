"""The kinds of backend that ``init`` can write, and the answers that each one needs.

Other kinds (``chain``) and all other keys are added to the file in an editor. The names of the
answers are the keys of the ``backend`` table, except for those of ``service_auth``.
"""

from dataclasses import dataclass
from enum import Enum


class SecretKey(Enum):
    """The key that holds the secret of a backend: a key of its table."""

    CLIENT = "client_secret"
    SHARED = "secret"


@dataclass(frozen=True, slots=True)
class Kind:
    """``required`` and ``optional`` are keys of the table, in the order of the questions.

    ``has_issuer`` is true for a kind that needs ``issuer`` or ``url``. ``secret`` is the key of
    its secret; a client secret is needed only if there is a ``client_id``. ``has_service_auth`` is
    true for a kind that can authenticate to the service with ``service_auth``.
    """

    description: str
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    has_issuer: bool = False
    secret: SecretKey | None = None
    has_service_auth: bool = False


KINDS = {
    "rest": Kind("your own HTTP service", ("url",), has_service_auth=True),
    "introspection": Kind(
        "OAuth tokens, checked by introspection (Keycloak, authentik, Hydra)",
        ("client_id",),
        ("audience", "username_claim"),
        has_issuer=True,
        secret=SecretKey.CLIENT,
    ),
    "userinfo": Kind(
        "OpenID Connect tokens, checked at the UserInfo endpoint",
        (),
        ("username_claim", "audience"),
        has_issuer=True,
    ),
    "password_grant": Kind(
        "user names and passwords, tried at an OAuth token endpoint",
        (),
        ("client_id",),
        has_issuer=True,
        secret=SecretKey.CLIENT,
    ),
    "jwt": Kind(
        "signed tokens (JWT), then confirmed by introspection",
        ("issuer", "audience", "client_id"),
        ("username_claim",),
        secret=SecretKey.CLIENT,
    ),
    "status": Kind("a page with HTTP authentication: the status is the answer", ("url",)),
    "mongooseim": Kind(
        "the HTTP API of MongooseIM and ejabberd_auth_http", ("url",), has_service_auth=True
    ),
    "jsxc": Kind("Nextcloud with the app JSXC", ("url",), secret=SecretKey.SHARED),
    "htpasswd": Kind("a local file of users, made by htpasswd -B", ("file",)),
}

SERVICE_AUTH = {"none": "", "bearer": "token", "basic": "password", "header": "value"}
"""The kinds of ``service_auth``, and the key of the secret of each."""
