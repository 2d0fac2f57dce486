"""A credential is gone: what the user sees, and by which ways nobody gets in any more."""

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

from tests.e2e.admin import Eyes, Operator, Ran, is_message, release
from tests.e2e.ejabberd import MODULES, Ejabberd
from tests.e2e.fast import FastClient
from tests.e2e.xmpp import login, logs_in, open_session, session
from tests.token_service import TokenService

pytestmark = pytest.mark.e2e

ALICE = "alice@example.org"
REVOKE = ("user", "revoke", ALICE, "--yes")


def backend(service: TokenService) -> str:
    return f'[backend]\nkind = "rest"\nurl = "{service.url}"'


def steps(ran: Ran) -> dict[str, str]:
    return {each["what"]: each["came"] for each in ran.json["outcomes"][0]["steps"]}


def test_a_revoked_user_is_told_and_disconnected_and_refused_from_then_on(
    service: TokenService, program: str, tmp_path: Path
) -> None:
    async def life(server: Ejabberd) -> None:
        operator = Operator(server, tmp_path, backend=backend(service))
        token = service.issue(ALICE)
        async with session(server, ALICE, token) as phone, session(server, ALICE, token) as desk:
            eyes = Eyes(phone), Eyes(desk)
            service.revoke(token)
            assert not phone.ended.is_set()  # a session that is up stays up until it is ended
            ran = await operator.does(
                *(*REVOKE, "--json", "--no-fast", "--notify", "you have left us"),
                *("--grace", "0.2s"),
                given=f"{token}\n",
            )
            for each in eyes:
                await each.sees(
                    lambda stanza: is_message(stanza, "example.org", "you have left us")
                )
                await asyncio.wait_for(each.session.ended.wait(), 20)
        assert steps(ran) == {
            "credential": "done",
            "login cache": "done",
            "OAuth tokens": "nothing there",
            "sessions": "done",
            "afterwards": "done",
        }
        assert token not in ran.out + ran.err
        assert not await login(server, ALICE, token)
        assert await login(server, ALICE, service.issue(ALICE))

    with Ejabberd(program) as server:
        asyncio.run(life(server))


def test_nothing_is_done_as_long_as_the_service_lets_the_credential_in_or_does_not_tell(
    service: TokenService, program: str, tmp_path: Path
) -> None:
    async def life(server: Ejabberd) -> None:
        token = service.issue(ALICE)
        async with session(server, ALICE, token) as alice:
            operator = Operator(server, tmp_path, backend=backend(service))
            ran = await operator.run(*REVOKE, given=f"{token}\n")
            assert (ran.code, "still lets" in ran.err) == (1, True)
            nowhere = backend(service).replace(service.url, "http://127.0.0.1:1/")
            operator = Operator(server, tmp_path, backend=nowhere)
            ran = await operator.run(*REVOKE, given=f"{token}\n")
            assert (ran.code, "not known" in ran.err) == (1, True)
            ran = await operator.run(*REVOKE, given="\n")
            assert (ran.code, "no credential was given" in ran.err) == (1, True)
            assert not alice.ended.is_set()

    with Ejabberd(program) as server:
        asyncio.run(life(server))


def test_what_ejabberds_own_cache_would_still_let_in_is_refused_after_it(
    service: TokenService, program: str, tmp_path: Path
) -> None:
    token = service.issue(ALICE)
    with Ejabberd(program, auth_use_cache=True) as server:
        operator = Operator(server, tmp_path, backend=backend(service))
        assert logs_in(server, ALICE, token)
        service.revoke(token)
        assert logs_in(server, ALICE, token)
        asyncio.run(operator.does(*REVOKE, "--no-fast", given=f"{token}\n"))
        assert not logs_in(server, ALICE, token)


def test_whoever_is_on_again_at_once_is_not_passed_over(
    service: TokenService, program: str, tmp_path: Path
) -> None:
    """With ``--no-verify`` and a credential that is still good, the client is soon back."""

    async def come_back(server: Ejabberd, ended: asyncio.Event, token: str) -> Any:
        await ended.wait()
        return await open_session(server, ALICE, token)

    async def life(server: Ejabberd) -> None:
        operator = Operator(server, tmp_path)
        token = service.issue(ALICE)
        first = await open_session(server, ALICE, token)
        again = asyncio.create_task(come_back(server, first.ended, token))
        ran = await operator.run(*REVOKE, "--no-verify", "--no-fast")
        assert (ran.code, "on again" in ran.out) == (1, True)
        await (await again).close()

    with Ejabberd(program) as server:
        asyncio.run(life(server))


@contextmanager
def fast_server(program: str, folder: Path) -> Iterator[Ejabberd]:
    """An ejabberd that gives FAST tokens; skips the test where this one has none."""
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


def test_fast_tokens_are_gone_where_ejabberd_can_clear_them_and_named_where_it_cannot(
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
        assert client().log_in_by(on.token)  # the program is not asked, and the service says no
        ran = asyncio.run(operator.run(*REVOKE, "--json", given=f"{token}\n"))
        assert steps(ran)["FAST tokens"] == ("done" if is_clearing else "not possible here")
        assert ran.json["outcomes"][0]["state"] == ("done" if is_clearing else "not known")
        assert ran.code == (0 if is_clearing else 1)
        assert client().log_in_by(on.token) is not is_clearing


def test_fast_tokens_of_somebody_who_is_not_on_are_named(
    service: TokenService, program: str, tmp_path: Path
) -> None:
    token = service.issue(ALICE)
    with fast_server(program, tmp_path) as server:
        operator = Operator(server, tmp_path)
        with fast_client(server, tmp_path) as on:
            assert on.log_in(token)
        while server.api("user_sessions_info", user="alice", host="example.org"):
            time.sleep(0.05)
        ran = asyncio.run(operator.run(*REVOKE, "--json", "--no-verify"))
        assert (ran.code, steps(ran)["FAST tokens"]) == (1, "not possible here")
        with fast_client(server, tmp_path) as back:
            assert back.log_in_by(on.token)  # which is why it is named


def test_ejabberds_oauth_tokens_are_revoked(
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
        ran = asyncio.run(operator.does(*REVOKE, "--json", "--no-verify", "--no-fast"))
        assert steps(ran)["OAuth tokens"] == "done"
        left = {each["token"] for each in server.api("oauth_list_tokens")}
        assert left == {of_bob}
        assert of_alice not in ran.out + ran.err
