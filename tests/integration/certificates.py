"""TLS contexts with a valid certificate and with each kind of invalid one."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Certificates:
    """Server contexts. ``ca_file`` is the authority of all but ``self_signed`` and ``unknown``.

    It also signs client certificates.
    """

    ca_file: Path
    client_file: Path
    good: ssl.SSLContext
    expired: ssl.SSLContext
    other_name: ssl.SSLContext
    self_signed: ssl.SSLContext
    unknown: ssl.SSLContext
    wants_client: ssl.SSLContext


def certificates(folder: Path) -> Certificates:
    """Creates the certificates in a folder."""
    authority, stranger = trustme.CA(), trustme.CA()
    ca_file, client_file = folder / "ca.pem", folder / "client.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    client = authority.issue_cert("extauth-http")
    client.private_key_and_cert_chain_pem.write_to_path(str(client_file))
    yesterday = datetime.now(UTC) - timedelta(days=1)
    wants_client = _context(authority.issue_cert("localhost"))
    wants_client.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(wants_client)
    return Certificates(
        ca_file,
        client_file,
        good=_context(authority.issue_cert("localhost")),
        expired=_context(authority.issue_cert("localhost", not_after=yesterday)),
        other_name=_context(authority.issue_cert("other.example")),
        self_signed=_self_signed(folder),
        unknown=_context(stranger.issue_cert("localhost")),
        wants_client=wants_client,
    )


def _self_signed(folder: Path) -> ssl.SSLContext:
    """A self-signed certificate. trustme cannot create one."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "self.pem"
    pem = serialization.Encoding.PEM
    file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(pem)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def _context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context
