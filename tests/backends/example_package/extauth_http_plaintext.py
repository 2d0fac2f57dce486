"""The kind ``plaintext``: a service that answers a form with the word OK or NO.

``auth`` sends its request with a method of HttpClient. ``tryregister`` uses an ``httpx.Client``,
as a backend does that needs more of httpx, or a library that takes such a client.
"""

from extauth_http import (
    Backend,
    BackendSettings,
    Command,
    HttpClient,
    UndecidedError,
    Url,
    Verdict,
)


class PlaintextSettings(BackendSettings):
    """The keys of the ``backend`` table in addition to those of each kind."""

    url: Url
    realm: str = "xmpp"


class Plaintext(Backend):
    Settings = PlaintextSettings

    def __init__(self, settings: PlaintextSettings) -> None:
        self._url = settings.url
        self._realm = settings.realm

    def auth(self, command: Command, http: HttpClient) -> Verdict:
        form = {"login": command.user, "secret": command.password, "realm": self._realm}
        response = http.post(self._url, data=form)
        if response.status_code != 200:
            raise response.undecided()
        return _verdict(response.text)

    def tryregister(self, command: Command, http: HttpClient) -> Verdict:
        form = {"new": command.user, "secret": command.password, "realm": self._realm}
        with http.client() as client:
            response = client.put(self._url.url, data=form).raise_for_status()
        return _verdict(response.text)


def _verdict(text: str) -> Verdict:
    match text.strip():
        case "OK":
            return Verdict.ALLOW
        case "NO":
            return Verdict.DENY
    raise UndecidedError("not_an_answer", "expected OK or NO")
