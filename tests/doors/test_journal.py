"""« Qui a lu mon dossier »: who, why, what and when, in plain words, to whom it is theirs to know; within a minute,
with a way to say « je ne connais pas cette personne ».
"""

from __future__ import annotations

import asyncio
import csv
import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from time_machine import TimeMachineFixture

from server import access, journal, journal_notice, journal_words, people, reading
from server.actions import letter_form
from server.actions.acting import act
from server.audit import Act
from server.dossier import consents
from server.dossier import documents as shelf
from server.dossier.consents import Giving
from server.errors import NotAllowed, Refused
from server.handles import DossierHandle
from server.journal import Asked, Visit
from server.views import Entry
from storage import accounts, delegations, reviews, visibilities
from storage import consents as consent_rows
from storage.database import Tx
from storage.ids import now_ms
from tests.browser.visitor import visitor
from tests.doors.test_consents import file, record
from tests.house import House


async def read(house: House, who: str, *documents: str) -> None:
    """A professional opens Dominique's dossier and these documents of it."""
    handle = await record(house, who)
    for document in documents:
        await shelf.open_document(house.app, handle, document)


async def allow(house: House, who: str, *things: str, kind: str = "explicit", days: int = 90) -> None:
    giving = Giving(house.people[who].account_id, kind, things, days)
    await consents.give(house.app, await house.mailbox("dominique"), giving)


async def mark(house: House, patient: str, document: str, name: str) -> None:
    space, by = house.people[patient].space_id, house.morel.account_id
    await house.app.db.write(lambda tx: visibilities.record(tx, space, document, name, on=True, by=by))


async def dossier(house: House, who: str, whose: str = "") -> DossierHandle:
    mailbox = house.people[whose].mailbox_id if whose else ""
    return await access.dossier(house.app, await house.mailbox(who, mailbox))


async def visits(house: House, who: str, whose: str = "", **asked: object) -> list[Visit]:
    found = await journal.log(house.app, await dossier(house, who, whose), Asked(**asked))  # type: ignore[arg-type]
    return found.visits


async def told(house: House, who: str, clock: TimeMachineFixture) -> list[Entry]:
    """What stands in « Qui a lu mon dossier », a minute later."""
    clock.move_to(datetime.fromtimestamp(now_ms() / 1000, UTC) + timedelta(minutes=1))
    idle = asyncio.Event()
    house.app.delivery.add(journal_notice.AccessTold(house.app))
    house.app.delivery.on_idle = idle.set
    house.app.delivery.start()
    await asyncio.wait_for(idle.wait(), 60)
    entries = (await reading.since(house.app, await house.mailbox(who), 0)).entries
    return [one for one in entries if one.message.card is not None and one.message.card["type"] == "access"]


# ---- in plain words --------------------------------------------------------------------------------------------------


async def test_ten_documents_in_one_visit_are_one_line_in_words_a_patient_has(sqlite_core: House) -> None:
    house = sqlite_core
    await house.letter("morel", "dominique")
    await allow(house, "morel", "prescriptions")
    papers = [await file(house, "prescriptions", "57833-6", f"Ordonnance {n}") for n in range(10)]
    await read(house, "morel", *papers)
    (visit,) = [one for one in await visits(house, "dominique") if one.person.name[0] == "Dr Agathe MOREL"]
    assert (visit.person.role[0], visit.person.place) == ("Chirurgienne orthopédiste", "CHU de Pli")
    assert re.fullmatch(r"vous l’avez autorisé le \d+ \w+ \d{4}", visit.why[0][0])
    assert len([one for one in visit.done if one.what[0] == "Document ouvert"]) == 10
    assert "Dossier ouvert" in {one.what[0] for one in visit.done}


async def test_without_a_permission_one_reads_what_one_deposited_and_the_log_says_so(sqlite_core: House) -> None:
    house = sqlite_core
    await house.letter("morel", "dominique")
    await read(house, "morel")
    (visit,) = await visits(house, "dominique")
    assert visit.why == (("pièces déposées par cette personne, et rien d’autre",
                          "what this person deposited themselves, and nothing else"),)  # fmt: skip


async def test_the_patients_own_acts_stand_apart_and_who_left_keeps_their_name(sqlite_core: House) -> None:
    house = sqlite_core
    await house.letter("morel", "dominique")
    await read(house, "morel")
    await house.app.db.write(accounts.end, house.morel.account_id)
    assert [one.person.name[0] for one in await visits(house, "dominique")] == ["Dr Agathe MOREL"]
    (mine,) = await visits(house, "dominique", mine=True)
    assert mine.mine
    assert mine.person.name[0] == "Dominique PAT-TROIS"


