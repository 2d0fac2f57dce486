"""The error of a call to the admin API."""

from extauth_http.ejabberd_api.hints import Hint


class ApiError(Exception):
    """A call that returned no result.

    - ``command``: the name of the ejabberd command.
    - ``message``: what went wrong, in a clause, without secrets.
    - ``hint``: what the operator can change; None if the cause is unknown.
    - ``status``: the HTTP status of the response, 0 without a response.
    - ``may_have_changed``: whether ejabberd can have executed the call, or a part of it, and so
      changed something. False if it is certain that it changed nothing.
    - ``is_refused``: whether ejabberd understood the call and refused it.
    - ``is_unreachable``: whether no connection to the server could be made.
    - ``is_failure_result``: whether the command ran and reported a failure without a reason.
    """

    def __init__(
        self,
        command: str,
        message: str,
        hint: Hint | None = None,
        *,
        status: int = 0,
        may_have_changed: bool = False,
        is_refused: bool = False,
        is_unreachable: bool = False,
        is_failure_result: bool = False,
    ) -> None:
        super().__init__(command, message)
        self.command = command
        self.message = message
        self.hint = hint
        self.status = status
        self.may_have_changed = may_have_changed
        self.is_refused = is_refused
        self.is_unreachable = is_unreachable
        self.is_failure_result = is_failure_result

    def __str__(self) -> str:
        unsure = "; it is unknown whether ejabberd executed it" if self.may_have_changed else ""
        return f"{self.command}: {self.message}{unsure}"


def unexpected_result(command: str) -> ApiError:
    """The error for a result that is JSON, but not of the form that ejabberd 23.01 to 26.07
    return for this command."""
    return ApiError(command, "ejabberd returned a result of an unexpected form")
