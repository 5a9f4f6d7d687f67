"""Sequences on the web: an office copies an example, writes its own, sees the dates, binds one to an appointment, stops
it; and nobody else’s sequence or appointment is reached.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from server import access, reading
from server.drafts import Actor, Opening
from server.errors import Conflict, Invalid, PliError, Refused
from server.journeys import Sequence, Silence, Step, binding, planning, sending, sequences
from server.settings import PLACE
from storage.journeys import Journey
from tests.browser.visitor import visitor
from tests.house import House
from tests.notice_post import DAY, HOUR, outside, settled
from tests.walks import sequences as walk

AT = datetime(2026, 12, 10, 8, 0, tzinfo=PLACE)
STEP = {
    "kind": "confirmation", "title": "À jeun", "text": "Le {date} à {hour}.", "days": "1", "side": "before",
    "hour": "09:00", "essential": "1", "at_once": "1", "silence": "1", "by": "1", "by_side": "before",
    "by_hour": "12:00", "gap": "2", "way.call": "1", "way.push": "1", "do": "save",
}  # fmt: skip


async def _admissions(house: House) -> Any:
    return await access.mailbox(house.app, house.petit, house.admissions.mailbox_id)


# ---- written on the web ----------------------------------------------------------------------------------------------


async def test_a_team_copies_an_example_changes_a_step_and_sees_its_dates(house: House) -> None:
    base = f"/for/{house.admissions.mailbox_id}"
    async with visitor(house, "petit") as petit:
        page = await petit.get(f"{base}/sequences")
        assert "Aucun parcours pour l’instant" in page.said
        assert "Opération avec hospitalisation" in page.said
        made = await petit.post(f"{base}/sequences", {"do": "copy", "example": "operation"})
        assert made.status == 303
        (kept,) = await sequences.of_office(house.app, await _admissions(house))
        where = f"{base}/sequences/{kept.id}"
        shown = await petit.get(f"{where}?day=2027-03-28")  # the clocks change that day
        assert "26 février 2027 à 9 h 00" in shown.said
        assert "27 mars 2027 à 9 h 00" in shown.said
        assert "Copié d’un exemple" in shown.said
        step = next(one.number for one in kept.sequence.steps if one.kind == "confirmation")
        changed = await petit.post(f"{where}/steps/{step}", STEP | {"version": "1"})
        assert changed.status == 303
        late = await petit.post(f"{where}/steps/1", STEP | {"version": "1"})
        assert late.status == 409
        assert "a changé entre-temps" in late.said
        assert "Le {date} à {hour}." in late.text, "what was typed stays"
        assert (await petit.post(f"{where}/steps/1", {"do": "remove", "version": "2"})).status == 303
        (kept,) = await sequences.of_office(house.app, await _admissions(house))
        assert (kept.version, [one.title for one in kept.sequence.steps][-2]) == (3, "À jeun")
        assert kept.sequence.steps[-2].silence == Silence(-1, "12:00", ("push", "call"), 2)
        before = await sequences.one(house.app, await _admissions(house), kept.id, 1)
        assert len(before.sequence.steps) == len(kept.sequence.steps) + 1, "a version is never lost"
        assert (await petit.post(where, {"do": "withdraw"})).status == 303
        assert (await petit.get(where)).status == 404
        assert "Aucun parcours pour l’instant" in (await petit.get(f"{base}/sequences")).said


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"text": "Bonjour {nom}"}, "on peut écrire {patient}"),
        ({"title": ""}, "un titre de 1 à 120"),
        ({"text": ""}, "Écrivez le texte"),
        ({"days": "400"}, "de 0 à 365"),
        ({"hour": "25:00"}, "Écrivez l’heure comme"),
        ({"kind": "checklist"}, "de 1 à 30 lignes"),
        ({"kind": "questionnaire"}, "Choisissez un questionnaire"),
        ({"by": "2"}, "La relance vient après l’envoi"),
        ({"way.call": "", "way.push": ""}, "Choisissez comment relancer"),
        ({"text": "x" * 10_001}, "10 000 caractères au plus"),
    ],
)
async def test_what_is_wrong_is_said_and_what_was_typed_stays(house: House, fields: dict[str, str], said: str) -> None:
    made = await sequences.save(house.app, await house.mailbox("morel"), Sequence("Genou", "", ()))
    async with visitor(house, "morel") as morel:
        answer = await morel.post(f"/sequences/{made}/steps/new", STEP | {"version": "1"} | fields)
        assert answer.status in (413, 422)
        assert said.lower() in answer.said.lower()
        assert fields.get("hour", "09:00") in answer.text
        assert fields.get("text", "Le {date} à {hour}.") in answer.text


async def test_a_name_is_one_sequence_s_and_an_office_has_so_many(house: House) -> None:
    box = await house.mailbox("morel")
    await sequences.save(house.app, box, Sequence("Opération du genou", "", ()))
    with pytest.raises(Conflict, match="name_taken"):
        await sequences.save(house.app, box, Sequence("operation  DU genou", "", ()))
    many = tuple(Step(number, "message", "Un mot", -1, text="Bonjour") for number in range(31))
    with pytest.raises(PliError, match="sequence_steps"):
        await sequences.save(house.app, box, Sequence("Longue", "", many))
    with pytest.raises(Invalid, match="sequence_name"):
        await sequences.save(house.app, box, Sequence("Genou [gauche]", "", ()))
    with pytest.raises(Invalid, match="silence_late"):
        sequences.checked(Sequence("X", "", (Step(1, "message", "T", -1, text="x", silence=Silence(2)),)))


def test_what_is_shipped_says_that_it_is_an_example_and_speaks_both_languages() -> None:
    found = sequences.shipped()
    assert {"operation", "ambulatoire", "admission", "consultation"} <= found.keys()
    for one in found.values():
        assert "exemple" in one.source
        assert one.name_en
        assert one.about_en
        assert all(step.title_en and (step.text_en or not step.text) for step in one.steps)
        assert all(len(step.items) == len(step.items_en) for step in one.steps)


# ---- bound on the web ------------------------------------------------------------------------------------------------


async def test_an_office_binds_stops_and_binds_again(tmp_path: Path, sqlite_url: str) -> None:
    async with outside(tmp_path, sqlite_url, doors=True) as post:
        house = post.house
        kept = await walk.prepare(house)
        await walk.invite(house, AT, 0)
        await settled(house)
        one, (letter,) = await walk.appointment(house), await walk.messages(house)
        where = f"/bound/{letter.conversation}"
        async with visitor(house, "morel") as morel:
            assert "Opération du genou" in (await morel.get(where)).said
            assert f'href="{where}"' in (await morel.get(f"/c/{letter.conversation}")).text
            fields = {"do": "attach", "appointment": one.id, "sequence": kept, "client_key": "once"}
            assert (await morel.post(where, fields)).status == 303
            assert (await morel.post(where, fields)).status == 303, "pressed twice"
            await settled(house)
            assert await walk.state(house) == ["1 planned", "2 planned", "3 planned"]
            assert await walk.lines(house) == [
                "Parcours « Opération du genou » pour « Opération du genou » : 3 messages."
            ]
            assert "Prévu :" in (await morel.get(where)).said
            ((bound, _),) = await walk.journeys(house)
            stop = {"do": "stop", "journey": bound.journey.id, "client_key": "stop"}
            assert (await morel.post(where, stop)).status == 303
            again = await morel.post(where, stop | {"client_key": "other"})
            assert again.status == 409
            assert "déjà arrêté" in again.said
            assert (await morel.post(where, fields | {"client_key": "more"})).status == 303
        await post.after(11 * DAY)
        assert (await walk.titles(house)).count("Préparer votre opération") == 1, "what was stopped stays stopped"


async def test_nobody_else_sees_binds_or_stops_and_a_team_runs_its_own(tmp_path: Path, sqlite_url: str) -> None:
    async with outside(tmp_path, sqlite_url, doors=True) as post:
        house, app = post.house, post.house.app
        kept = await walk.prepare(house)
        await walk.invite(house, AT, 0)
        await settled(house)
        one, (letter,) = await walk.appointment(house), await walk.messages(house)
        leroys = await walk.prepare(house, "leroy")
        for who in ("leroy", "petit", "dominique"):
            async with visitor(house, who) as other:
                for path in (f"/sequences/{kept}", f"/sequences/{kept}/steps/1", f"/bound/{letter.conversation}"):
                    assert (await other.get(path)).status == 404, (who, path)
                fields = {"do": "attach", "appointment": one.id, "sequence": kept}
                assert (await other.post(f"/bound/{letter.conversation}", fields)).status == 404
        async with visitor(house, "dominique") as patient:
            assert (await patient.get("/sequences")).status == 404
        sent = await house.letter("leroy", "dominique")
        for sequence in (kept, leroys):
            with pytest.raises(Refused):
                await binding.attach(app, await house.mailbox("leroy"), sent.conversation, one.id, sequence)
        assert await binding.of_conversation(
            app, await house.mailbox("leroy"),
            await access.conversation(app, await house.mailbox("leroy"), sent.conversation),
        ) == []  # fmt: skip
        assert await walk.journeys(house) == []

        # Dr Morel works in the anaesthesia team, whose sequence she names: the team writes, and follows.
        team = await access.mailbox(app, house.morel, house.anesthesia.mailbox_id)
        theirs = Sequence("Anesthésie", "", (Step(1, "instructions", "Avant l’anesthésie", -7, text="À jeun."),))
        await sequences.save(app, team, theirs)
        await walk.invite(house, AT, 0, subject="[parcours anesthésie] Bloc", uid="bloc@chu")
        await settled(house)
        await post.after(10 * DAY)
        told = (await walk.messages(house))[-1]
        assert (told.message.author.name, told.message.text) == (house.anesthesia.name, "Avant l’anesthésie\n\nÀ jeun.")


def test_what_is_not_known_of_an_appointment_is_said_in_words() -> None:
    facts = planning.Facts(Sequence("X", "", ()), "", 1, "2026-12-03", "Opération", all_day=True)
    bound = planning.Bound(Journey("", "", "", "", "running", 1, b"", "", 0, 0), facts, ())
    place = sending.Place(Actor("", "team", ""), Opening(None, ""), frozenset(), "Camille", "fr")  # type: ignore[arg-type]
    said = sending.filled("{patient}, le {date} à {hour}, {place}.", sending.placeholders(bound, place)["fr"])
    assert said == "Camille, le jeudi 3 décembre 2026 à l’heure qui vous sera donnée, au lieu qui vous sera donné."


# ---- local hours -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "days", "hour", "instant"),
    [
        ("2027-03-29T08:00:00+02:00", -2, "09:00", "2027-03-27T08:00:00+00:00"),  # winter time before
        ("2027-03-29T08:00:00+02:00", -1, "09:00", "2027-03-28T07:00:00+00:00"),  # the day the clocks change
        ("2027-03-29T08:00:00+02:00", -1, "02:30", "2027-03-28T01:30:00+00:00"),  # an hour that is not
        ("2026-10-26T08:00:00+01:00", -2, "09:00", "2026-10-24T07:00:00+00:00"),  # summer time before
        ("2026-10-26T08:00:00+01:00", -1, "02:30", "2026-10-25T00:30:00+00:00"),  # an hour that is twice: the first
        ("2026-12-03T23:30:00+00:00", 0, "09:00", "2026-12-04T08:00:00+00:00"),  # the day is that of Paris
        ("2026-12-03", -1, "18:00", "2026-12-02T17:00:00+00:00"),  # a whole day
    ],
)
def test_a_step_has_its_local_hour_on_both_sides_of_a_change_of_clocks(
    start: str, days: int, hour: str, instant: str
) -> None:
    sequence = Sequence("X", "", (Step(1, "message", "T", days, hour, "x"),))
    assert planning.dates(sequence, start)[1] == datetime.fromisoformat(instant).timestamp() * 1000


async def test_what_is_too_late_already_is_passed_or_sent_at_once(tmp_path: Path, sqlite_url: str) -> None:
    async with outside(tmp_path, sqlite_url, doors=True) as post:
        house = post.house
        await walk.prepare(house)
        tomorrow = datetime(2026, 11, 25, 8, 0, tzinfo=PLACE)
        await walk.invite(house, tomorrow, 0, subject="[parcours opération du genou] Demain")
        await settled(house)
        assert await walk.state(house) == ["1 passed", "2 sent", "3 planned"]
        assert "Déjà trop tard pour 1 autre" in (await walk.lines(house))[0]
        assert (await walk.titles(house))[1:] == ["À jeun : bien compris ?"]
        page = await reading.since(house.app, await house.mailbox("dominique"), 0)
        assert [one.message.kind for one in page.entries] == ["card", "line", "card"], "it is told, then it begins"
        await walk.invite(house, tomorrow.replace(day=26), 1)
        await settled(house)
        assert await walk.state(house) == ["1 passed", "2 planned", "3 planned"]
        await post.after(DAY - HOUR)
        assert (await walk.titles(house)).count("À jeun : bien compris ?") == 2


async def test_an_appointment_is_proposed_with_its_sequence_on_one_page(house: House) -> None:
    kept = await walk.prepare(house)
    sent = await house.letter("morel", "dominique")
    async with visitor(house, "morel") as morel:
        where = f"/planning/conversation/{sent.conversation}"
        page = await morel.get(where)
        assert f'<option value="{kept}">Opération du genou</option>' in page.text
        day = (datetime.now(PLACE) + timedelta(days=20)).date().isoformat()
        fields = {"title": "Opération", "date.1": day, "time.1": "08:00", "minutes": "60", "location": "Bloc"}
        answer = await morel.post(where, fields | {"sequence": kept, "client_key": "once"})
        assert answer.status == 303, answer.said
        assert await walk.state(house) == ["1 planned", "2 planned", "3 planned"]
        one = await walk.appointment(house)
        shown = await morel.get(f"/planning/{house.dominique.space_id}/{one.id}")
        assert f'href="/bound/{sent.conversation}"' in shown.text
