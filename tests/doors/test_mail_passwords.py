"""One password for each device: made on the web, typed into a mail program, stopped from the web."""

from __future__ import annotations

import asyncio
import base64
import imaplib
import re
import time
from dataclasses import replace

import pytest
import time_machine

from mail_gateway import sign_ins
from server import brakes, mail_passwords, mail_sign_in
from server.errors import Invalid, Refused, Throttled, Unauthorised
from storage import brakes as counts
from tests.browser.visitor import visitor
from tests.house import PASSWORD, House
from tests.imap_client import MOREL, client, trusting

DAY_S = 86_400
PAGE = "/account/mail"


async def made(house: House, name: str = "Thunderbird au cabinet", who: str = "morel") -> str:
    """As the page shows it."""
    async with visitor(house, who) as she:
        answer = await she.post(PAGE, {"name": name})
    assert answer.status == 200, answer.text
    shown = re.findall(r'<code class="mail-password">(.*?)</code>', answer.text, re.DOTALL)
    return " ".join(re.findall(r"<span>(\w+)</span>", shown[0]))


async def by_mail(house: House, password: str, address: str = MOREL, source: str = "192.0.2.7") -> str:
    """The code of what a mail program hears, or « in »."""
    try:
        await mail_sign_in.sign_in_by_mail(house.app, address, password, source)
    except (Unauthorised, Throttled) as error:
        return error.code
    return "in"


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the doors open: they look every tenth of a second who may still sit there."""
    monkeypatch.setattr(sign_ins, "ROUND_S", 0.1)


async def test_a_password_is_shown_once_and_opens_the_mailbox_however_it_is_typed(house: House) -> None:
    given = await made(house)
    assert re.fullmatch(r"[a-z2-9]{4}( [a-z2-9]{4}){4}", given)
    assert not set("il1o0") & set(given)
    for typed in (given, given.replace(" ", ""), given.upper(), given.replace(" ", "-"), f" {given} "):
        async with client(house, MOREL, typed) as program:
            assert (await program.raw("NOOP"))[0].startswith("OK")
    async with visitor(house, "morel") as she:
        page = await she.get(PAGE)
    assert "Thunderbird au cabinet" in page.said
    assert given.replace(" ", "") not in page.text.replace(" ", "")
    rows = await house.app.db.read(lambda tx: tx.run("SELECT * FROM credentials"))
    kept = repr(rows)
    assert "Thunderbird" not in kept
    assert given.replace(" ", "") not in kept


async def test_its_owner_sees_which_program_used_it_and_how(house: House) -> None:
    given, unused = await made(house), await made(house, "Ma tablette")
    async with client(house, MOREL, given) as program:
        await program.raw('ID ("name" "Thunderbird" "version" "140.0")')
    async with visitor(house, "morel") as she:
        page = await she.get(PAGE)
    assert re.search(r"Thunderbird au cabinet Thunderbird 140.0 Créé .* · dernière lecture ", page.said)
    assert re.search(r"Ma tablette Créé [^·]* · jamais utilisé", page.said)
    auth = base64.b64encode(f"\0{MOREL}\0{unused}".encode()).decode()
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", house.app.ports["submissions"], ssl=trusting(house.app), server_hostname="localhost"
    )
    writer.write(f"EHLO a\r\nAUTH PLAIN {auth}\r\nQUIT\r\n".encode())
    assert b"235 2.7.0" in await asyncio.wait_for(reader.read(), 20)
    writer.close()
    assert [(one.name, one.door) for one in await mail_passwords.listed(house.app, house.morel.account_id)] == [
        ("Ma tablette", "smtp"),
        ("Thunderbird au cabinet", "imap"),
    ]


async def test_stopping_one_shows_its_program_out_at_once_and_no_other(soon: None, house: House) -> None:
    lost, kept = await made(house, "Téléphone perdu"), await made(house)
    async with client(house, MOREL, kept) as hers:
        thief = await asyncio.to_thread(_signed_in, house, lost)
        async with visitor(house, "morel") as she:
            page = await she.get(PAGE)
            [lost_id] = re.findall(r'name="id" value="(\w+)"><[^>]*Arrêter le mot de passe de Téléphone', page.text)
            assert (await she.post(f"{PAGE}/end", {"id": lost_id})).place == f"{PAGE}?done=ended"
            assert "Téléphone perdu" not in (await she.get(PAGE)).said
            assert (await she.post(f"{PAGE}/end", {"id": lost_id})).status == 404
        assert (await asyncio.to_thread(thief.readline)).startswith(b"* BYE")
        thief.shutdown()
        assert (await hers.raw("NOOP"))[0].startswith("OK")
    assert await by_mail(house, lost) == "bad_credentials"
    assert await by_mail(house, kept) == "in"


def _signed_in(house: House, password: str) -> imaplib.IMAP4:
    imap = imaplib.IMAP4("127.0.0.1", house.app.ports["imap"], timeout=20)
    try:
        imap.starttls(trusting(house.app))
        imap.login(MOREL, password)
    except imaplib.IMAP4.error:
        imap.shutdown()
        raise
    return imap


async def test_it_opens_ones_own_mailbox_and_nothing_else(house: House) -> None:
    given = await made(house, who="petit")
    assert await by_mail(house, given, "claire.petit@pli.example") == "in"
    for address in ("admissions@pli.example", MOREL, "personne@pli.example", ""):
        assert await by_mail(house, given, address) == "bad_credentials", address
    async with visitor(house) as stranger:
        headers = {"Authorization": f"Bearer {given}"}
        assert (await stranger.get("/api/v1/entries", headers=headers)).status == 401


async def test_a_team_that_signs_in_itself_has_its_own(house: House) -> None:
    """A shared post at a desk: one password for each computer."""
    given = await made(house, "Accueil", who="admissions")
    async with client(house, "admissions@pli.example", given) as desk:
        assert (await desk.raw("NOOP"))[0].startswith("OK")


async def test_patients_and_services_have_none(house: House) -> None:
    for who in ("dominique", "lab", "operator"):
        async with visitor(house, who) as visit:
            assert (await visit.get(PAGE)).status == 404
            assert (await visit.post(PAGE, {"name": "Mon téléphone"})).status == 404
            assert (await visit.post(f"{PAGE}/end", {"id": "x"})).status == 404
        with pytest.raises(Refused):
            await mail_passwords.make(house.app, house.people[who], "Mon téléphone")


async def test_a_name_is_needed_and_twenty_are_enough(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async with visitor(house, "morel") as she:
        answer = await she.post(PAGE, {"name": "  "})
        assert (answer.status, "Donnez un nom" in answer.said) == (422, True)
    monkeypatch.setattr(mail_passwords, "MOST", 2)
    told = [await made(house, f"Appareil {number}") for number in range(2)]
    with pytest.raises(Invalid, match="too_many_mail_passwords"):
        await mail_passwords.make(house.app, house.morel, "Un de trop")
    async with visitor(house, "morel") as she:
        assert "Arrêtez-en un" in (await she.get(PAGE)).said
    assert len(set(told)) == 2


async def test_making_one_asks_again_who_one_is(house: House) -> None:
    house.app.settings = replace(house.app.settings, demo=False)
    async with visitor(house, "morel") as she:
        await house.app.db.write(lambda tx: tx.run("UPDATE credentials SET strong_at = 1"))
        answer = await she.post(PAGE, {"name": "Volé"}, headers={"Referer": f"{house.http}{PAGE}"})
        assert (answer.status, answer.place) == (303, "/step-up?back=/account/mail")
    assert await mail_passwords.listed(house.app, house.morel.account_id) == []


async def test_a_house_may_want_one_for_every_program(house: House) -> None:
    house.app.settings = replace(house.app.settings, mail_main_password="refused")
    given = await made(house)
    assert await by_mail(house, PASSWORD) == await by_mail(house, "un autre mot de passe") == "bad_credentials"
    assert await by_mail(house, given) == "in"
    with pytest.raises(imaplib.IMAP4.error, match="il faut un mot de passe d'appareil"):
        await asyncio.to_thread(_signed_in, house, PASSWORD)
    async with visitor(house, "morel") as she:
        assert "ne marche pas dans un logiciel" in (await she.get(PAGE)).said


async def test_one_that_serves_no_more_ends_by_itself(house: House) -> None:
    given = await made(house)
    for days in (300, 600):
        with time_machine.travel(time.time() + days * DAY_S, tick=True):
            assert await by_mail(house, given) == "in"
    with time_machine.travel(time.time() + 970 * DAY_S, tick=True):
        assert await by_mail(house, given) == "bad_credentials"
        assert await mail_passwords.listed(house.app, house.morel.account_id) == []


async def test_signing_out_everywhere_ends_them_all(house: House) -> None:
    given = await made(house)
    async with visitor(house, "morel") as she:
        await she.post("/account/devices/everywhere")
    assert await by_mail(house, given) == "bad_credentials"


async def test_strangers_who_guess_keep_no_device_out_and_its_owner_learns_of_them(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(brakes, "CONSECUTIVE", 3)
    given = await made(house)
    with time_machine.travel(time.time() - DAY_S, tick=True):
        told = [await by_mail(house, "faux", source=f"198.51.100.{number}") for number in range(5)]
    assert told == ["bad_credentials"] * 3 + ["recovery_only"] * 2
    assert await by_mail(house, PASSWORD, source="192.0.2.9") == "recovery_only"
    async with visitor(house, "morel") as she:
        for page in (PAGE, "/account/security"):
            assert "Hier : 3 essais refusés" in (await she.get(page)).said
    async with visitor(house, "leroy") as he:
        assert "Personne n’a essayé en vain" in (await he.get(PAGE)).said
    assert await by_mail(house, given, source="192.0.2.9") == "in", "what nobody can guess is not braked"


async def test_known_and_unknown_addresses_are_counted_and_asked_alike(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a wrong password costs, and writes, does not tell who is here."""
    asked: list[bool] = []
    verify = house.app.passwords.verify

    async def noted(password: str, stored: str) -> bool:
        asked.append(bool(stored))
        return await verify(password, stored)

    monkeypatch.setattr(house.app.passwords, "verify", noted)
    form = "abcd efgh jkmn pqrs tuvw"
    for address in (MOREL, "personne@pli.example"):
        assert await by_mail(house, form, address) == "bad_credentials"
    assert asked == [True, False], "one costly look each"
    for who in (MOREL, "personne@pli.example"):
        failed = await house.app.db.read(counts.failures, house.app.vault.lookup("brake", f"pair|mail:{who}|192.0.2.7"))
        assert failed == 1
