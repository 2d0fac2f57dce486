"""A real OAuth 2.0 and OpenID Connect provider, django-oauth-toolkit, as a process for tests. It
also serves Django REST framework, with its tokens and with simplejwt.

The first line that it prints is its issuer. Then it reads one JSON object per line from standard
input and answers each with one line.
"""

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CLIENT_ID, CLIENT_SECRET = "extauth", "s3cret:with/odd chars"


@dataclass(frozen=True)
class OAuthProvider:
    """A provider that runs. ``issuer`` is the base URL of all its endpoints."""

    issuer: str
    process: subprocess.Popen[str]

    def _ask(self, **command: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def token(self, user: str, scope: str = "openid profile", seconds: int = 3600) -> str:
        """A new access token of this user."""
        issued: str = self._ask(do="token", user=user, scope=scope, seconds=seconds)
        return issued

    def api_token(self, user: str) -> str:
        """The token of a user for Django REST framework."""
        issued: str = self._ask(do="api_token", user=user)
        return issued

    def disable(self, user: str) -> None:
        self._ask(do="disable", user=user)

    def revoke(self, token: str) -> None:
        self._ask(do="revoke", token=token)

    def set_password(self, user: str, password: str) -> None:
        self._ask(do="password", user=user, password=password)

    def valid_tokens(self, user: str) -> int:
        """The number of valid access and refresh tokens of this user."""
        count: int = self._ask(do="valid", user=user)
        return count


@contextlib.contextmanager
def oauth_provider() -> Iterator[OAuthProvider]:
    """Runs a provider with the users alice and bob, whose password is ``wonder:land``."""
    process = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process:
        try:
            yield OAuthProvider(process.stdout.readline().strip(), process)
        finally:
            process.kill()


def main() -> None:
    import threading
    from socketserver import ThreadingMixIn
    from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

    folder = tempfile.TemporaryDirectory(prefix="oauth-provider-")

    class Server(ThreadingMixIn, WSGIServer):
        daemon_threads = True

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

    server = make_server("127.0.0.1", 0, None, Server, Quiet)  # type: ignore[call-overload]
    issuer = f"http://127.0.0.1:{server.server_port}/o"
    configure(Path(folder.name), issuer)

    from django.core.wsgi import get_wsgi_application

    server.set_app(get_wsgi_application())
    create_users_and_client()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(issuer, flush=True)
    for line in sys.stdin:
        print(json.dumps(execute(json.loads(line))), flush=True)


def configure(folder: Path, issuer: str) -> None:
    import django
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from django.conf import settings

    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={
            "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "db.sqlite3"}
        },
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=[
            *("django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"),
            *("rest_framework", "rest_framework.authtoken"),
        ],
        REST_FRAMEWORK={
            "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.TokenAuthentication"],
            "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        },
        AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.ModelBackend"],
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        OAUTH2_PROVIDER={
            "OIDC_ENABLED": True,
            "OIDC_ISS_ENDPOINT": issuer,
            "OIDC_RSA_PRIVATE_KEY": key.decode(),
            "OAUTH2_VALIDATOR_CLASS": validator(),
            "SCOPES": dict.fromkeys(["openid", "profile", "email", "xmpp", "introspection"], ""),
        },
        ROOT_URLCONF=__name__,
        SECRET_KEY="only for tests, and longer than 32 bytes",
        USE_TZ=True,
    )
    django.setup()
    from django.urls import include, path

    global urlpatterns
    from rest_framework.decorators import api_view
    from rest_framework.response import Response
    from rest_framework_simplejwt.views import TokenObtainPairView

    @api_view(["GET"])  # type: ignore[untyped-decorator]
    def me(request: Any) -> Any:
        return Response({"username": request.user.username})

    urlpatterns = [
        path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
        path("api/me/", me),
        path("api/token/", TokenObtainPairView.as_view()),
    ]


urlpatterns: list[Any] = []


def validator() -> str:
    return f"{__name__}.Validator"


def __getattr__(name: str) -> Any:
    if name != "Validator":
        raise AttributeError(name)
    from oauth2_provider.oauth2_validators import OAuth2Validator

    class Validator(OAuth2Validator):  # type: ignore[misc]
        """Adds claims about the user, as most providers do."""

        def get_additional_claims(self, request: Any) -> dict[str, Any]:
            user = request.user
            return {"preferred_username": user.username, "email": user.email}

    return Validator


def create_users_and_client() -> None:
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from oauth2_provider.models import Application

    call_command("migrate", verbosity=0)
    for name in ("alice", "bob"):
        User.objects.create_user(name, f"{name}@example.org", "wonder:land")
    Application.objects.create(
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_PASSWORD,
        algorithm=Application.RS256_ALGORITHM,
        name="extauth",
    )


def execute(command: dict[str, Any]) -> Any:
    import secrets
    from datetime import timedelta

    from django.contrib.auth.models import User
    from django.utils import timezone
    from oauth2_provider.models import AccessToken, Application, RefreshToken

    match command["do"]:
        case "token":
            token = secrets.token_urlsafe(32)
            AccessToken.objects.create(
                user=User.objects.get(username=command["user"]),
                application=Application.objects.get(client_id=CLIENT_ID),
                token=token,
                scope=command["scope"],
                expires=timezone.now() + timedelta(seconds=command["seconds"]),
            )
            return token
        case "api_token":
            from rest_framework.authtoken.models import Token

            user = User.objects.get(username=command["user"])
            return Token.objects.get_or_create(user=user)[0].key
        case "disable":
            User.objects.filter(username=command["user"]).update(is_active=False)
        case "revoke":
            AccessToken.objects.get(token=command["token"]).revoke()
        case "password":
            user = User.objects.get(username=command["user"])
            user.set_password(command["password"])
            user.save()
        case "valid":
            mine = {"user__username": command["user"]}
            refresh = RefreshToken.objects.filter(revoked=None, **mine).count()
            return refresh + AccessToken.objects.filter(expires__gt=timezone.now(), **mine).count()
    return None


if __name__ == "__main__":
    main()
