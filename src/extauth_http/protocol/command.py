"""What ejabberd asks: one operation about one user of one virtual host."""

from dataclasses import dataclass, field
from enum import Enum


class Operation(Enum):
    """The operations of ejabberd's extauth protocol, by their name on the wire.

    Source: ejabberd's ``extauth.erl`` and ``ejabberd_auth_external.erl``.
    """

    AUTH = "auth"
    """May this user log in with this password? Each PLAIN login."""

    ISUSER = "isuser"
    """Does this user exist? Messages to someone offline, rosters, registration, admin commands."""

    SETPASS = "setpass"
    """Make this the user's password. XEP-0077 and ``change_password``."""

    TRYREGISTER = "tryregister"
    """Create this user with this password. XEP-0077 and ``register``."""

    REMOVEUSER = "removeuser"
    """Delete this user. ``unregister``."""

    REMOVEUSER3 = "removeuser3"
    """Delete this user if the password is right. Older callers."""

    CERTAUTH = "certauth"
    """May this user log in with this client certificate? Exported by ejabberd, called by nothing
    today; the certificate stands where the password does."""

    @property
    def has_credential(self) -> bool:
        """Whether a fourth field (password or certificate) follows the host."""
        return self not in (Operation.ISUSER, Operation.REMOVEUSER)

    @property
    def is_write(self) -> bool:
        """Whether asking twice could change something twice."""
        return self not in (Operation.AUTH, Operation.ISUSER, Operation.CERTAUTH)


@dataclass(frozen=True, slots=True)
class Command:
    """One request of ejabberd, taken from one packet.

    ``user`` and ``host`` are as ejabberd sends them: nodeprepped and nameprepped, lower case,
    without control characters. ``password`` is empty where the operation has none and holds the
    certificate for ``certauth``; it never shows in ``repr``.
    """

    operation: Operation
    user: str
    host: str
    password: str = field(default="", repr=False)
