"""The agenda on pages: by month, by week, as a list; one appointment with what to prepare; what one notes by a form."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from server import access
from server.actions import own_appointments as acts
from server.actions.acting import act
from server.agenda import book, organiser
from server.agenda.own import Entry
from server.drafts import File, FileFacts, Receipt
from server.posting import Doing
from storage import delegations
from storage.ids import now_ms
from tests.browser.visitor import Answer, visitor
from tests.doors.test_appointment_pages import BERTIN, FACTS
from tests.house import House
from tests.walks import sequences as walk

YEAR = datetime.now(UTC).year + 1


async def proposed(house: House, who: str = "dominique", **facts: Any) -> Receipt:
    """As the mail side brings an invitation."""
    said = {"start": f"{YEAR}-12-01T09:00:00+01:00", "end": f"{YEAR}-12-01T09:30:00+01:00"}
    card = book.appointment_card(**(FACTS | said | facts))

    def arrives(doing: Doing) -> None:
        organiser.offered(doing, card, BERTIN)

    return await house.letter("morel", who, "", "Votre opération", kind="card", card=card, raw=b".", effect=arrives)


async def noted(house: House, *entries: Entry) -> dict[str, str]:
    """Ids by title, of what Dominique noted alone."""
    box = await house.mailbox("dominique")
    for number, entry in enumerate(entries):
        await acts.record(house.app, box, entry, f"{number}")
    found = await book.appointments(house.app, await access.dossier(house.app, box, "agenda"))
    return {one.title: one.id for one in found}


def cells(page: Answer) -> dict[str, str]:
    """What stands in each day of a month, by date."""
    found = re.findall(r'<td class="([^"]*)".*?</td>', page.text, re.DOTALL)
    assert len(found) % 7 == 0
    said = {}
    for cell in re.findall(r"<td .*?</td>", page.text, re.DOTALL):
        day = re.search(r'<time datetime="([\d-]+)"', cell)
        assert day is not None
        dates = re.search(r'<ul class="wide">(.*?)</ul>', cell, re.DOTALL)
        said[day[1]] = Answer(200, {}, dates[1], "").said if dates else ""
    return said


async def test_a_month_holds_each_date_and_says_in_words_what_is_not_as_planned(house: House) -> None:
    taken = await proposed(house)
    box = await house.mailbox("dominique")
    await act(house.app, box, taken.message, "agenda.accept", {}, "1")
    no = await proposed(house, uid="rdv-2", title="Kiné", start=f"{YEAR}-12-02T18:00:00+01:00", end="")
    await act(house.app, box, no.message, "agenda.decline", {}, "2")
    await noted(
        house, Entry("Dentiste", f"{YEAR}-12-01T09:15"), Entry("Cure", f"{YEAR}-12-30", f"{YEAR + 1}-01-02"),
        Entry("Piscine", f"{YEAR}-11-24T18:00", repeats="weekly", until=f"{YEAR}-12-08"),
    )  # fmt: skip
    async with visitor(house, "dominique") as dominique:
        page = await dominique.get(f"/agenda?view=month&at={YEAR}-12-15")
        said = cells(page)
        assert said[f"{YEAR}-12-01"].startswith("9 h 00 Consultation d’anesthésie en même temps qu’un autre")
        assert "9 h 15 Dentiste en même temps qu’un autre" in said[f"{YEAR}-12-01"]
        assert said[f"{YEAR}-12-02"] == "18 h 00 Kiné Décliné"
        assert said[f"{YEAR}-12-31"] == "Journée Cure"
        first = date(YEAR, 11, 24)
        series = [(first + timedelta(days=7 * n)).isoformat() for n in range(3)]
        assert [day for day, what in said.items() if "Piscine" in what] == [day for day in series if day in said]
        assert f"/agenda?view=month&amp;at={YEAR}-11-01" in page.text
        assert f"/agenda?view=month&amp;at={YEAR + 1}-01-01" in page.text
        table = re.search(r"<table.*?</table>", page.text, re.DOTALL)
        assert table is not None
        assert f'<caption><h2 class="agenda-period">décembre {YEAR}' in table[0]
        assert table[0].count('scope="col"') == 7
        week = await dominique.get(f"/agenda?view=week&at={YEAR}-12-01")
        assert "Dentiste" in week.said
        assert "Rien ce jour-là." in week.said
        odd = await dominique.get("/agenda?view=month&at=9999-99-99")
        assert odd.status == 200
        assert "Aujourd’hui" in Answer(200, {}, odd.text.partition("<table")[2], "").said


async def test_the_list_says_the_next_date_of_what_repeats_and_the_hour_where_it_is(house: House) -> None:
    today = datetime.now(UTC).date()
    began = today - timedelta(days=15)
    await noted(
        house, Entry("Kiné", f"{began}T18:00", repeats="weekly"), Entry("Ancien", f"{began}"),
        Entry("Visio", f"{YEAR}-06-01T08:00", zone="Indian/Reunion"),
    )  # fmt: skip
    async with visitor(house, "dominique") as dominique:
        page = await dominique.get("/agenda")
        coming, _, past = page.said.partition("Passés")
        assert "Kiné" in coming
        assert "Chaque semaine" in coming
        assert "8 h 00 sur place (La Réunion)" in coming
        assert f"1 juin {YEAR}, 6 h 00" in coming
        assert "Ancien" in past
        assert "Noté par vous" in past
        assert "Pli n’est pas un outil de prise de rendez-vous" in past


async def test_one_appointment_has_its_facts_documents_answers_and_what_happened(house: House) -> None:
    first = await proposed(house)
    moved = await proposed(house, sequence=1, start=f"{YEAR}-12-08T14:00:00+01:00", end=f"{YEAR}-12-08T14:30:00+01:00")
    blob = await house.app.blobs.put((await access.own_space(house.app, house.dominique)).keys, b"%PDF-1.4")
    await house.answer(
        "morel",
        moved.conversation,
        "Vos consignes",
        files=(File(FileFacts("consignes.pdf", "application/pdf", 8), blob),),
    )
    async with visitor(house, "dominique") as dominique:
        assert f'href="/agenda/{moved.message}"' in (await dominique.get(f"/c/{moved.conversation}")).text
        found = await dominique.get(f"/agenda/{moved.message}")  # the address of its card leads there
        assert found.status == 303
        page = await dominique.get(found.place)
        assert "8 décembre" in page.said
        assert "Venez à jeun." in page.said
        assert "consignes.pdf" in page.said
        assert "Proposé, par Dr Agathe MOREL" in page.said
        assert re.search(rf"Déplacé : \w+ 8 décembre {YEAR}, 14 h 00, par Dr Agathe MOREL", page.said)
        done = await dominique.press(found.place, "agenda.accept")
        assert done.status == 303
        assert "Accepté, par Dominique PAT-TROIS" in (await dominique.get(found.place)).said
        asked = await dominique.press(found.place, "agenda.counter", **{"value.text": "Plutôt le soir."})
        assert asked.status == 303
        assert "Autre moment demandé" in (await dominique.get(found.place)).said
        assert (await dominique.get(f"/agenda/{first.message}")).status == 404  # replaced: nothing is known by it now
        file = await dominique.get(f"{found.place}/rendez-vous.ics")
        assert file.headers["Content-Type"] == "text/calendar; charset=utf-8"
        assert "attachment" in file.headers["Content-Disposition"]
        assert file.headers["Cache-Control"] == "no-store"
        assert "SUMMARY:Consultation d’anesthésie" in file.text
    async with visitor(house, "marcel") as marcel:
        assert {(await marcel.get(found.place + end)).status for end in ("", "/change", "/rendez-vous.ics")} == {404}


async def test_the_steps_of_its_sequence_stand_with_what_to_prepare(house: House) -> None:
    kept = await walk.prepare(house)
    sent = await house.letter("morel", "dominique")
    day = (datetime.now(UTC) + timedelta(days=20)).date().isoformat()
    fields = {"title": "Opération", "date.1": day, "time.1": "08:00", "minutes": "60", "sequence": kept}
    async with visitor(house, "morel") as morel:
        await morel.post(f"/planning/conversation/{sent.conversation}", fields | {"client_key": "once"})
    one = await walk.appointment(house)
    async with visitor(house, "dominique") as dominique:
        page = (await dominique.get(f"/agenda/{one.id}")).said.partition("À préparer")[2]
        assert page.count("Vous le recevrez le") == 3
        assert "À jeun : bien compris ?" in page


async def test_what_is_noted_by_a_form_is_changed_and_removed_by_another(house: House) -> None:
    typed = {"kind": "appointment", "title": "Dentiste", "date": f"{YEAR}-12-01", "time": "14:00", "end_time": "14:45",
             "place": "Reims", "note": "Carte Vitale", "repeats": "weekly", "until": f"{YEAR}-12-15",
             "zone": "Europe/Paris", "client_key": "once"}  # fmt: skip
    async with visitor(house, "dominique") as dominique:
        form = await dominique.get("/agenda/new")
        assert "Pli n’est pas un outil de prise de rendez-vous" in form.said
        wrong = await dominique.post("/agenda/new", typed | {"date": ""})
        assert wrong.status == 422
        assert "Donnez le jour, et l’heure si elle est connue." in wrong.said
        assert 'value="Dentiste"' in wrong.text  # nothing typed is lost
        assert "Carte Vitale" in wrong.text
        done = await dominique.post("/agenda/new", typed)
        assert (done.status, done.place) == (303, f"/agenda?view=week&at={YEAR}-12-01")
        await dominique.post("/agenda/new", typed)  # sent twice
        (one,) = set(re.findall(r'href="(/agenda/[\w-]{22})', (await dominique.get("/agenda")).text))
        assert "Chaque semaine, jusqu’au 15 décembre" in (await dominique.get(one)).said
        filled = await dominique.get(f"{one}/change")
        for value in ("Dentiste", f"{YEAR}-12-01", "14:00", "14:45", f"{YEAR}-12-15"):
            assert f'value="{value}"' in filled.text
        done = await dominique.post(
            f"{one}/change", typed | {"time": "16:00", "end_time": "", "repeats": "", "client_key": "2"}
        )
        assert done.place == one
        page = await dominique.get(one)
        assert f"1 décembre {YEAR}, 16 h 00" in page.said
        assert "Déplacé : " in page.said
        done = await dominique.post(f"{one}/change", {"do": "remove", "client_key": "3"})
        assert (done.status, done.place) == (303, "/agenda")
        assert (await dominique.get(one)).status == 404
        assert "Un rendez-vous que vous aviez noté est retiré" in (await dominique.get("/")).said


async def test_to_be_told_the_day_before_is_a_choice_with_its_author(house: House) -> None:
    async with visitor(house, "dominique") as dominique:
        assert "un message vous rappelle vos rendez-vous" in (await dominique.get("/agenda")).said
        assert (await dominique.post("/agenda/notices", {"on": "0"})).status == 303
        page = await dominique.get("/agenda")
        assert "Aucun message ne vous rappelle vos rendez-vous la veille." in page.said
        assert "Choisi par Dominique PAT-TROIS, le" in page.said


@pytest.mark.parametrize(
    ("scopes", "reads", "writes", "documents"),
    [
        (("agenda",), True, False, False),
        (("agenda", "write"), True, True, False),
        (("agenda", "messages", "write"), True, True, True),
        (("messages", "write"), False, False, False),
    ],
)
async def test_a_helper_sees_and_does_what_they_were_trusted_with(
    house: House, scopes: tuple[str, ...], reads: bool, writes: bool, documents: bool
) -> None:
    await house.app.db.write(
        delegations.grant, house.marcel.space_id, house.dominique.account_id, "helper", now_ms() + 10**9,
        house.marcel.account_id, frozenset(scopes),
    )  # fmt: skip
    receipt = await proposed(house, "marcel")
    base = f"/for/{house.marcel.mailbox_id}"
    typed = {"title": "Podologue", "date": f"{YEAR}-12-01", "client_key": "1"}
    async with visitor(house, "dominique") as dominique:
        assert ((await dominique.get(f"{base}/agenda?view=month")).status == 200) == reads
        made = await dominique.post(f"{base}/agenda/new", typed)
        assert (made.status == 303) == writes
        assert (await dominique.post(f"{base}/agenda/notices", {"on": "0"})).status in ({303} if writes else {403, 404})
        assert (await dominique.get(f"{base}/agenda/feeds")).status in {403, 404}  # the holder's own affair
        page = await dominique.get(f"{base}/agenda/{receipt.message}")
        if reads:
            page = await dominique.get(page.place)
            assert ("Venez à jeun." in page.said) == documents
            assert ("Accepter" in page.said) == (documents and writes)
        else:
            assert page.status == 404
    if writes:
        async with visitor(house, "marcel") as marcel:
            assert "Noté par Dominique PAT-TROIS" in (await marcel.get("/agenda")).said