async def test_a_document_that_waits_to_be_told_is_said_by_its_category(sqlite_core: House) -> None:
    house = sqlite_core
    await house.letter("morel", "dominique")
    await allow(house, "morel", "biology")
    paper = await file(house, "biology", "11502-2", "Grave nouvelle")
    await mark(house, "dominique", paper, "untold")
    await read(house, "morel", paper)
    (visit,) = [one for one in await visits(house, "dominique") if one.person.kind == "professional"]
    assert ("Document ouvert", "Biologie", "") in {(one.what[0], one.title[0], one.document) for one in visit.done}
    assert not any("Grave" in one.title[0] for one in visit.done)
    with pytest.raises(Refused):
        await visits(house, "dominique", about=paper)


async def test_every_act_has_its_words_or_is_noise() -> None:
    names = {act_.value[0] for act_ in Act}
    assert names - journal_words.NOISE <= journal_words.WHAT.keys()
    assert not journal_words.NOISE & journal_words.WHAT.keys()


# ---- whose it is to know ---------------------------------------------------------------------------------------------


async def test_a_minors_secret_is_in_nothing_that_her_mother_reads(
    sqlite_core: House, time_machine: TimeMachineFixture
) -> None:
    house = sqlite_core
    await house.letter("morel", "camille")
    space = await access.patient(house.app, house.morel, house.ins("camille"))
    paper = await _secret(house, space.space_id)
    box = await house.mailbox("morel")
    handle = await access.record_of(house.app, box, space.space_id)
    await shelf.open_document(house.app, handle, paper)
    assert not any(one.person.kind == "professional" for one in await visits(house, "dominique", "camille"))
    with pytest.raises(Refused):
        await visits(house, "dominique", "camille", about=paper)
    assert await told(house, "camille", time_machine) == []
    (visit,) = [one for one in await visits(house, "camille") if one.person.kind == "professional"]
    assert "Consultation" in {one.title[0] for one in visit.done}


async def _secret(house: House, space_id: str) -> str:
    """What Dr Morel deposited for Camille alone."""
    from server.dossier import filing
    from server.drafts import FileFacts

    keys = (await access.own_space(house.app, house.camille)).keys
    facts = FileFacts("c.txt", "text/plain", 3, title="Consultation", category="reports", document_type="11488-4")
    ready = await filing.of_octets(house.app, keys, facts, b"abc", source="letter", author_id=house.morel.account_id)
    at = now_ms()
    paper = await house.app.db.write(
        lambda tx: filing.file(tx, house.app.vault, keys, ready, house.morel.account_id, at)
    )
    await house.app.db.write(
        lambda tx: visibilities.record(tx, space_id, paper, "secret", on=True, by=house.morel.account_id)
    )
    return paper


async def test_a_helper_is_in_the_log_under_their_own_name_and_an_adult_is_told(
    sqlite_core: House, time_machine: TimeMachineFixture
) -> None:
    house = sqlite_core
    await people.delegate(house.app, house.marcel.space_id, house.dominique.account_id, "helper", None, "operator")
    await dossier(house, "dominique", "marcel")
    (visit,) = await visits(house, "marcel")
    assert visit.person.name[0] == "Dominique PAT-TROIS"
    assert visit.why[0][0] == "aidant choisi par le titulaire"
    (line,) = await told(house, "marcel", time_machine)
    assert line.message.card is not None
    assert line.message.card["title"] == "Dominique PAT-TROIS a ouvert votre dossier"
    await act(house.app, await house.mailbox("marcel"), line.message.id, "journal.unknown", {}, "")
    known = await house.app.db.read(delegations.in_force, house.marcel.space_id, house.dominique.account_id)
    assert known is None
    with pytest.raises(Refused):
        await dossier(house, "dominique", "marcel")


async def test_a_child_is_not_told_that_her_mother_looked(sqlite_core: House, time_machine: TimeMachineFixture) -> None:
    await dossier(sqlite_core, "dominique", "camille")
    assert await told(sqlite_core, "camille", time_machine) == []


# ---- within a minute -------------------------------------------------------------------------------------------------


async def test_within_a_minute_one_line_says_who_why_and_what_and_is_answered_by_a_number(
    core: House, time_machine: TimeMachineFixture
) -> None:
    time_machine.move_to(datetime(2030, 5, 3, 9, 0, tzinfo=UTC), tick=False)
    await core.letter("morel", "dominique")
    await allow(core, "morel")
    kinds = [("prescriptions", "57833-6")] * 3 + [
        ("biology", "11502-2"), ("imaging", "18748-4"), ("reports", "34112-3"), ("reports", "11488-4")
    ]  # fmt: skip
    papers = [await file(core, category, code, f"Papier {n}") for n, (category, code) in enumerate(kinds)]
    await read(core, "morel", *reversed(papers))
    (line,) = await told(core, "dominique", time_machine)
    card = line.message.card
    assert card is not None
    assert card["title"] == "Dr Agathe MOREL a ouvert votre dossier"
    assert "Chirurgienne orthopédiste, CHU de Pli" in card["text"]
    assert "vous l’avez autorisé le 3 mai 2030" in card["text"]
    assert "dossier ouvert" in card["text"]
    assert "« Ordonnance » (3)" in card["text"]
    assert card["text"].endswith(" et 2 autres documents")
    assert "  1. Je ne connais pas cette personne" in letter_form(card)
    assert not any(one["primary"] for one in card["choices"])


