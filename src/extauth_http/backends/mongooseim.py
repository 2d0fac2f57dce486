"""The ``mongooseim`` kind: the API of MongooseIM's "HTTP authentication method".

``ejabberd_auth_http`` of ejabberd-contrib uses the same API. Source: MongooseIM's documentation.
"""

from extauth_http.backends.base import Backend
from extauth_http.config.backend import BackendSettings
from extauth_http.config.endpoint import Url
from extauth_http.http.client import HttpClient
from extauth_http.http.response import Response
from extauth_http.protocol.command import Command, Operation
from extauth_http.protocol.verdict import Answer, UndecidedError, Verdict


class MongooseimSettings(BackendSettings):
    """``url`` is the base URL, with the path prefix if there is one."""

    url: Url


class Mongooseim(Backend):
    Settings = MongooseimSettings

    def __init__(self, settings: MongooseimSettings) -> None:
        self._has_service_auth = settings.service_auth is not None
        self._urls = {operation: settings.url.below(path) for operation, path in _PATHS.items()}

    def _read(self, command: Command, http: HttpClient) -> Answer:
        response = http.get(self._urls[command.operation], params=_fields(command))
        if response.status_code != 200:
            raise self._undecided(response)
        match response.content.strip():
            case b"true":
                return Answer(Verdict.ALLOW, "allowed")
            case b"false":
                return Answer(Verdict.DENY, "denied")
        raise UndecidedError("not_an_answer", "expected true or false, without quotes")

    auth = isuser = _read

    def _write(self, command: Command, http: HttpClient) -> Answer:
        response = http.post(self._urls[command.operation], data=_fields(command))
        status = response.status_code
        allow, deny = _STATUSES[command.operation]
        if status in allow:
            return Answer(Verdict.ALLOW, "allowed")
        if status in deny:
            return Answer(Verdict.DENY, f"http_{status}")
        raise self._undecided(response)

    setpass = tryregister = removeuser = removeuser3 = _write

    def _undecided(self, response: Response) -> UndecidedError:
        if response.status_code == 401 and self._has_service_auth:
            return UndecidedError(
                "service_auth_refused",
                "status 401: the service refuses this program, not the user; check service_auth",
            )
        return response.undecided()


_PATHS = {
    Operation.AUTH: "check_password",
    Operation.ISUSER: "user_exists",
    Operation.SETPASS: "set_password",
    Operation.TRYREGISTER: "register",
    Operation.REMOVEUSER: "remove_user",
    Operation.REMOVEUSER3: "remove_user_validate",
}

_STATUSES: dict[Operation, tuple[set[int], set[int]]] = {
    Operation.SETPASS: ({200, 201, 204}, {403, 404}),
    Operation.TRYREGISTER: ({201}, {403, 409}),
    Operation.REMOVEUSER: ({200, 201, 204}, {403, 404}),
    Operation.REMOVEUSER3: ({200, 201, 204}, {403, 404}),
}
"""The statuses that are ALLOW and DENY. "Anything else" of the documentation is UNDECIDED."""


def _fields(command: Command) -> dict[str, str]:
    fields = {"user": command.user, "server": command.host}
    if command.operation.has_credential:
        fields["pass"] = command.password
    return fields
