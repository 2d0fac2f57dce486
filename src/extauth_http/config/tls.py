"""The ``tls`` table: how a certificate is verified, and the client certificate of this program."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from extauth_http.config.section import Section


class Tls(Section):
    """Verification cannot be switched off. All files are PEM.

    ``ca_file`` replaces the certificates of the system. ``client_cert`` is the certificate of this
    program; its key is ``client_key``, or is in the same file.
    """

    ca_file: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None

    @property
    def is_set(self) -> bool:
        return bool(self.ca_file or self.client_cert)

    @model_validator(mode="after")
    def _check_files(self) -> Self:
        if self.client_key and not self.client_cert:
            raise PydanticCustomError("tls", "expected client_cert beside client_key")
        if self.is_set:
            self.context()
        return self

    def context(self) -> ssl.SSLContext:
        """A context for connections to a service.

        Raises PydanticCustomError (a ValueError), which names the key and the file that cannot be
        used.
        """
        with _naming_the_file("ca_file", self.ca_file):
            context = ssl.create_default_context(cafile=self.ca_file)
        context.set_alpn_protocols(["http/1.1"])
        if self.client_cert:
            with _naming_the_file("client_cert", self.client_cert):
                # OpenSSL would prompt for a passphrase, and there is no terminal.
                context.load_cert_chain(self.client_cert, self.client_key, password="")
        return context


@contextmanager
def _naming_the_file(key: str, file: Path | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = error.strerror if not isinstance(error, ssl.SSLError) else "not usable PEM"
        raise PydanticCustomError("tls", f"{key}: cannot use {file}: {why}") from None
