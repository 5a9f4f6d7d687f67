"""Signing in from a mail client: over TLS, by each mechanism, by password or by bearer token; and how long it holds."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import imaplib
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mail_gateway import sasl, sign_ins
from mail_gateway.imap import server, wire
from server import mail_sign_in, sessions, teams
from server.errors import Unauthorised
from storage.database import Tx
from tests.house import PASSWORD, House, open_house, settings_for
from tests.imap_client import MOREL, trusting

PETIT, ADMISSIONS = "claire.petit@pli.example", "admissions@pli.example"


def plain(address: str = MOREL, secret: str = PASSWORD) -> bytes:
    return f"\0{address}\0{secret}".encode()


def oauthbearer(address: str, token: str) -> bytes:
    return f"n,a={address},\x01host=localhost\x01port=993\x01auth=Bearer {token}\x01\x01".encode()


def xoauth2(address: str, token: str) -> bytes:
    return f"user={address}\x01auth=Bearer {token}\x01\x01".encode()


class Said:
    """A client over TLS from the first octet that says exactly what it is told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def hear(self) -> str:
        return (await asyncio.wait_for(self.reader.readline(), 20)).decode().rstrip("\r\n")

    async def say(self, line: str) -> str:
        """The next line that is no untagged one."""
        self.writer.write(f"{line}\r\n".encode())
        while (heard := await self.hear()).startswith("* ") and not heard.startswith("* BYE"):
            pass
        return heard

    async def authenticate(self, mechanism: str, *answers: bytes, at_once: bool = False) -> str:
        """The tagged answer of an exchange, the first response with the command or after it."""
        coded = [base64.b64encode(answer).decode() for answer in answers]
        heard = await self.say(f"t AUTHENTICATE {mechanism}" + (f" {coded.pop(0) or '='}" if at_once else ""))
        for answer in coded:
            assert heard.startswith("+ "), heard
            heard = await self.say(answer)
        return heard


