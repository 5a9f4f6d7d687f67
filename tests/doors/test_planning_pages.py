"""The days of an office as a browser without JavaScript shows them, and what is done there by forms."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec.structs import replace as changed

from tests.browser.visitor import Answer, Visitor, visitor
from tests.doors.test_organising import CONSULTATION, DAY, NINE, TWO, agenda, propose, tap, team, the_one
from tests.house import House

FIELDS = {
    "title": "Consultation d’anesthésie", "date.1": f"{DAY}", "time.1": "09:00", "minutes": "30",
    "location": "Bâtiment B", "text": "Venez à jeun.", "client_key": "k",
}  # fmt: skip


def of(house: House) -> str:
    return f"/for/{house.admissions.mailbox_id}"


async def day(visit: Visitor, house: House, view: str = "day") -> Answer:
    return await visit.get(f"{of(house)}/planning?view={view}&day={DAY}")


async def test_mme_petit_proposes_from_the_conversation_and_sees_the_answer_in_her_day(house: House) -> None:
    first = await propose(house, await team(house), changed(CONSULTATION, moments=(TWO,)))
    async with visitor(house, "petit") as petit, visitor(house, "dominique") as dominique:
        thread = await petit.get(f"{of(house)}/c/{first.conversation}")
        form = f"{of(house)}/planning/conversation/{first.conversation}"
        assert thread.text.count(f'href="{form}"') >= 1
        page = await petit.get(form)
        assert "Dominique PAT-TROIS" in page.said
        assert "Rien n’est réservé sans sa réponse." in page.said
        wrong = await petit.post(form, FIELDS | {"date.1": "2020-01-01"})
        assert wrong.status == 422
        assert "Donnez un moment à venir, dans les cinq ans." in wrong.said
        assert 'value="Bâtiment B"' in wrong.text, "what was written is kept"
        sent = await petit.post(form, FIELDS)
        again = await petit.post(form, FIELDS)
        assert sent.status == 303
        assert sent.place == again.place, "pressed twice, proposed once"
        assert sent.place.startswith(f"{of(house)}/c/{first.conversation}#m-")
        shown = await day(petit, house)
        assert re.search(
            r"9 h 00 – 9 h 30 Dominique PAT-TROIS née le 28 mars 1979 .* Bâtiment B Sans réponse", shown.said
        )
        thread = await dominique.get(f"/c/{first.conversation}")
        assert "Une question ? Écrivez ici : une personne vous répond." in thread.said
        await tap(house, sent.place.rpartition("#m-")[2], "agenda.accept")
        week = await day(petit, house, "week")
        assert "Accepté" in week.said
        assert "Sans réponse" in week.said


async def test_a_patient_is_named_by_ins_and_birth_date_and_gets_three_moments(house: House) -> None:
    several = FIELDS | {"date.2": f"{DAY}", "time.2": "14:00", "date.3": f"{DAY}", "time.3": "18:00"}
    async with visitor(house, "morel") as morel, visitor(house, "marcel") as marcel:
        who = {"ins": house.ins("marcel"), "birth": "1950-01-09"}
        wrong = await morel.post("/planning/new", several | who | {"birth": "1950-01-10"})
        assert wrong.status == 404
        assert "Aucun espace ouvert ne correspond" in wrong.said
        sent = await morel.post("/planning/new", several | who)
        assert sent.status == 303
        conversation = sent.place.partition("#")[0]
        card = await marcel.get(conversation)
        assert "Choisissez le moment qui vous convient." in card.said
        assert re.search(r"à 9\s?h .*à 14\s?h .*à 18\s?h .*Demander un autre moment", card.said)
        await marcel.press(conversation, "agenda.third")
        assert "Moment choisi" in (await marcel.get(conversation)).said
        noted = (await marcel.get("/agenda")).said
        assert "18 h 00" in noted
        assert "Accepté" in (await morel.get(f"/planning?day={DAY}")).said


async def test_a_wish_is_read_and_answered_on_the_page_of_the_appointment(house: House) -> None:
    box = await team(house)
    receipt = await propose(house, box)
    wished = f"{DAY}T18:15:00"
    await tap(house, receipt.message, "agenda.counter", text="Plutôt le soir.", start=wished)
    mine = await the_one(house, box)
    place = f"{of(house)}/planning/{mine.space_id}/{mine.row.id}"
    async with visitor(house, "petit") as petit:
        assert "1 patient demande un autre moment." in (await day(petit, house)).said
        page = await petit.get(place)
        assert "Plutôt le soir." in page.said
        assert re.search(r"Proposer le .* à 18 h 15", page.said)
        kept = await petit.post(place, {"do": "keep", "reason": "Le soir est complet.", "client_key": "a"})
        assert kept.status == 303
        assert "Sans réponse" in (await petit.get(place)).said
        moved = await petit.post(place, FIELDS | {"do": "move", "time.1": "10:00", "client_key": "b"})
        assert moved.status == 303
        assert "10 h 00 – 10 h 30" in (await day(petit, house)).said
        gone = await petit.post(place, {"do": "cancel", "reason": "", "client_key": "c"})
        assert gone.status == 303
        assert "Annulé" in (await day(petit, house)).said
        late = await petit.post(place, FIELDS | {"do": "move", "client_key": "d"})
        assert late.status == 409
        assert "Ce rendez-vous est annulé. Proposez-en un nouveau." in late.said


async def test_nobody_else_finds_the_page_of_an_appointment(house: House) -> None:
    box = await team(house)
    await propose(house, box)
    mine = await the_one(house, box)
    place = f"/planning/{mine.space_id}/{mine.row.id}"
    for who in ("morel", "leroy", "petit"):
        async with visitor(house, who) as other:
            assert (await other.get(place)).status == 404
            assert (await other.post(place, {"do": "cancel"})).status == 404
            assert "Aucun rendez-vous." in (await other.get(f"/planning?day={DAY}")).said
    for who in ("dominique", "marcel"):
        async with visitor(house, who) as patient:
            assert (await patient.get("/planning")).status == 404
            assert (await patient.get(place)).status == 404


async def test_what_dominique_has_already_is_said_to_her_and_to_nobody_else(house: House) -> None:
    box, morel = await team(house), await house.mailbox("morel")
    at_nine = await propose(house, morel, changed(CONSULTATION, title="Kinésithérapie"))
    await tap(house, at_nine.message, "agenda.accept")
    receipt = await propose(house, box, changed(CONSULTATION, moments=(NINE, TWO)))
    async with visitor(house, "dominique") as dominique, visitor(house, "petit") as petit:
        card = await dominique.get(f"/c/{receipt.conversation}")
        assert re.search(r"À ce moment-là vous avez déjà « Kinésithérapie », le .* à 9 h 00", card.said)
        assert len(await agenda(house)) == 1
        await tap(house, receipt.message, "agenda.first")
        assert [one.state for one in await agenda(house)] == ["accepted", "accepted"], "it blocks nothing"
        for page in (f"{of(house)}/c/{receipt.conversation}", f"{of(house)}/planning?day={DAY}"):
            assert "Kinésithérapie" not in (await petit.get(page)).text


async def test_sessions_show_their_dates_on_the_card(house: House) -> None:
    async with visitor(house, "morel") as morel, visitor(house, "dominique") as dominique:
        who = {"ins": house.ins("dominique"), "birth": "1979-03-28"}
        bad = await morel.post("/planning/new", FIELDS | who | {"repeats": "weekly", "times": "1"})
        assert "Dites combien de fois : de 2 à 60." in bad.said
        sent = await morel.post("/planning/new", FIELDS | who | {"repeats": "weekly", "times": "10"})
        card = (await dominique.get(sent.place.partition("#")[0])).said
    last = DAY + timedelta(weeks=3)
    assert f"{last.day} " in card
    assert "et d’autres, dans votre agenda" in card
    assert datetime.now(ZoneInfo("Europe/Paris")).date() < last
