"""Recipes with the service itself."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.ejabberd import free_ports
from tests.recipes.recipe import SECRET, Recipe
from tests.servers.oauth_provider import CLIENT_SECRET, OAuthProvider, oauth_provider
from tests.servers.oidc_provider import NoProviderError, oidc_provider
from tests.token_service import token_service

ALLOW = ("allow", "allowed")


@pytest.fixture(scope="module")
def django() -> Iterator[OAuthProvider]:
    with oauth_provider() as running:
        yield running


def base(provider: OAuthProvider) -> str:
    return provider.issuer.removesuffix("/o")


def test_django_rest_framework_with_its_tokens(django: OAuthProvider, tmp_path: Path) -> None:
    alice, bob = django.api_token("alice"), django.api_token("bob")
    with Recipe("Django REST framework: token", base(django), tmp_path) as recipe:
        assert recipe.login("alice", alice) == ALLOW
        assert recipe.login("alice", bob) == ("deny", "another_user")
        assert recipe.login("alice", "0" * 40) == ("deny", "http_401")
        assert recipe.login("alice", "no token at all") == ("deny", "http_401")


def test_django_rest_framework_with_simplejwt(django: OAuthProvider, tmp_path: Path) -> None:
    with Recipe("Django REST framework: simplejwt", base(django), tmp_path) as recipe:
        assert recipe.login("alice", "wonder:land") == ALLOW
        assert recipe.login("alice", "wrong") == ("deny", "http_401")
        assert recipe.login("nobody", "wonder:land") == ("deny", "http_401")
        django.set_password("bob", "changed")
        assert recipe.login("bob", "wonder:land") == ("deny", "http_401")
        assert recipe.login("bob", "changed") == ALLOW
        django.disable("bob")
        assert recipe.login("bob", "changed") == ("deny", "http_401")


def test_django_oauth_toolkit(django: OAuthProvider, tmp_path: Path) -> None:
    token = django.token("alice")
    url = base(django)
    names = {'client_id = "xmpp"': 'client_id = "extauth"', '"app"': '"extauth"'}
    with Recipe("django-oauth-toolkit", url, tmp_path, CLIENT_SECRET, names) as recipe:
        assert recipe.login("alice", token) == ALLOW
        assert recipe.login("bob", token) == ("deny", "another_user")
        django.revoke(token)
        assert recipe.login("alice", token) == ("deny", "inactive")
    with Recipe("django-oauth-toolkit", url, tmp_path, "wrong", names) as recipe:
        assert recipe.login("alice", token) == ("undecided", "service_auth_refused")


def test_oidc_provider(tmp_path: Path) -> None:
    names = {'client_id = "xmpp"': 'client_id = "RS256"'}
    try:
        with oidc_provider("http://127.0.0.1:1/", SECRET, tmp_path / "stderr") as provider:
            token = provider.issue("alice", "RS256", "opaque")
            url = provider.issuer
            with Recipe("oidc-provider", url, tmp_path, SECRET, names) as recipe:
                assert recipe.login("alice", token) == ALLOW
                assert recipe.login("bob", token) == ("deny", "another_user")
                assert recipe.login("alice", "wrong") == ("deny", "inactive")
                provider.destroy(token)
                assert recipe.login("alice", token) == ("deny", "inactive")
            with Recipe("oidc-provider", url, tmp_path, "wrong", names) as recipe:
                assert recipe.login("alice", token) == ("undecided", "service_auth_refused")
    except NoProviderError as why:
        pytest.skip(str(why))


def test_an_application_at_a_unix_socket(tmp_path: Path) -> None:
    """The example token service, which uvicorn serves at a Unix socket."""
    with token_service(tmp_path) as service:
        service.add("alice@example.org", "wonder:land")
        path = tmp_path / "app.sock"
        code = (
            "import sys, uvicorn\nfrom pathlib import Path\n"
            "from examples.token_service import Store, application\n"
            "uvicorn.run(application(Store(Path(sys.argv[1]))), uds=sys.argv[2], log_level='error')"
        )
        words = [sys.executable, "-c", code, str(service.db), str(path)]
        with subprocess.Popen(words) as process:
            wait_for(path.exists)
            url = f"http+unix://{str(path).replace('/', '%2F')}"
            with Recipe("An application at a Unix socket", url, tmp_path) as recipe:
                wait_for(lambda: recipe.login("alice", "wonder:land") == ALLOW)
                assert recipe.login("alice", "wrong")[0] == "deny"
                assert recipe.login("bob", "wonder:land")[0] == "deny"
                process.terminate()
                process.wait()
                assert recipe.login("alice", "wonder:land")[0] == "undecided"


GLEWLWYD = """
port={port}
bind_address="127.0.0.1"
external_url="http://localhost:{port}/"
login_url="login.html"
api_prefix="api"
log_mode="console"
log_level="ERROR"
cookie_secure=0
session_expiration=3600
session_key="SESSION"
admin_scope="g_admin"
profile_scope="g_profile"
user_module_path="/usr/lib/glewlwyd/user"
client_module_path="/usr/lib/glewlwyd/client"
user_auth_scheme_module_path="/usr/lib/glewlwyd/scheme"
plugin_module_path="/usr/lib/glewlwyd/plugin"
use_secure_connection=false
secure_connection_key_file="none"
secure_connection_pem_file="none"
hash_algorithm = "SHA512"
database = {{ type = "sqlite3"; path = "{folder}/db"; }};
"""
GLEWLWYD_TABLES = Path("/usr/share/doc/glewlwyd/database/init.sqlite3.sql.gz")


@pytest.mark.skipif(
    not (shutil.which("glewlwyd") and GLEWLWYD_TABLES.exists()),
    reason="Debian's package glewlwyd is not installed",
)
def test_glewlwyd(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    (tmp_path / "conf").write_text(GLEWLWYD.format(port=port, folder=tmp_path))
    tables = subprocess.run(["zcat", GLEWLWYD_TABLES], capture_output=True, check=True).stdout
    subprocess.run(["sqlite3", tmp_path / "db"], input=tables, capture_output=True, check=True)
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(["glewlwyd", f"--config-file={tmp_path}/conf"]) as process:
        try:
            with httpx.Client(base_url=f"{url}/api", trust_env=False) as admin:
                login = {"username": "admin", "password": "password"}
                wait_for(lambda: responds(admin, login))
                for name, word in (("alice", "wonder:land"), ("bob", "builder")):
                    user = {"username": name, "name": name, "email": f"{name}@example.org"}
                    user |= {"password": word}
                    more = {"enabled": True, "scope": ["g_profile"]}
                    assert admin.post("/user/", json={**user, **more}).status_code == 200
            with Recipe("Glewlwyd", url, tmp_path) as recipe:
                assert recipe.login("alice", "wonder:land") == ALLOW
                assert recipe.login("alice", "builder") == ("deny", "http_401")
                assert recipe.login("alice", "wrong") == ("deny", "http_401")
                assert recipe.login("nobody", "wonder:land") == ("deny", "http_401")
        finally:
            process.terminate()


def responds(client: httpx.Client, login: dict[str, str]) -> bool:
    try:
        return client.post("/auth/", json=login).status_code == 200
    except httpx.TransportError:
        return False


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


SYNAPSE = Path(__file__).parents[2] / ".cache" / "synapse" / "bin" / "python"
SYNAPSE_CONFIG = """
listeners:
  - bind_addresses: ["127.0.0.1"]
    port: {port}
    type: http
    resources: [{{ names: [client] }}]
