"""The TLS certificate of a service: each reason why it is not trusted has a finding of its own."""

import socket
import ssl
import time

from extauth_http.check.finding import Finding, broken, good, warning
from extauth_http.config.backend import BackendSettings

MIN_DAYS = 14
"""Days of validity left under which there is a warning."""

# X509_V_ERR_… of OpenSSL (x509_vfy.h)
NOT_YET_VALID, EXPIRED = 9, 10
SELF_SIGNED = 18
UNKNOWN_AUTHORITY = {2, 19, 20, 21}
WRONG_NAME = {62, 64}

NOT_TLS = {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNEXPECTED_EOF_WHILE_READING"}
"""Reasons of OpenSSL for an answer that is no TLS record."""

CLOSED_BY_SERVICE = (ssl.SSLEOFError, ssl.SSLZeroReturnError)
"""The end of the connection without an answer. Python 3.11.2 gives it no reason."""

CA_FILE = 'ca_file = "/etc/ejabberd/authority.pem"'


def certificate_finding(
    connection: socket.socket, host: str, url: str, backend: BackendSettings, table: str
) -> Finding:
    """Starts TLS on a connection. ``table`` is the backend's table in the configuration."""
    try:
        with backend.tls.context().wrap_socket(connection, server_hostname=host) as wrapped:
            certificate = wrapped.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        return _not_trusted(error, url, host, backend, table)
    except OSError as error:
        reason = getattr(error, "reason", None)
        text = f"{url}: no TLS connection: {reason or error.strerror or 'timeout'}"
        if reason in NOT_TLS or isinstance(error, CLOSED_BY_SERVICE):
            text += ". The service may speak plain http: check the url"
        return broken("backend-tls", text)
    ends = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
    days = int((ends - time.time()) // 86400)
    if days < MIN_DAYS:
        return warning(
            "backend-certificate-ends",
            f"{url}: the certificate expires in {days} days. Renew it, or all logins fail then",
        )
    return good("backend-certificate", f"{url}: the certificate is valid for {days} days")


def _not_trusted(
    error: ssl.SSLCertVerificationError,
    url: str,
    host: str,
    backend: BackendSettings,
    table: str,
) -> Finding:
    code = error.verify_code
    line = CA_FILE if "tls" in backend.model_fields_set else f"[{table}.tls]\n{CA_FILE}"
    if code == EXPIRED:
        return broken(
            "backend-certificate-expired",
            f"{url}: the certificate has expired. Renew it on the service",
        )
    if code == NOT_YET_VALID:
        return broken(
            "backend-certificate-early",
            f"{url}: the certificate is not valid yet. Check the clocks of both machines",
        )
    if code in WRONG_NAME:
        return broken(
            "backend-certificate-name",
            f"{url}: the certificate is not valid for {host}. Use a name from the certificate in "
            "the url, or get a certificate for this name",
        )
    if code == SELF_SIGNED:
        return broken(
            "backend-certificate-self-signed",
            f"{url}: the certificate is self-signed. If it is the right one, save it as a file and "
            "set ca_file",
            line=line,
        )
    if code in UNKNOWN_AUTHORITY:
        trusted = f"in {backend.tls.ca_file}" if backend.tls.ca_file else "trusted by this system"
        return broken(
            "backend-certificate-unknown",
            f"{url}: the authority that signed the certificate is not {trusted}, or the service "
            "does not send the intermediate certificates. Set ca_file to the authority's file",
            line=line,
        )
    return broken("backend-tls", f"{url}: the certificate is not valid: {error.verify_message}")
