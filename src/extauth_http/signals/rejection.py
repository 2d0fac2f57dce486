"""Why a message of a sender is not accepted."""

from enum import StrEnum


class Reason(StrEnum):
    """Operators count these words, in the log and in the metrics. ``docs/signals.md`` lists them.

    The last three are not the sender's fault: it gets 503 and should repeat the message.
    """

    ALGORITHM = "algorithm"
    AUDIENCE = "audience"
    BAD_REQUEST = "bad_request"
    EXPIRED = "expired"
    ISSUED_IN_FUTURE = "issued_in_future"
    MALFORMED = "malformed"
    MISSING_CLAIM = "missing_claim"
    NO_SUBJECT = "no_subject"
    NONCE = "nonce"
    OVERSIZED = "oversized"
    REPLAYED = "replayed"
    SIGNATURE = "signature"
    SLOW = "slow"
    TOKEN_TYPE = "token_type"  # noqa: S105 - a word for logs and metrics
    UNKNOWN_ISSUER = "unknown_issuer"
    UNKNOWN_KEY = "unknown_key"
    WRONG_EVENT = "wrong_event"
    WRONG_SUBJECT = "wrong_subject"
    WRONG_BEARER = "wrong_bearer"
    INTERNAL_ERROR = "internal_error"
    KEYS_UNAVAILABLE = "keys_unavailable"
    QUEUE_UNAVAILABLE = "queue_unavailable"


class RejectedError(Exception):
    """A message that is not accepted. ``detail`` is for the sender and the log, and holds nothing
    of the message but names of claims."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason.value, detail)
        self.reason = reason
        self.detail = detail