rc_login: {{ address: {{ per_second: 100, burst_count: 100 }} }}
trusted_key_servers: []
"""


@pytest.mark.skipif(not SYNAPSE.exists(), reason="Synapse is installed by: make recipes")
def test_synapse(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    config, own = tmp_path / "hs.yaml", tmp_path / "own.yaml"
    own.write_text(SYNAPSE_CONFIG.format(port=port))
    start = [str(SYNAPSE), "-m", "synapse.app.homeserver", "--config-path", str(config)]
    more = ["--server-name", "example.org", "--generate-config", "--report-stats=no"]
    run_quietly([*start, *more], tmp_path)
    url = f"http://127.0.0.1:{port}"
    with (
        (tmp_path / "output").open("wb") as output,
        subprocess.Popen(
            [*start, "--config-path", str(own)], cwd=tmp_path, stdout=output, stderr=output
        ) as process,
    ):
        try:
            wait_for(lambda: is_up(f"{url}/_matrix/client/versions"), 60)
            register = SYNAPSE.with_name("register_new_matrix_user")
            for name in ("alice", "bob"):
                words = ["-c", str(config), "-u", name, "-p", f"{name}-word", "--no-admin", url]
                run_quietly([str(register), *words], tmp_path)
            client = f"{url}/_matrix/client/v3"
            who = {"type": "m.id.user", "user": "alice"}
            login = {"type": "m.login.password", "password": "alice-word", "identifier": who}
            token = httpx.post(f"{client}/login", json=login).json()["access_token"]
            before = devices(client, token)
            with Recipe("Matrix: Synapse", url, tmp_path) as recipe:
                for _ in range(3):
                    assert recipe.login("alice", "alice-word") == ALLOW
                assert recipe.login("alice", "bob-word") == ("deny", "denied")
                assert recipe.login("nobody", "alice-word") == ("deny", "denied")
            assert devices(client, token) == before  # the recipe leaves none
            with Recipe("Matrix: Synapse", url, tmp_path) as recipe:
                assert recipe.login("alice", "alice-word", "example.com") == (
                    "deny",
                    "another_user",
                )
        finally:
            process.terminate()


def run_quietly(words: list[str], folder: Path) -> None:
    subprocess.run(words, cwd=folder, check=True, capture_output=True)


def devices(client: str, token: str) -> int:
    """How many devices a user has."""
    answer = httpx.get(f"{client}/devices", headers={"Authorization": f"Bearer {token}"})
    return len(answer.json()["devices"])


def is_up(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
