"""How a service's certificate is verified, and which one this program shows to it."""

import ssl
from pathlib import Path
from typing import Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from extauth_http.config.section import Section


class Tls(Section):
    """The ``tls`` table. Verification cannot be switched off.

    ``ca_file`` takes the place of the system's certificates; ``client_cert`` (with ``client_key``
    unless the key is in the same file) is shown to the service. All are PEM files.
    """

    ca_file: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None

    @property
    def is_set(self) -> bool:
        return bool(self.ca_file or self.client_cert)

    @model_validator(mode="after")
    def _is_usable(self) -> Self:
        if self.client_key and not self.client_cert:
            raise PydanticCustomError("tls", "expected client_cert beside client_key")
        if self.is_set:
            self.context()
        return self

    def context(self) -> ssl.SSLContext:
        """The TLS settings of a connection. Raises PydanticCustomError naming the unusable file."""
        with _naming("ca_file", self.ca_file):
            context = ssl.create_default_context(cafile=self.ca_file)
        context.set_alpn_protocols(["http/1.1"])
        if self.client_cert:
            with _naming("client_cert", self.client_cert):
                # A key with a passphrase would ask for it at a terminal that is not there.
                context.load_cert_chain(self.client_cert, self.client_key, password="")
        return context


class _naming:  # noqa: N801 - reads as the statement it is
    def __init__(self, key: str, file: Path | None) -> None:
        self._key = key
        self._file = file

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, OSError):
            why = error.strerror if not isinstance(error, ssl.SSLError) else "no usable PEM"
            message = f"{self._key}: cannot use {self._file}: {why}"
            raise PydanticCustomError("tls", message) from None