@asynccontextmanager
async def connected(house: House) -> AsyncIterator[Said]:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", house.app.ports["imaps"], ssl=trusting(house.app), server_hostname="localhost"
    )
    said = Said(reader, writer)
    try:
        assert (await said.hear()).startswith("* OK [CAPABILITY IMAP4rev1")
        yield said
    finally:
        writer.close()


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the doors open: they look every tenth of a second who may still sit there."""
    monkeypatch.setattr(sign_ins, "ROUND_S", 0.1)


# ---- TLS from the first octet ----------------------------------------------------------------------------------------


async def test_dr_morel_signs_in_over_tls_from_the_first_octet(house: House) -> None:
    def read() -> str:
        port, context = house.app.ports["imaps"], trusting(house.app)
        with imaplib.IMAP4_SSL("localhost", port, ssl_context=context, timeout=20) as imap:
            assert "STARTTLS" not in imap.capabilities
            assert {"AUTH=PLAIN", "AUTH=LOGIN", "AUTH=OAUTHBEARER", "AUTH=XOAUTH2"} < set(imap.capabilities)
            imap.login(MOREL, PASSWORD)
            return imap.select("INBOX")[0]

    assert await asyncio.to_thread(read) == "OK"


async def test_handshakes_that_never_end_are_counted_and_cut(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_PER_SOURCE", 2)
    monkeypatch.setattr(server, "HANDSHAKE_S", 1.0)
    port, context = house.app.ports["imaps"], trusting(house.app)
    mute = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
    with pytest.raises((ConnectionError, ssl.SSLError)):
        await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    reader, writer = await asyncio.open_connection("127.0.0.1", house.app.ports["imap"])
    assert (await reader.readline()).startswith(b"* BYE [LIMIT]"), "one count for both ways in"
    for heard, gone in (*mute, (reader, writer)):
        assert await asyncio.wait_for(heard.read(), 20) == b""
        gone.close()
    async with connected(house) as said:
        assert (await said.authenticate("PLAIN", plain())).startswith("t OK")


# ---- mechanisms ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at_once", [True, False])
async def test_each_mechanism_lets_in_with_and_without_an_initial_response(house: House, at_once: bool) -> None:
    token = await house.token("morel")
    for mechanism, answers in {
        "PLAIN": [plain()],
        "login": [MOREL.encode(), PASSWORD.encode()],
        "OAUTHBEARER": [oauthbearer(MOREL, token)],
        "XOAUTH2": [xoauth2(MOREL.upper(), token)],
    }.items():
        async with connected(house) as said:
            told = await said.authenticate(mechanism, *answers, at_once=at_once)
            assert told.startswith("t OK [CAPABILITY"), (mechanism, told)
            assert (await said.say("s SELECT INBOX")).startswith("s OK")


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
@pytest.mark.parametrize("at_once", [True, False])
async def test_a_token_that_is_none_is_told_why_before_it_is_refused(
    house: House, mechanism: str, at_once: bool
) -> None:
    """RFC 7628 § 3.2.2 and § 3.2.3: the reason, an answer that says nothing, and then the NO."""
    wrong = {"OAUTHBEARER": oauthbearer, "XOAUTH2": xoauth2}[mechanism](MOREL, "jeton-de-personne")
    for nothing in ("AQ==", ""):
        async with connected(house) as said:
            told = await said.authenticate(mechanism, wrong, at_once=at_once)
            assert told.startswith("+ ")
            reason = json.loads(base64.b64decode(told[2:]))
            assert reason == {"status": "401", "schemes": "bearer", "scope": "mail"}
            assert (await said.say(nothing)).startswith("t NO [AUTHENTICATIONFAILED]")
            assert (await said.authenticate("PLAIN", plain())).startswith("t OK"), "and the session goes on"


async def test_what_is_no_answer_and_who_gives_up_get_a_bad_and_no_password_is_tried(house: House) -> None:
    async with connected(house) as said:
        for mechanism, answer in (
            ("PLAIN", b"sans separateur"),
            ("OAUTHBEARER", b"n,a=x,\x01auth=Bearer \x01\x01"),
            ("XOAUTH2", b"user=x"),
            ("PLAIN", b"\xff\0\xff\0\xff"),
        ):
            assert await said.authenticate(mechanism, answer) == f"t BAD {mechanism}"
        assert (await said.say("t AUTHENTICATE PLAIN")).startswith("+ ")
        assert (await said.say("*")).startswith("t BAD")
        assert (await said.authenticate("CRAM-MD5")).startswith("t NO [CANNOT]")
        assert (await said.authenticate("PLAIN", plain())).startswith("t OK")


@settings(max_examples=40)
@given(st.sampled_from(sorted(sasl.MECHANISMS)), st.lists(st.binary(max_size=300), min_size=2, max_size=2))
@example("OAUTHBEARER", [b"n,,\x01auth=Bearer a\x01\x01", b""])
@example("OAUTHBEARER", [b"y,a=a=2Cb@x,\x01auth=bearer a\x01\x01", b""])
def test_an_answer_is_understood_or_refused_and_never_anything_else(mechanism: str, answers: list[bytes]) -> None:
    exchange = sasl.MECHANISMS[mechanism]()
    next(exchange)
    heard = None
    try:
        for answer in answers:
            exchange.send(answer)
    except sasl.BadAnswer:
        return
    except StopIteration as ended:
        heard = ended.value
    assert repr(heard) in {"None", "<Given>"}, "nothing of it is shown"
    assert heard is None or not heard.bearer or heard.secret.isascii()


# ---- whose box -------------------------------------------------------------------------------------------------------


async def test_a_token_opens_the_box_of_a_team_one_works_in_in_ones_own_name(house: House) -> None:
    token = await house.token("petit")
    async with connected(house) as said:
        assert (await said.authenticate("XOAUTH2", xoauth2(ADMISSIONS, token))).startswith("t OK")
        assert (await said.say("s SELECT INBOX")).startswith("s OK")
    rows = await house.app.db.read(_readings, house.admissions.mailbox_id)
    assert rows == [(house.petit.account_id, "team")]
    for who, address in (("morel", ADMISSIONS), ("petit", MOREL), ("petit", "personne@pli.example")):
        async with connected(house) as said:
            told = await said.authenticate("XOAUTH2", xoauth2(address, await house.token(who)), b"")
            assert told.startswith("t NO [AUTHENTICATIONFAILED]"), (who, address)


def _readings(tx: Tx, mailbox_id: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in tx.run(
        "SELECT actor_id, ground FROM audit WHERE act = 'mailbox:read' AND object = :m", m=mailbox_id
    )]  # fmt: skip


async def test_services_patients_and_operators_have_no_mail_client_by_token_either(house: House) -> None:
    for who in ("lab", "carnet", "dominique", "operator"):
        async with connected(house) as said:
            told = await said.authenticate("OAUTHBEARER", oauthbearer("", await house.token(who)), b"\x01")
            assert told.startswith("t NO [AUTHENTICATIONFAILED]"), who


async def test_who_leaves_the_team_reads_no_more_there(soon: None, house: House) -> None:
    token = await house.token("petit")
    async with connected(house) as team, connected(house) as own:
        assert (await team.authenticate("XOAUTH2", xoauth2(ADMISSIONS, token))).startswith("t OK")
        assert (await own.authenticate("XOAUTH2", xoauth2(PETIT, token))).startswith("t OK")
        await teams.leave(house.app, house.admissions.account_id, house.petit.account_id)
        assert (await team.hear()).startswith("* BYE")
        assert (await own.say("n NOOP")).startswith("n OK")


async def test_a_token_that_ended_shows_its_client_out(soon: None, house: House) -> None:
    token = await house.token("morel")
    async with connected(house) as said:
        assert (await said.authenticate("XOAUTH2", xoauth2("", token))).startswith("t OK")
        [way] = [way for way in await sessions.ways(house.app, house.morel.account_id) if way.kind == "bearer"]
        await sessions.end_way(house.app, house.morel.account_id, way.id)
        assert (await said.hear()).startswith("* BYE")


async def test_too_many_tokens_that_are_none_from_one_place_wait(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each might have to be asked about elsewhere; whoever holds a good one meanwhile is asked to wait too."""
    monkeypatch.setattr(mail_sign_in, "WRONG_TOKENS", 2)
    token = await house.token("morel")
    tokens = mail_sign_in.MailTokens(house.app)
    for _ in range(2):
        with pytest.raises(Unauthorised):
            await tokens.sign_in(MOREL, "jeton-de-personne", "127.0.0.1")
    async with connected(house) as said:
        assert (await said.authenticate("XOAUTH2", xoauth2(MOREL, token))).startswith("t NO [LIMIT]")
    assert (await tokens.sign_in(MOREL, token, "192.0.2.1")).actor.address == MOREL


