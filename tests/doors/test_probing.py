"""An address of a patient is a national number: who may not ask learns nothing of who has a space here, from no code,
no text and no time an answer takes; who may ask is told precisely, and not for ever.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from mail_gateway.addresses import ins_key_ok
from mail_gateway.brakes import UNKNOWN_AN_HOUR, UNKNOWN_AN_OPERATOR, PastHour
from mail_gateway.inbound import MxDoor, SubmissionDoor
from mail_gateway.smtp import Door
from storage import accounts
from tests.house import PASSWORD
from tests.letters import MOREL
from tests.mail_house import FROM, TO_CAMILLE, TO_DOMINIQUE, MailHouse, open_mail_house
from tests.wire import Wire, connected, connected_at_once

ABSENT = "299999999999934@patient.pli.example"
MALFORMED = "27903512151898@patient.pli.example"
COLLEAGUE = "agathe.morel@pli.example"
ASKED = [TO_DOMINIQUE, TO_CAMILLE, ABSENT, MALFORMED, COLLEAGUE, "nobody@pli.example", "x@else.example"]


@pytest.fixture
async def house(tmp_path: Path, sqlite_url: str) -> AsyncIterator[MailHouse]:
    async with open_mail_house(tmp_path, sqlite_url, deliver=False) as opened:
        yield opened


@pytest.fixture
async def closed(house: MailHouse) -> None:
    """Camille's space is closed."""
    space = house.people["camille"].space_id
    await house.app.db.write(lambda tx: tx.run("UPDATE spaces SET state = 'closed' WHERE id = :s", s=space))


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was looked up of people, and is still."""
    seen: list[str] = []
    for name in ("space_by_ins", "by_address", "holder_of"):
        real = getattr(accounts, name)

        def told(*arguments: object, name: str = name, real: object = real) -> object:
            seen.append(name)
            return real(*arguments)  # type: ignore[operator]

        monkeypatch.setattr(accounts, name, told)
    return seen


def plain_auth(address: str = MOREL[1]) -> str:
    return "AUTH PLAIN " + base64.b64encode(f"\0{address}\0{PASSWORD}".encode()).decode()


async def conversation(wire: Wire, recipient: str, sender: str = FROM) -> tuple[str, ...]:
    """Everything a door says to somebody who asks after a recipient in every way there is."""
    said = [await wire.say(f"MAIL FROM:<{sender}>"), await wire.say(f"RCPT TO:<{recipient}>")]
    said += [await wire.say(f"RCPT TO:<{recipient}> NOTIFY=SUCCESS ORCPT=rfc822;x"), await wire.say("DATA")]
    said += [await wire.say(f"VRFY <{recipient}>"), await wire.say(f"EXPN <{recipient}>"), await wire.say("RSET")]
    await wire.send(f"MAIL FROM:<>\r\nRCPT TO:<{recipient}>\r\nDATA\r\nRSET\r\n".encode())
    return (*said, *[await wire.hear() for _ in range(4)])


# ---- who may not ask -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("closed")
@pytest.mark.parametrize("who", ["in clear", "without a certificate", "with another's certificate", "not signed in"])
async def test_who_may_not_ask_learns_nothing_in_code_text_or_time(
    who: str, house: MailHouse, looked_up: list[str]
) -> None:
    """The same octets for everybody, and nobody is looked up: what is not done takes no time."""
    other = house.certificates.operator("autre.example")
    door, context = {
        "in clear": ("smtp", None),
        "without a certificate": ("smtp", house.client()),
        "with another's certificate": ("smtp", house.peer(other)),
        "not signed in": ("submission", house.client()),
    }[who]
    heard = set()
    looked_up.clear()
    for recipient in ASKED:
        async with connected(house.app.ports[door], context) as wire:
            heard.add(await conversation(wire, recipient))
    (said,) = heard
    assert not any(reply.startswith(("250 2.1", "354")) for reply in said), said
    assert looked_up == []


async def test_nor_does_who_asks_for_the_tls_door(house: MailHouse, looked_up: list[str]) -> None:
    heard = set()
    for recipient in ASKED:
        async with connected_at_once(house.app.ports["submissions"], house.client()) as wire:
            heard.add(await conversation(wire, recipient))
    assert len(heard) == 1
    assert looked_up == []


async def test_what_is_looked_up_is_seen_here(house: MailHouse, looked_up: list[str]) -> None:
    """Else the two tests above would prove nothing."""
    async with connected(house.app.ports["smtp"], house.peer()) as wire:
        await wire.envelope(FROM, ABSENT)
    assert "space_by_ins" in looked_up


# ---- who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("closed")
@pytest.mark.parametrize("door", ["smtp", "submission"])
async def test_a_trusted_peer_is_told_precisely_and_in_french(door: str, house: MailHouse) -> None:
    sender = FROM if door == "smtp" else MOREL[1]
    async with connected(house.app.ports[door], house.peer()) as wire:
        if door == "submission":
            assert (await wire.say(plain_auth())).startswith("235")
        too_big = await wire.say(f"MAIL FROM:<{sender}> SIZE=26214401")
        said = await wire.envelope(sender, MALFORMED, "dominique@patient.pli.example", ABSENT, TO_CAMILLE)
    assert too_big == "552 5.3.4 Message trop lourd : 25 Mo au plus"
    assert said[1:] == [
        "553 5.1.3 L'adresse d'un patient est son matricule INS de 15 caracteres.",
        "553 5.1.3 L'adresse d'un patient est son matricule INS de 15 caracteres.",
        "550 5.1.1 Ce patient n'a pas d'espace de sante ici",
        "550 5.2.1 L'espace de ce patient est ferme.",
    ]


@pytest.mark.usefixtures("closed")
async def test_with_its_accents_for_who_reads_them(house: MailHouse) -> None:
    async with connected(house.app.ports["smtp"], house.peer()) as wire:
        await wire.say(f"MAIL FROM:<{FROM}> SMTPUTF8")
        said = [await wire.say(f"RCPT TO:<{recipient}>") for recipient in (ABSENT, TO_CAMILLE)]
    assert said == ["550 5.1.1 Ce patient n’a pas d’espace de santé ici", "550 5.2.1 L’espace de ce patient est fermé."]


async def test_a_wrong_key_is_no_address_where_keys_are_checked(tmp_path: Path, sqlite_url: str) -> None:
    wrong = "279035121518988"
    assert not ins_key_ok(wrong)
    async with open_mail_house(tmp_path, sqlite_url, deliver=False, strict_ins_key=True) as house:
        async with connected(house.app.ports["smtp"], house.peer()) as wire:
            said = await wire.envelope(FROM, f"{wrong}@patient.pli.example")
    assert said[1] == "553 5.1.3 La cle du matricule INS est fausse."


# ---- and for how long ------------------------------------------------------------------------------------------------


async def ask(house: MailHouse, sender: str, *recipients: str) -> list[str]:
    """The replies to each RCPT, on a connection of its own."""
    async with connected(house.app.ports["smtp"], house.peer()) as wire:
        return (await wire.envelope(sender, *recipients))[1:]


def unknown(number: int) -> str:
    return f"2999999999{number:05}@patient.pli.example"


async def test_the_count_goes_on_from_connection_to_connection_and_is_told_to_operators(house: MailHouse) -> None:
    with structlog.testing.capture_logs() as logged:
        for number in range(UNKNOWN_AN_HOUR):
            (said,) = await ask(house, FROM, unknown(number))
            assert said.startswith("550 5.1.1")
        braked = await ask(house, FROM, TO_DOMINIQUE, ABSENT, COLLEAGUE)
        case = await ask(house, FROM.upper(), TO_DOMINIQUE)
    assert set(braked + case) == {"450 4.7.1 Trop de destinataires inconnus, reessayez dans une heure"}
    alerts = [line for line in logged if line["event"] == "smtp.too_many_unknown"]
    assert len(alerts) == 4
    assert not any("@" in str(line) or "299999" in str(line) for line in alerts)
    metrics = house.app.metrics.text().decode()
    assert f'pli_unknown_recipients_total{{door="smtp"}} {UNKNOWN_AN_HOUR:.1f}' in metrics
    assert 'pli_refusals_total{code="too_many_unknown",door="smtp"} 4.0' in metrics
    (other,) = await ask(house, "autre@operator.example", TO_DOMINIQUE)
    assert other.startswith("250"), "a colleague of theirs who asked nothing is not concerned"


async def test_an_operator_that_changes_its_senders_is_stopped_too(house: MailHouse) -> None:
    asked = 0
    for sender in range(UNKNOWN_AN_OPERATOR // UNKNOWN_AN_HOUR):
        recipients = [unknown(asked + number) for number in range(UNKNOWN_AN_HOUR - 1)]
        asked += len(recipients)
        assert {said[:9] for said in await ask(house, f"s{sender}@operator.example", *recipients)} == {"550 5.1.1"}
    rest = [unknown(asked + number) for number in range(UNKNOWN_AN_OPERATOR - asked)]
    for number, recipient in enumerate(rest):
        await ask(house, f"t{number}@operator.example", recipient)
    (said,) = await ask(house, "nouveau@operator.example", TO_DOMINIQUE)
    assert said.startswith("450 4.7.1")


async def test_after_an_hour_one_may_ask_again() -> None:
    past, now = PastHour(), 1000.0
    past.clock = lambda: now
    for _ in range(3):
        past.add("somebody")
        now += 600
    assert (past.wait("somebody", 3), past.wait("somebody", 4), past.wait("else", 1)) == (1800, 0, 0)
    now += 1800
    assert (past.wait("somebody", 3), past.wait("somebody", 2)) == (0, 600)


# ---- an account whose password was stolen ----------------------------------------------------------------------------


async def test_an_account_writes_to_so_many_an_hour_and_is_told_when_it_may_go_on(
    tmp_path: Path, sqlite_url: str
) -> None:
    async with open_mail_house(tmp_path, sqlite_url, deliver=False, submission_messages_per_hour=3) as house:
        for port in ("submission", "submissions"):
            at_once = port == "submissions"
            opened = (connected_at_once if at_once else connected)(house.app.ports[port], house.client())
            async with opened as wire:
                assert (await wire.say(plain_auth())).startswith("235")
                said = await wire.envelope(MOREL[1], TO_DOMINIQUE, ABSENT, TO_CAMILLE)
            if not at_once:
                assert [reply[:3] for reply in said] == ["250", "250", "550", "250"], "who is not here is no recipient"
        assert said[1].startswith("250"), "one way in and the other are one account"
        limit = "452 4.7.1 Limite de 3 destinataires par heure atteinte, reessayez dans 60 min"
        assert said[2:] == [limit, limit], "known or not"
        assert 'pli_refusals_total{code="pace",door="submission"} 2.0' in house.app.metrics.text().decode()
        async with connected(house.app.ports["submission"], house.client()) as wire:
            await wire.say(plain_auth("admissions@pli.example"))
            assert (await wire.envelope("admissions@pli.example", TO_DOMINIQUE))[1].startswith("250")


async def test_when_the_hour_is_over_the_account_goes_on(tmp_path: Path, sqlite_url: str) -> None:
    async with open_mail_house(tmp_path, sqlite_url, deliver=False, submission_messages_per_hour=1) as house:
        handler, now = SubmissionDoor(house.app), 0.0
        handler.pace.past.clock = lambda: now
        door = Door(handler)
        await door.open("127.0.0.1", 0)
        async with connected(door.port, house.client()) as wire:
            await wire.say(plain_auth())
            said = await wire.envelope(MOREL[1], TO_DOMINIQUE, TO_CAMILLE)
            now = 3540.0
            said.append(await wire.say(f"RCPT TO:<{TO_CAMILLE}>"))
            now = 3600.0
            said.append(await wire.say(f"RCPT TO:<{TO_CAMILLE}>"))
        await door.close()
    assert [reply.partition("dans ")[2] or reply[:3] for reply in said] == ["250", "250", "60 min", "1 min", "250"]


async def test_no_limit_is_a_setting_too(tmp_path: Path, sqlite_url: str) -> None:
    async with open_mail_house(tmp_path, sqlite_url, deliver=False) as house:
        assert house.app.settings.submission_messages_per_hour == 0, "the demonstration's"
        door = Door(MxDoor(house.app))
        assert door.limits.account.sessions < door.limits.operator.sessions
        async with connected(house.app.ports["submission"], house.client()) as wire:
            await wire.say(plain_auth())
            said = await wire.envelope(MOREL[1], *[TO_DOMINIQUE] * 100)
    assert {reply[:3] for reply in said} == {"250"}
