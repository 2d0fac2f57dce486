"""The ``mongooseim`` kind: the HTTP API that MongooseIM asks (its documentation, "HTTP
authentication method"), and that ``ejabberd_auth_http`` asked of old ejabberd."""

from extauth_http.backends.base import Backend
from extauth_http.config.backend import BackendSettings
from extauth_http.config.endpoint import Url
from extauth_http.http.client import HttpClient
from extauth_http.http.response import Response
from extauth_http.protocol.command import Command, Operation
from extauth_http.protocol.verdict import Answer, UndecidedError, Verdict


class MongooseimSettings(BackendSettings):
    """``url`` is the base, path prefix included; the methods are below it."""

    url: Url


class Mongooseim(Backend):
    Settings = MongooseimSettings

    def __init__(self, settings: MongooseimSettings) -> None:
        self._named = settings.service_auth is not None
        self._methods = {name: settings.url.below(name) for name in _NAMES.values()}

    def auth(self, command: Command, http: HttpClient) -> Verdict | Answer:
        return self._read(command, http)

    def isuser(self, command: Command, http: HttpClient) -> Verdict | Answer:
        return self._read(command, http)

    def _read(self, command: Command, http: HttpClient) -> Answer:
        url = self._methods[_NAMES[command.operation]].with_query(_fields(command))
        answer = http.get(url)
        if answer.status_code != 200:
            raise self._undecided(answer)
        match answer.content.strip():
            case b"true":
                return Answer(Verdict.ALLOW, "allowed")
            case b"false":
                return Answer(Verdict.DENY, "denied")
        raise UndecidedError("not_an_answer", "expected true or false, without quotes")

    def _write(self, command: Command, http: HttpClient) -> Answer:
        url = self._methods[_NAMES[command.operation]]
        answer = http.post(url, data=_fields(command))
        yes, no = _STATUSES[command.operation]
        if answer.status_code in yes:
            return Answer(Verdict.ALLOW, "allowed")
        if answer.status_code in no:
            return Answer(Verdict.DENY, f"http_{answer.status_code}")
        raise self._undecided(answer)

    setpass = tryregister = removeuser = removeuser3 = _write

    def _undecided(self, answer: Response) -> UndecidedError:
        if answer.status_code == 401 and self._named:
            return UndecidedError(
                "service_auth_refused",
                "status 401: the service refuses this program, not the user; check service_auth",
            )
        return answer.undecided()


_NAMES = {
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
"""Which statuses are a yes and which a no; "anything else" of the documentation is no verdict."""


def _fields(command: Command) -> dict[str, str]:
    fields = {"user": command.user, "server": command.host}
    if command.operation.has_credential:
        fields["pass"] = command.password
    return fields