# ---- a session that is no longer -------------------------------------------------------------------------------------


async def test_a_restart_tells_everybody_goodbye(tmp_path: Path) -> None:
    async with open_house(settings_for(tmp_path / "pli")) as house:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", house.app.ports["imaps"], ssl=trusting(house.app), server_hostname="localhost"
        )
        said = Said(reader, writer)
        await said.hear()
        assert (await said.authenticate("PLAIN", plain())).startswith("t OK")
        writer.write(b"i IDLE\r\n")
        assert (await said.hear()).startswith("+ ")
    assert (await said.hear()).startswith("* BYE")
    writer.close()


async def test_who_asks_for_much_and_reads_nothing_is_cut_off(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a client did not take yet is all that is kept for it."""
    cut, abort = asyncio.Event(), wire.Wire.abort

    def noted(self: wire.Wire) -> None:
        abort(self)
        cut.set()

    monkeypatch.setattr(wire.Wire, "abort", noted)
    monkeypatch.setattr(wire, "STALL_S", 0.2)
    await house.letter("morel", "dominique", "x" * 200_000)
    async with connected(house) as said:
        assert (await said.authenticate("PLAIN", plain())).startswith("t OK")
        assert (await said.say("s SELECT Sent")).startswith("s OK")
        for number in range(150):
            said.writer.write(f"f{number} FETCH 1 BODY.PEEK[]\r\n".encode())
        await asyncio.wait_for(cut.wait(), 20)
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            assert len(await asyncio.wait_for(said.reader.read(), 20)) < 150 * 200_000


async def test_an_account_that_is_here_too_often_hears_so(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_PER_ACCOUNT", 1)
    async with connected(house) as first, connected(house) as second:
        assert (await first.authenticate("PLAIN", plain())).startswith("t OK")
        assert (await second.authenticate("PLAIN", plain())).startswith("* BYE [LIMIT]")
