"""A revoked credential: what the user receives, and which ways to log in are closed."""

import asyncio
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.e2e.admin import Operator, Result, StanzaLog, is_message, release
from tests.e2e.ejabberd import MODULES, Ejabberd
from tests.e2e.fast import FastClient
from tests.e2e.xmpp import login, logs_in, open_session, session
from tests.token_service import TokenService

pytestmark = pytest.mark.e2e

ALICE = "alice@example.org"
REVOKE = ("user", "revoke", ALICE, "--yes")


def backend(service: TokenService) -> str:
    return f'[backend]\nkind = "rest"\nurl = "{service.url}"'


def steps(result: Result) -> dict[str, str]:
    return {each["step"]: each["status"] for each in result.json["outcomes"][0]["steps"]}


def test_a_revoked_user_is_notified_disconnected_and_refused(
    service: TokenService, program: str, tmp_path: Path
) -> None:
    async def life(server: Ejabberd) -> None:
        operator = Operator(server, tmp_path, backend=backend(service))
        token = service.issue(ALICE)
        async with session(server, ALICE, token) as phone, session(server, ALICE, token) as desk:
            log = StanzaLog(phone), StanzaLog(desk)
            service.revoke(token)
            assert not phone.ended.is_set()  # the session stays until it is ended
            result = await operator.run_ok(
                *(*REVOKE, "--json", "--no-fast", "--notify", "you have left us"),
                *("--grace", "0.2s"),
                given=f"{token}\n",
            )
            for each in log:
                await each.wait_for(
                    lambda stanza: is_message(stanza, "example.org", "you have left us")
                )
                await asyncio.wait_for(each.session.ended.wait(), 20)
        assert steps(result) == {
            "credential": "done",
            "login cache": "done",
            "OAuth tokens": "nothing there",
            "sessions": "done",
            "afterwards": "done",
        }
        assert token not in result.out + result.err
        assert not await login(server, ALICE, token)
        assert await login(server, ALICE, service.issue(ALICE))

    with Ejabberd(program) as server:
        asyncio.run(life(server))


def test_nothing_is_changed_unless_the_service_refuses_the_credential(
    service: TokenService, program: str, tmp_path: Path
) -> None:
    async def life(server: Ejabberd) -> None:
        token = service.issue(ALICE)
        async with session(server, ALICE, token) as alice:
            operator = Operator(server, tmp_path, backend=backend(service))
            result = await operator.run(*REVOKE, given=f"{token}\n")
            assert (result.code, "still accepts" in result.err) == (1, True)
            nowhere = backend(service).replace(service.url, "http://127.0.0.1:1/")
            operator = Operator(server, tmp_path, backend=nowhere)
            result = await operator.run(*REVOKE, given=f"{token}\n")
            assert (result.code, "not known" in result.err) == (1, True)
            result = await operator.run(*REVOKE, given="\n")
            assert (result.code, "no credential given" in result.err) == (1, True)
            assert not alice.ended.is_set()

    with Ejabberd(program) as server:
        asyncio.run(life(server))


def test_a_revoked_credential_is_removed_from_the_cache_of_ejabberd(
    service: TokenService, program: str, tmp_path: Path
) -> None:
    token = service.issue(ALICE)
    with Ejabberd(program, auth_use_cache=True) as server:
        operator = Operator(server, tmp_path, backend=backend(service))
        assert logs_in(server, ALICE, token)
        service.revoke(token)
        assert logs_in(server, ALICE, token)
        asyncio.run(operator.run_ok(*REVOKE, "--no-fast", given=f"{token}\n"))
        assert not logs_in(server, ALICE, token)


