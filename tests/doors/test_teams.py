"""A team's shared inbox: who takes a conversation, who it is handed to, why it was closed, who waits and since when;
and what the patient reads of all that.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from server import access, reading, teams
from server.actions import acting
from server.drafts import Draft, Opening
from server.errors import Conflict, Invalid, NotAllowed, Refused
from server.handles import MailboxHandle
from server.posting import post
from server.views import MessageView
from tests.browser.visitor import Visitor, visitor
from tests.house import House


async def _team_box(house: House, member: str = "petit", team: str = "admissions") -> MailboxHandle:
    return await access.mailbox(house.app, house.people[member], house.people[team].mailbox_id)


async def _asked(house: House, patient: str = "dominique", text: str = "À quelle heure dois-je venir ?") -> str:
    """A conversation of the admissions where a patient asked something."""
    sent = await house.letter("admissions", patient)
    await house.answer(patient, sent.conversation, text)
    return sent.conversation


async def _read(house: House, name: str) -> list[MessageView]:
    page = await reading.since(house.app, await house.mailbox(name), 0)
    return [entry.message for entry in page.entries if entry.kind == "message"]


def _place(house: House, team: str = "admissions") -> str:
    return f"/for/{house.people[team].mailbox_id}"


# ---- whose mailbox it is ---------------------------------------------------------------------------------------------


async def test_somebody_who_works_in_a_team_reads_its_mailbox_and_answers_in_its_name(house: House) -> None:
    conversation = await _asked(house)
    async with visitor(house, "petit") as petit:
        switch = await petit.get("/")
        assert "Admissions, CHU de Pli Boîte d’équipe" in switch.said
        base = _place(house)
        assert "À quelle heure dois-je venir ?" in (await petit.get(f"{base}/c/{conversation}")).said
        assert (await petit.post(f"{base}/c/{conversation}", {"text": "À huit heures."})).status == 303
    answer = (await _read(house, "dominique"))[-1]
    assert (answer.author.kind, answer.author.name) == ("team", "Admissions, CHU de Pli")
    assert answer.author.role == "Claire PETIT, Secrétaire médicale"
    assert answer.text == "À huit heures."


async def test_what_one_of_the_team_writes_is_the_whole_team_s_and_no_private_letter(core: House) -> None:
    box = await _team_box(core)
    space = await access.patient(core.app, core.petit, core.ins("marcel"), through=box)
    sent = await post(core.app, core.petit, Draft(to=Opening(space, "Votre venue"), text="Bonjour."))
    assert [m.text for m in await _read(core, "admissions")] == ["Bonjour."]
    assert await _read(core, "petit") == []
    with pytest.raises(Refused):
        await access.conversation(core.app, await core.mailbox("petit"), sent.conversation)


async def test_nobody_else_reads_a_team_s_mailbox(house: House) -> None:
    conversation = await _asked(house)
    for name in ("morel", "dominique", "marcel", "operator", "anesthesia"):
        async with visitor(house, name) as stranger:
            for path in ("/", "/team", f"/c/{conversation}", "/hours", "/templates"):
                assert (await stranger.get(_place(house) + path)).status == 404, (name, path)


async def test_who_leaves_a_team_reads_and_writes_no_more_from_that_instant(core: House) -> None:
    conversation = await _asked(core)
    box = await _team_box(core)
    handle = await access.conversation(core.app, box, conversation)
    assert await teams.leave(core.app, core.admissions.account_id, core.petit.account_id)
    with pytest.raises(Refused):
        await post(core.app, core.petit, Draft(to=handle, text="Encore moi."))
    with pytest.raises(Refused):
        await reading.mark_read(core.app, handle, 99)
    with pytest.raises(Refused):
        await _team_box(core)
    assert [m.text for m in await _read(core, "dominique")][-1] == "À quelle heure dois-je venir ?"


async def test_a_patient_or_a_bot_never_works_in_a_team(core: House) -> None:
    for name in ("dominique", "lab", "anesthesia"):
        with pytest.raises(Invalid):
            await teams.join(core.app, core.admissions.account_id, core.people[name].account_id, "member", "operator")


# ---- who answers -----------------------------------------------------------------------------------------------------


async def test_the_board_says_who_waits_the_longest_first_and_who_has_it(house: House) -> None:
    first = await _asked(house, "marcel", "Puis-je manger avant ?")
    second = await _asked(house, "dominique")
    async with visitor(house, "petit") as petit:
        base = _place(house)
        board = await petit.get(f"{base}/team")
        assert board.text.index(f"{base}/c/{first}") < board.text.index(f"{base}/c/{second}")
        assert "Attendent une réponse 2 conversations" in board.said
        assert "Attend depuis" in board.said
        form = {"do": "take", "held_by": "", "back": "team"}
        taken = await petit.post(f"{base}/c/{first}/team", form)
        assert (taken.status, taken.place) == (303, f"{base}/team")
        assert "Prise par vous" in (await petit.get(f"{base}/team")).said
        assert "Attendent une réponse 1 conversation" in (await petit.get(f"{base}/team?who=free")).said
        await petit.post(f"{base}/c/{first}", {"text": "Non, à jeun."})
        after = await petit.get(f"{base}/team")
        assert "Attendent une réponse 1 conversation" in after.said
        assert "Répondues 1 conversation" in after.said


async def test_two_who_take_a_conversation_at_once_are_one_who_has_it_and_one_who_is_told(core: House) -> None:
    conversation = await _asked(core)
    await teams.join(core.app, core.admissions.account_id, core.morel.account_id, "member", "operator")
    boxes = [await _team_box(core, name) for name in ("petit", "morel")]
    tried = await asyncio.gather(
        *(teams.take(core.app, box, conversation) for box in boxes), return_exceptions=True
    )  # fmt: skip
    assert [type(result) for result in tried if result] == [Conflict]
    handle = await access.conversation(core.app, boxes[0], conversation)
    winner = boxes[tried.index(None)].actor
    assert (await teams.holding(core.app, boxes[0], handle)).held_by == winner.account_id
    await teams.assign(core.app, boxes[0], conversation, core.morel.account_id, winner.account_id)
    assert (await teams.holding(core.app, boxes[0], handle)).held_name == core.morel.name
    await teams.release(core.app, boxes[0], conversation)
    assert (await teams.holding(core.app, boxes[0], handle)).held_by == ""
    with pytest.raises(Invalid):
        await teams.assign(core.app, boxes[0], conversation, core.lab.account_id)


async def test_what_the_team_settles_among_itself_is_no_message_for_the_patient(core: House) -> None:
    conversation = await _asked(core)
    before = len(await _read(core, "dominique"))
    await teams.take(core.app, await _team_box(core), conversation)
    await teams.release(core.app, await _team_box(core), conversation)
    assert len(await _read(core, "dominique")) == before


# ---- handed over, closed ---------------------------------------------------------------------------------------------


async def test_the_patient_reads_that_another_team_answers_and_that_team_has_what_was_written(core: House) -> None:
    conversation = await _asked(core)
    await teams.hand_over(core.app, await _team_box(core), conversation, core.anesthesia.account_id)
    said = [m.text for m in await _read(core, "dominique")]
    assert said[-1] == "Anesthésie, CHU de Pli répond désormais dans cette conversation."
    assert [m.text for m in await _read(core, "anesthesia")] == said
    unread = await reading.unread(core.app, await core.mailbox("anesthesia"))
    assert unread == 2  # the question that waits, and the line
    await core.answer("dominique", conversation, "Merci de me répondre.")
    assert (await _read(core, "anesthesia"))[-1].text == "Merci de me répondre."
    assert "Merci de me répondre." not in [m.text for m in await _read(core, "admissions")]


async def test_who_handed_a_conversation_over_may_still_read_what_they_had_and_write_no_more(house: House) -> None:
    conversation = await _asked(house)
    base = _place(house)
    async with visitor(house, "petit") as petit:
        form = {"do": "hand", "team": house.anesthesia.account_id, "client_key": "once"}
        for _ in range(2):  # pressed twice
            assert (await petit.post(f"{base}/c/{conversation}/team", form)).status == 303
        page = await petit.get(f"{base}/c/{conversation}")
        assert "À quelle heure dois-je venir ?" in page.said
        assert "Votre équipe ne prend plus part à cette conversation." in page.said
        assert "<textarea" not in page.text
        assert (await petit.post(f"{base}/c/{conversation}", {"text": "Encore."})).status == 404
    async with visitor(house, "morel") as morel:  # who works in that team
        assert "À quelle heure dois-je venir ?" in (await morel.get(f"{_place(house, 'anesthesia')}/team")).said or (
            "Dominique PAT-TROIS" in (await morel.get(f"{_place(house, 'anesthesia')}/team")).said
        )
    lines = [m.text for m in await _read(house, "dominique") if m.kind == "line"]
    assert len(lines) == 1


async def test_a_conversation_is_never_handed_to_a_team_that_the_patient_blocked(core: House) -> None:
    conversation = await _asked(core)
    await core.stand("anesthesia", "dominique", "block", "blocked")
    with pytest.raises(NotAllowed):
        await teams.hand_over(core.app, await _team_box(core), conversation, core.anesthesia.account_id)
    assert await _read(core, "anesthesia") == []


async def test_a_closed_conversation_says_why_and_opens_again_when_the_patient_writes(house: House) -> None:
    conversation = await _asked(house)
    base = _place(house)
    async with visitor(house, "petit") as petit, visitor(house, "dominique") as dominique:
        form = {"do": "close", "reason": "answered", "client_key": "once"}
        await petit.post(f"{base}/c/{conversation}/team", form)
        told = "Admissions, CHU de Pli a terminé cette conversation : la réponse est donnée."
        assert told in (await dominique.get(f"/c/{conversation}")).said
        assert "Terminées 1 conversation" in (await petit.get(f"{base}/team")).said
        assert "Terminée : la réponse est donnée." in (await petit.get(f"{base}/c/{conversation}")).said
        assert (await dominique.post(f"/c/{conversation}", {"text": "Encore une question."})).status == 303
        assert "Attendent une réponse 1 conversation" in (await petit.get(f"{base}/team")).said


async def test_a_team_may_end_the_exchange_and_its_next_word_opens_it(house: House) -> None:
    conversation = await _asked(house)
    base = _place(house)
    async with visitor(house, "petit") as petit, visitor(house, "dominique") as dominique:
        await petit.post(f"{base}/c/{conversation}/team", {"do": "close", "reason": "phone", "ends": "1"})
        assert (await dominique.post(f"/c/{conversation}", {"text": "Allô ?"})).status == 403
        await petit.post(f"{base}/c/{conversation}", {"text": "Une dernière question."})
        assert (await dominique.post(f"/c/{conversation}", {"text": "Oui."})).status == 303


@pytest.mark.parametrize("form", [{"do": "close", "reason": "no such"}, {"do": "hand", "team": "x"}, {"do": "?"}])
async def test_a_decision_that_means_nothing_is_refused_and_changes_nothing(house: House, form: dict[str, str]) -> None:
    conversation = await _asked(house)
    async with visitor(house, "petit") as petit:
        assert (await petit.post(f"{_place(house)}/c/{conversation}/team", form)).status == 422
        assert "Attendent une réponse 1 conversation" in (await petit.get(f"{_place(house)}/team")).said


async def test_somebody_who_is_no_team_takes_and_closes_nothing(house: House) -> None:
    conversation = await _asked(house)
    async with visitor(house, "dominique") as dominique:
        for form in ({"do": "take"}, {"do": "close", "reason": "answered"}):
            assert (await dominique.post(f"/c/{conversation}/team", form)).status == 404
        assert (await dominique.get("/team")).status == 404


# ---- hours, absences, texts ------------------------------------------------------------------------------------------


async def _say_hours(who: Visitor, base: str, **more: str) -> int:
    form = {f"day.{day}": "9:00-12:00, 14 h - 17 h" for day in ("mon", "tue", "wed", "thu", "fri")}
    return (await who.post(f"{base}/hours", {**form, "day.sat": "", "day.sun": "", "answers": "48", **more})).status


async def test_the_patient_reads_when_the_team_reads_and_how_long_an_answer_takes(house: House) -> None:
    conversation = await _asked(house)
    async with visitor(house, "petit") as petit, visitor(house, "dominique") as dominique:
        assert await _say_hours(petit, _place(house)) == 303
        thread = await dominique.get(f"/c/{conversation}")
        assert "Répond d’habitude en deux jours ouvrés." in thread.said
        assert "du lundi au vendredi, 9 h – 12 h et 14 h – 17 h" in thread.said.replace("\u00a0", " ")
        english = await dominique.get(f"/c/{conversation}", headers={"Cookie": ""}, cookies={"pli-language": "en"})
        assert "Monday to Friday" in english.said


@pytest.mark.parametrize("typed", ["9:00", "17:00-9:00", "9:00-12:00, 11:00-13:00", "25:00-26:00", "soir"])
async def test_hours_that_make_no_sense_are_refused_and_what_was_typed_is_kept(house: House, typed: str) -> None:
    async with visitor(house, "morel") as morel:
        answer = await morel.post("/hours", {"day.mon": typed, "answers": "0"})
        assert answer.status == 422
        assert 'role="alert"' in answer.text
        assert f'value="{typed}"' in answer.text


async def test_only_a_manager_settles_the_hours_of_a_team(house: House) -> None:
    async with visitor(house, "morel") as morel:
        assert await _say_hours(morel, _place(house, "anesthesia")) == 403
        away = {"do": "away", "from": "2026-12-24", "until": "2026-12-26", "text": "Absente."}
        assert (await morel.post(f"{_place(house, 'anesthesia')}/absence", away)).status == 403
        assert "Seul un responsable" in (await morel.get(f"{_place(house, 'anesthesia')}/hours")).said


async def test_who_says_on_the_web_that_they_are_away_is_told_away_until_they_are_back(house: House) -> None:
    sent = await house.letter("morel", "dominique")
    today = datetime.now(UTC).date()
    form = {
        "do": "away",
        "from": str(today - timedelta(days=1)),
        "until": str(today + timedelta(days=3)),
        "text": "Je rentre bientôt.",
    }
    async with visitor(house, "morel") as morel, visitor(house, "dominique") as dominique:
        assert (await morel.post("/absence", form)).status == 303
        thread = await dominique.get(f"/c/{sent.conversation}")
        assert "Dr Agathe MOREL est absent jusqu’au" in thread.said
        assert "Je rentre bientôt." in thread.said
        assert (await morel.post("/absence", {"do": "back"})).status == 303
        assert "est absent" not in (await dominique.get(f"/c/{sent.conversation}")).said


async def test_a_text_of_the_team_begins_a_letter_and_is_nobody_else_s(house: House) -> None:
    conversation = await _asked(house)
    base = _place(house)
    async with visitor(house, "petit") as petit:
        saved = await petit.post(f"{base}/templates", {"title": "À jeun", "text": "Venez à jeun <depuis minuit>."})
        assert saved.status == 303
        thread = await petit.get(f"{base}/c/{conversation}")
        (link,) = {part.split('"')[0] for part in thread.text.split('href="?template=')[1:]}
        filled = await petit.get(f"{base}/c/{conversation}?template={link.partition('#')[0]}")
        assert "Venez à jeun &lt;depuis minuit&gt;.</textarea>" in filled.text
        assert "À jeun" not in (await petit.get("/templates")).said  # her own office has none
        refused = await petit.post("/templates", {"id": link.partition("#")[0], "title": "x", "text": "y"})
        assert refused.status == 404
        assert (await petit.post(f"{base}/templates", {"title": "", "text": "y"})).status == 422
    async with visitor(house, "dominique") as dominique:
        assert (await dominique.get("/templates")).status == 404


async def test_a_card_is_answered_for_the_team_by_whoever_of_it_reads_it(core: House) -> None:
    sent = await core.letter("admissions", "dominique")
    box = await _team_box(core)
    handle = await access.conversation(core.app, box, sent.conversation)
    receipt = await post(core.app, core.petit, Draft(to=handle, text="Document joint."))
    with pytest.raises((Refused, Invalid, NotAllowed)):
        await acting.act(core.app, box, receipt.message, "agenda.accept", {}, "key")


async def test_two_patients_of_one_name_are_told_apart_wherever_a_team_looks(house: House) -> None:
    conversation = await _asked(house)
    async with visitor(house, "petit") as petit:
        base = _place(house)
        for path in ("/", "/team", f"/c/{conversation}"):
            shown = (await petit.get(base + path)).said
            assert "Dominique PAT-TROIS" in shown
            assert "née le 28 mars 1979" in shown, path
    async with visitor(house, "dominique") as dominique:
        assert "28 mars 1979" not in (await dominique.get("/")).said
