"""The ``signals`` table is valid, the keys of its issuers can be retrieved, the queue can be
written, and the admin API can be called.

Nothing is changed: the queue is opened only if it exists, and the admin API is only queried.
"""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx

from extauth_http.check.finding import Finding, broken, good, warning
from extauth_http.config.ejabberd import EjabberdSettings
from extauth_http.config.loader import ConfigError
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.ejabberd_api.errors import ApiError
from extauth_http.ejabberd_api.hints import to_yaml
from extauth_http.http import transport
from extauth_http.signals.issuer_settings import IssuerSettings
from extauth_http.signals.queue import Queue, QueueError
from extauth_http.signals.settings import NoSignalsTableError, SignalsSettings, load_signals

PROBE_USER = "extauth-http-check"
"""A user that need not exist: a user without sessions has an empty list."""

HEALTH_TIMEOUT = 5.0  # seconds
API_TIMEOUT = 10.0  # seconds
START = "systemctl enable --now extauth-http-signals.service"
INSTALL = "pip install 'extauth-http[signals]'"


def findings(file: Path | None) -> Iterator[Finding]:
    """Nothing if the configuration has no ``signals`` table."""
    try:
        settings, ejabberd = load_signals(file)
    except NoSignalsTableError:
        return
    except ConfigError as error:
        yield from (broken("signals-invalid", problem) for problem in error.problems)
        return
    yield good("signals-valid", "the [signals] table is valid")
    yield from (warning("signals-risk", text) for text in settings.warnings())
    for issuer in settings.issuer:
        yield from _issuer(issuer)
    yield from _queue(settings)
    yield from _api(settings, ejabberd)
    yield from _service(settings)


def _issuer(issuer: IssuerSettings) -> Iterator[Finding]:
    try:
        from extauth_http.backends.jwk_set import KeysError, parse_jwks
        from extauth_http.signals.jwks_download import download_jwks
    except ModuleNotFoundError as error:
        yield broken("signals-extra", f"the package {error.name} is missing", line=INSTALL)
        return
    try:
        keys = parse_jwks(download_jwks(issuer))
    except KeysError as error:
        yield broken("signals-keys", f"{issuer.issuer}: {error}. No token can be verified")
        return
    if keys:
        yield good("signals-keys", f"{issuer.issuer}: {len(keys)} keys for signatures")
    elif issuer.client_secret:
        yield good("signals-keys", f"{issuer.issuer}: no public keys; client_secret is used")
    else:
        yield broken("signals-keys", f"{issuer.issuer} publishes no keys for signatures")


def _queue(settings: SignalsSettings) -> Iterator[Finding]:
    file = settings.queue
    folder = file.absolute().parent
    if not os.path.isdir(folder):  # noqa: PTH112 - it may be closed
        yield broken(
            "signals-queue",
            f"the folder of the queue, {folder}, does not exist",
            line=f"install -d -o extauth-http -g extauth-http -m 700 {folder}",
        )
        return
    if not os.path.exists(file):  # noqa: PTH110 - it may be closed
        yield good("signals-queue", f"the service will create {file}")
        return
    try:
        with closing(Queue(file, create=False)) as queue:
            summary = queue.summary(0.0)
    except QueueError as error:
        yield broken("signals-queue", f"queue: {error}")
        return
    yield good("signals-queue", f"{file} can be written; {summary.waiting} events wait")
    if summary.failed:
        yield warning(
            "signals-given-up",
            f"{summary.failed} events were given up: the sessions of their users may be open",
            line="extauth-http signals status",
        )


def _api(settings: SignalsSettings, ejabberd: EjabberdSettings) -> Iterator[Finding]:
    try:
        api = ApiClient(ejabberd.model_copy(update={"timeout": API_TIMEOUT}))
    except ApiError as error:
        yield broken("signals-api", str(error))
        return
    try:
        api.query("status")
        served = api.query_list("registered_vhosts", str)
        for host in served[:1]:
            api.query("user_sessions_info", user=PROBE_USER, host=host)
        api.query("oauth_list_tokens")
    except ApiError as error:
        hint = error.hint
        yield broken(
            "signals-api",
            f"the service cannot end sessions: {error}{f'. {hint.text}' if hint else ''}",
            line=to_yaml(hint.options) if hint and hint.options else "",
        )
        return
    finally:
        api.close()
    yield good("signals-api", f"{ejabberd.api} lists sessions and OAuth tokens")
    for issuer in settings.issuer:
        if issuer.host not in served:
            yield broken("signals-host", f"{issuer.host} is not a virtual host of this ejabberd")


def _service(settings: SignalsSettings) -> Iterator[Finding]:
    host, port = settings.listen
    place = f"[{host}]" if ":" in host else host
    url = f"http://{place}:{port}/healthz"
    try:
        with transport.client(timeout=HEALTH_TIMEOUT) as http:
            response = http.get(url)
    except httpx.HTTPError:
        yield warning("signals-not-running", f"nothing answers at {url}", line=START)
        return
    if response.status_code == httpx.codes.OK:
        yield good("signals-running", f"the service answers at {url}")
    else:
        yield broken("signals-unhealthy", f"{url} reports: {response.text[:200]}")
