"""The commands of ejabberd: one operation on one user of one virtual host."""

from dataclasses import dataclass, field
from enum import Enum


class Operation(Enum):
    """The operations of the protocol. The value is the name in a packet.

    Source: ejabberd's ``extauth.erl`` and ``ejabberd_auth_external.erl``.
    """

    AUTH = "auth"
    """May this user log in with this password? Sent for each PLAIN login."""

    ISUSER = "isuser"
    """Does this user exist? Sent for messages to offline users, registration and admin commands."""

    SETPASS = "setpass"
    """Set this password. Sent for XEP-0077 and ``change_password``."""

    TRYREGISTER = "tryregister"
    """Create this user with this password. Sent for XEP-0077 and ``register``."""

    REMOVEUSER = "removeuser"
    """Delete this user. Sent for ``unregister``."""

    REMOVEUSER3 = "removeuser3"
    """Delete this user if the password is right. Sent by older modules."""

    CERTAUTH = "certauth"
    """May this user log in with this client certificate? ejabberd exports it and never sends it.
    The certificate is in the field of the password."""

    @property
    def has_credential(self) -> bool:
        """Whether a password or a certificate follows the host."""
        return self not in (Operation.ISUSER, Operation.REMOVEUSER)

    @property
    def is_write(self) -> bool:
        """Whether the operation changes something, so that it must not be repeated."""
        return self not in (Operation.AUTH, Operation.ISUSER, Operation.CERTAUTH)


@dataclass(frozen=True, slots=True)
class Command:
    """The command in one packet.

    ``user`` and ``host`` are prepared by ejabberd with nodeprep and nameprep: lower case and no
    control characters. ``password`` holds the certificate for ``certauth`` and is empty if the
    operation has no credential. ``repr`` omits it.
    """

    operation: Operation
    user: str
    host: str
    password: str = field(default="", repr=False)