def test_a_user_who_reconnects_is_reported(
    service: TokenService, program: str, tmp_path: Path
) -> None:
    """With ``--no-verify`` and a valid credential, the client reconnects."""

    async def come_back(server: Ejabberd, ended: asyncio.Event, token: str) -> Any:
        await ended.wait()
        return await open_session(server, ALICE, token)

    async def life(server: Ejabberd) -> None:
        operator = Operator(server, tmp_path)
        token = service.issue(ALICE)
        first = await open_session(server, ALICE, token)
        again = asyncio.create_task(come_back(server, first.ended, token))
        result = await operator.run(*REVOKE, "--no-verify", "--no-fast")
        assert (result.code, "new session" in result.out) == (1, True)
        await (await again).close()

    with Ejabberd(program) as server:
        asyncio.run(life(server))


@contextmanager
def fast_server(program: str, folder: Path) -> Iterator[Ejabberd]:
    """An ejabberd with ``mod_auth_fast``; skips the test if this release does not have it."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    certificate = authority.issue_cert(
        "example.org", not_after=datetime.now(UTC) + timedelta(days=10)
    )
    certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / "ejabberd.pem"))
    with Ejabberd(program) as old:
        if release(old) < (24, 12):
            pytest.skip("this ejabberd has no mod_auth_fast")
    server = Ejabberd(
        program,
        modules={**MODULES, "mod_auth_fast": {}},
        options={"certfiles": [str(folder / "ejabberd.pem")]},
    )
    listener = server.config["listen"][0]
    del listener["starttls"]
    listener["tls"] = True
    with server:
        yield server


def fast_client(server: Ejabberd, folder: Path) -> FastClient:
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    return FastClient(server.c2s_port, "alice", "example.org", context)


def test_fast_tokens_are_deleted_or_reported(
    service: TokenService, program: str, tmp_path: Path
) -> None:
    token = service.issue(ALICE)
    with fast_server(program, tmp_path) as server, ExitStack() as clients:

        def client() -> FastClient:
            return clients.enter_context(fast_client(server, tmp_path))

        operator = Operator(server, tmp_path, backend=backend(service))
        is_clearing = release(server) >= (26, 7)
        on = client()
        assert on.log_in(token)
        service.revoke(token)
        assert client().log_in_by(
            on.token
        )  # without a request to the program; the service would refuse
        result = asyncio.run(operator.run(*REVOKE, "--json", given=f"{token}\n"))
        assert steps(result)["FAST tokens"] == ("done" if is_clearing else "not possible here")
        assert result.json["outcomes"][0]["state"] == ("done" if is_clearing else "not known")
        assert result.code == (0 if is_clearing else 1)
        assert client().log_in_by(on.token) is not is_clearing


def test_fast_tokens_of_a_user_without_session_are_reported(
    service: TokenService, program: str, tmp_path: Path
) -> None:
    token = service.issue(ALICE)
    with fast_server(program, tmp_path) as server:
        operator = Operator(server, tmp_path)
        with fast_client(server, tmp_path) as on:
            assert on.log_in(token)
        while server.api("user_sessions_info", user="alice", host="example.org"):
            time.sleep(0.05)
        result = asyncio.run(operator.run(*REVOKE, "--json", "--no-verify"))
        assert (result.code, steps(result)["FAST tokens"]) == (1, "not possible here")
        with fast_client(server, tmp_path) as back:
            assert back.log_in_by(on.token)  # the reason why it is reported


def test_oauth_tokens_of_ejabberd_are_revoked(
    service: TokenService, program: str, tmp_path: Path
) -> None:
    service.add("bob@example.org", "secret")
    with Ejabberd(program, options={"oauth_access": "all"}) as server:
        scopes: Any = "sasl_auth" if release(server) < (24, 2) else ["sasl_auth"]
        of_alice, of_bob = (
            server.api("oauth_issue_token", jid=jid, ttl=3600, scopes=scopes)["token"]
            for jid in (ALICE, "bob@example.org")
        )
        operator = Operator(server, tmp_path)
        result = asyncio.run(operator.run_ok(*REVOKE, "--json", "--no-verify", "--no-fast"))
        assert steps(result)["OAuth tokens"] == "done"
        left = {each["token"] for each in server.api("oauth_list_tokens")}
        assert left == {of_bob}
        assert of_alice not in result.out + result.err
