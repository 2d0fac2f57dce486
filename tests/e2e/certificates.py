"""Certificates of a test server, and of clients that log in with one."""

import datetime
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass
class Certificates:
    """A server certificate, and client certificates for a JID (RFC 6120 section 13.7.1.4)."""

    folder: Path
    authority: trustme.CA

    @property
    def options(self) -> dict[str, Any]:
        server = self.folder / "server.pem"
        until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=30)
        issued = self.authority.issue_cert("example.org", not_after=until)
        issued.private_key_and_cert_chain_pem.write_to_path(str(server))
        self.authority.cert_pem.write_to_path(str(self.folder / "ca.pem"))
        return {"certfiles": [str(server)], "c2s_cafile": str(self.folder / "ca.pem")}

    def client(self, jid: str = "") -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
        if jid:
            file = self.folder / "client.pem"
            file.write_bytes(self._issued(jid.encode()))
            context.load_cert_chain(file)
        return context

    def _issued(self, jid: bytes) -> bytes:
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = x509.load_pem_x509_certificate(self.authority.cert_pem.bytes())
        signer = serialization.load_pem_private_key(self.authority.private_key_pem.bytes(), None)
        assert isinstance(signer, ec.EllipticCurvePrivateKey)
        day = datetime.timedelta(days=1)
        now = datetime.datetime.now(datetime.UTC)
        utf8 = b"\x0c" + bytes([len(jid)]) + jid
        address = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.5"), utf8)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(issuer.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - day)
            .not_valid_after(now + day)
            .add_extension(x509.SubjectAlternativeName([address]), critical=True)
            .sign(signer, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
