"""The way to a service: its name, its addresses, and its certificate."""

import socket
import ssl
import time
from collections.abc import Iterator

from extauth_http.check.finding import Finding, broken, good, warning
from extauth_http.config.backend import BackendSettings
from extauth_http.config.endpoint import Origin

RENEW = 14
"""Days before its end from which on a certificate should have been renewed."""

# OpenSSL's X509_V_ERR_… (x509_vfy.h)
NOT_YET_VALID, EXPIRED = 9, 10
SELF_SIGNED = 18
UNKNOWN_AUTHORITY = {2, 19, 20, 21}
OTHER_NAME = {62, 64}
AUTHORITY = 'ca_file = "/etc/ejabberd/authority.pem"'


def reach(
    origin: Origin, backend: BackendSettings, table: str, seconds: float
) -> Iterator[Finding]:
    """Resolves, connects to each address within its share of the seconds, as the program does,
    and looks at the certificate; ``table`` is the backend's in the configuration."""
    if backend.trust_env:
        return  # a proxy of the environment may stand between; the answers tell
    host, port = origin.host.decode(), origin.port
    where = f"{origin.scheme.decode()}://{f'[{host}]' if ':' in host else host}:{port}"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        yield broken(
            "backend-name",
            f"the name {host} does not resolve; see url, /etc/hosts and the name servers in "
            "/etc/resolv.conf",
        )
        return
    connected: socket.socket | None = None
    failed: list[str] = []
    fastest = seconds
    for address in dict.fromkeys((str(each[4][0]), port) for each in found):
        began = time.monotonic()
        try:
            connection = socket.create_connection(address, timeout=seconds / len(found))
        except OSError as error:
            failed.append(f"{address[0]}: {error.strerror or 'no answer in time'}")
            continue
        if connected is None:
            connected, fastest = connection, time.monotonic() - began
        else:
            connection.close()
    if connected is None:
        yield broken(
            "backend-unreachable",
            f"{where} cannot be connected to ({'; '.join(failed)}); see that the service runs, "
            "its port in url, and firewalls",
        )
        return
    with connected:
        to = connected.getpeername()[0]
        yield good("backend-connects", f"{where} ({to}) connects in {fastest * 1000:.1f} ms")
        if any("no answer in time" in each for each in failed):
            yield warning(
                "backend-address",
                f"not every address of {host} can be connected to ({'; '.join(failed)}): each new "
                "connection may lose time there",
            )
        if origin.scheme == b"https":
            connected.settimeout(seconds)
            yield _certificate(connected, host, where, backend, table)


def _certificate(
    connection: socket.socket, host: str, where: str, backend: BackendSettings, table: str
) -> Finding:
    try:
        with backend.tls.context().wrap_socket(connection, server_hostname=host) as wrapped:
            certificate = wrapped.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        return _refused(error, where, host, backend, table)
    except OSError as error:
        reason = getattr(error, "reason", None)
        said = reason or error.strerror or "no answer in time"
        hint = "; it speaks something else, plain http perhaps: see url" * (
            reason
            in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNEXPECTED_EOF_WHILE_READING")
        )
        return broken("backend-tls", f"{where}: no TLS connection: {said}{hint}")
    ends = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
    days = int((ends - time.time()) // 86400)
    if days < RENEW:
        return warning(
            "backend-certificate-ends",
            f"{where}: the certificate ends in {days} days; renew it, or nobody gets in then",
        )
    return good("backend-certificate", f"{where}: the certificate is good for {days} days")


def _refused(
    error: ssl.SSLCertVerificationError,
    where: str,
    host: str,
    backend: BackendSettings,
    table: str,
) -> Finding:
    """Each way in which a certificate is not to be trusted, with what to do about it."""
    code = error.verify_code
    authority = AUTHORITY if "tls" in backend.model_fields_set else f"[{table}.tls]\n{AUTHORITY}"
    trusted = f"those in {backend.tls.ca_file}" if backend.tls.ca_file else "the system's"
    if code == EXPIRED:
        return broken(
            "backend-certificate-expired",
            f"{where}: the certificate has expired; renew it at the service",
        )
    if code == NOT_YET_VALID:
        return broken(
            "backend-certificate-early",
            f"{where}: the certificate is not valid yet; see the clocks of both machines",
        )
    if code in OTHER_NAME:
        return broken(
            "backend-certificate-name",
            f"{where}: the certificate is not for {host}; write the name that it is for into url, "
            "or get one for this name",
        )
    if code == SELF_SIGNED:
        return broken(
            "backend-certificate-self-signed",
            f"{where}: the certificate is signed by nobody but itself; if it is the right one, "
            "write it into a file and name that",
            line=authority,
        )
    if code in UNKNOWN_AUTHORITY:
        return broken(
            "backend-certificate-unknown",
            f"{where}: the certificate is signed by an authority that is not among {trusted}, or "
            "the service does not send the certificates between; name the authority's file",
            line=authority,
        )
    return broken("backend-tls", f"{where}: the certificate is refused: {error.verify_message}")
