"""The kind ``plaintext``: a form to one URL, answered with the word OK or NO."""

from extauth_http import Backend, BackendSettings, Command, HttpClient, UndecidedError, Verdict
from extauth_http.config.endpoint import Url


class PlaintextSettings(BackendSettings):
    """The keys of its ``backend`` table, beside the ones that each kind has."""

    url: Url
    realm: str = "xmpp"


class Plaintext(Backend):
    Settings = PlaintextSettings

    def __init__(self, settings: PlaintextSettings) -> None:
        self._url = settings.url
        self._realm = settings.realm

    def auth(self, command: Command, http: HttpClient) -> Verdict:
        form = {"login": command.user, "secret": command.password, "realm": self._realm}
        answer = http.post(self._url, data=form)
        if answer.status_code != 200:
            raise answer.undecided()
        match answer.content.strip():
            case b"OK":
                return Verdict.ALLOW
            case b"NO":
                return Verdict.DENY
        raise UndecidedError("not_an_answer", "expected OK or NO")