async def test_somebody_unknown_is_reported_blocked_and_reads_no_more_until_the_patient_knows_them(
    core: House, time_machine: TimeMachineFixture
) -> None:
    await core.letter("morel", "dominique")
    await allow(core, "morel", "prescriptions")
    paper = await file(core, "prescriptions", "57833-6", "Ordonnance")
    await read(core, "morel", paper)
    (line,) = await told(core, "dominique", time_machine)
    box = await core.mailbox("dominique")
    await act(core.app, box, line.message.id, "journal.unknown", {}, "")
    (review,) = await core.app.db.read(reviews.listed)
    assert (review.kind, review.account_id, review.by) == (
        "unknown_person", core.morel.account_id, core.dominique.account_id
    )  # fmt: skip
    assert await core.app.db.read(_running, core.dominique.space_id, core.morel.account_id) == []
    with pytest.raises((Refused, NotAllowed)):
        await read(core, "morel", paper)
    await act(core.app, box, line.message.id, "journal.known", {}, "")
    assert await core.app.db.read(reviews.listed) == []
    await core.letter("morel", "dominique", "De nouveau")  # writes again
    with pytest.raises(Refused):
        await read(core, "morel", paper)  # what was withdrawn stays so
    assert {"Personne bloquée", "Personne débloquée"} <= {
        one.what[0] for visit in await visits(core, "dominique", mine=True) for one in visit.done
    }


def _running(tx: Tx, space: str, account: str) -> list[consent_rows.Consent]:
    return consent_rows.in_force(tx, space, {account})


# ---- on the page -----------------------------------------------------------------------------------------------------


async def test_the_page_its_filters_its_file_and_who_read_one_document(house: House) -> None:
    await house.letter("morel", "dominique")
    await allow(house, "morel", "prescriptions")
    paper = await file(house, "prescriptions", "57833-6", "Ordonnance")
    formula = await file(house, "other", "", "=1+1")
    await read(house, "morel", paper)
    async with visitor(house, "dominique") as dominique, visitor(house, "marcel") as marcel:
        page = await dominique.get("/journal")
        assert "Dr Agathe MOREL Chirurgienne orthopédiste, CHU de Pli" in page.said
        assert "Pourquoi : vous l’avez autorisé le" in page.said
        assert "Ces lignes sont gardées 3 ans." in page.said
        assert "Vous" in (await dominique.get("/journal?who=me")).said
        nobody = await dominique.get(f"/journal?person={house.leroy.account_id}")
        assert "Rien pour cette personne ou cette période." in nobody.said
        past = await dominique.get("/journal?from=2020-01-01&until=2020-02-01&page=zzz")
        assert "Rien pour cette personne ou cette période." in past.said
        given = await dominique.get("/journal/file")
        rows = list(csv.reader(io.StringIO(given.text.removeprefix("\ufeff")), delimiter=";"))
        assert rows[0][2] == "Personne"
        assert ["Dr Agathe MOREL", "Document ouvert", "Ordonnance"] in [[row[2], row[6], row[7]] for row in rows]
        assert (await dominique.get(f"/documents/{formula}")).status == 200
        assert ";'=1+1;" in (await dominique.get("/journal/file?who=me")).text  # no spreadsheet works it out
        view = await dominique.get(f"/documents/{paper}/view")
        assert f'href="/documents/{paper}/readers"' in view.text
        readers = await dominique.get(f"/documents/{paper}/readers")
        assert "Dr Agathe MOREL" in readers.said
        assert (await marcel.get(f"/documents/{paper}/readers")).status == 404
        assert "Personne d’autre que vous n’a ouvert ce dossier." in (await marcel.get("/journal")).said


async def test_the_log_goes_back_fifty_visits_a_page(sqlite_core: House, time_machine: TimeMachineFixture) -> None:
    house = sqlite_core
    await house.letter("morel", "dominique")
    box = await house.mailbox("morel")
    for day in range(53):
        time_machine.move_to(datetime(2030, 1, 1, 9, tzinfo=UTC) + timedelta(days=day))
        await access.record_of(house.app, box, house.dominique.space_id)
    handle = await dossier(house, "dominique")
    first, second = [await journal.log(house.app, handle, page=page) for page in (1, 2)]
    assert (len(first.visits), first.more, len(second.visits), second.more) == (50, True, 3, False)
    seen = [visit.since for visit in first.visits + second.visits]
    assert seen == sorted(set(seen), reverse=True)
