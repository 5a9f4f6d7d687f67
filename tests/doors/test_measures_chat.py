"""Measures that people type to Pli itself: read, asked, kept at a tap, taken back at another."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from server import access, reading
from server.actions import measures as acts
from server.actions.acting import act
from server.dossier import measure_words, measures
from server.errors import Conflict, Invalid
from server.views import Entry as Shown
from tests.house import House

NOW = datetime(2026, 11, 23, 13, 5, tzinfo=UTC)

SAID = [
    ("tension 13/8", [("blood-pressure", ("13", "8"), "cm[Hg]")]),
    ("TA 130/85 pouls 72", [("blood-pressure", ("130", "85"), "mm[Hg]")]),
    ("ma tension est de 13 sur 8", [("blood-pressure", ("13", "8"), "cm[Hg]")]),
    ("72 kg", [("weight", ("72",), "kg")]),
    ("je pèse 72,4 kilos", [("weight", ("72.4",), "kg")]),
    ("3 kg 450", [("weight", ("3.450",), "kg")]),
    ("1m68", [("height", ("168",), "cm")]),
    ("glycémie 1,12 g/L à jeun", [("glucose", ("1.12",), "g/L")]),
    ("glycémie 112", [("glucose", ("112",), "mg/dL")]),
    ("température 38,5", [("temperature", ("38.5",), "")]),
    ("38°5", [("temperature", ("38.5",), "")]),
    ("HbA1c 6,8 %", [("hba1c", ("6.8",), "")]),
    ("douleur 6/10", [("pain", ("6",), "")]),
    ("8 000 pas", [("steps", ("8000",), "")]),
    ("saturation 97", [("oxygen", ("97",), "")]),
    (
        "I weigh 72 kg, blood pressure 130 over 85",
        [("weight", ("72",), "kg"), ("blood-pressure", ("130", "85"), "mm[Hg]")],
    ),
]


@pytest.mark.parametrize(("words", "meant"), SAID, ids=[words for words, _ in SAID])
def test_a_measure_is_understood_as_people_write_it(words: str, meant: list[tuple[str, tuple[str, ...], str]]) -> None:
    found = measure_words.read(words, NOW)
    assert [(one.slug, one.values, one.unit) for one in found.entries] == meant
    assert not found.unread


@pytest.mark.parametrize("words", ["38,5", "13/8", "glycémie 6", "180 lbs", "tension 13/8/5", "", "Bonjour docteur"])
def test_what_may_mean_several_things_is_not_guessed(words: str) -> None:
    found = measure_words.read(words, NOW)
    assert not found.entries
    assert found.unread == ((words,) if words else ())


def test_when_is_taken_from_the_words_and_the_rest_is_said_not_understood() -> None:
    found = measure_words.read("hier à 20 h 30 tension 12,5/8 pouls 71, mon genou me fait souffrir", NOW)
    assert [(one.at, one.heart_rate) for one in found.entries] == [("2026-11-22T20:30+01:00", "71")]
    assert found.unread == ("mon genou me fait souffrir",)
    dated = measure_words.read("TA 140/90 le 12/12", NOW)
    assert dated.entries[0].at == "2025-12-12"  # the last one there was


async def _card(core: House, text: str) -> Shown:
    receipt = await acts.offer(core.app, await core.mailbox("dominique"), text)
    box = await core.mailbox("dominique")
    handle = await access.conversation(core.app, box, receipt.conversation)
    return await reading.message(core.app, handle, receipt.message)


async def _known(core: House, slug: str) -> list[tuple[str, ...]]:
    handle = await access.dossier(core.app, await core.mailbox("dominique"))
    return [view.values for view in await measures.series(core.app, handle, slug)]


async def test_what_dominique_types_is_kept_only_when_she_says_so_and_taken_back_when_she_says_so(
    sqlite_core: House,
) -> None:
    core = sqlite_core
    shown = await _card(core, "tension 13/8 pouls 72")
    card = shown.message.card
    assert card is not None
    assert card["title"].startswith("Noter : tension artérielle 130/80\u00a0mmHg, fréquence cardiaque 72\u00a0/min, au")
    assert [choice["label"] for choice in card["choices"]] == ["Noter", "Corriger", "Ne pas noter"]
    assert "1. Noter" in shown.message.text
    assert await _known(core, "blood-pressure") == []
    box = await core.mailbox("dominique")
    noted = await act(core.app, box, shown.message.id, "measures.note", {}, "once")
    again = await act(core.app, box, shown.message.id, "measures.note", {}, "once")
    assert noted.message == again.message
    assert await _known(core, "blood-pressure") == [("130", "80")]
    assert await _known(core, "heart-rate") == [("72",)]
    with pytest.raises(Conflict):
        await act(core.app, box, shown.message.id, "measures.note", {}, "twice")
    await act(core.app, box, shown.message.id, "measures.undo", {}, "back")
    assert await _known(core, "blood-pressure") == await _known(core, "heart-rate") == []
    handle = await access.dossier(core.app, box)
    kept = await measures.gather(core.app, handle)
    assert [view.state for view in kept.ended["blood-pressure"]] == ["withdrawn"]


async def test_a_likely_slip_is_asked_and_corrected_on_the_card(sqlite_core: House) -> None:
    core = sqlite_core
    shown = await _card(core, "720 kg et il fait beau")
    card = shown.message.card
    assert card is not None
    assert "720\u00a0kg : est-ce bien 72\u00a0kg ?" in card["text"]
    assert "Pas compris, et pas noté : « il fait beau »." in card["text"]
    box = await core.mailbox("dominique")
    with pytest.raises(Invalid, match="measure_not_understood"):
        await act(core.app, box, shown.message.id, "measures.correct", {"text": "soixante-douze"}, "words")
    await act(core.app, box, shown.message.id, "measures.correct", {"text": "72 kg"}, "right")
    assert await _known(core, "weight") == [("72",)]
    handle = await access.dossier(core.app, box)
    [kept] = await measures.series(core.app, handle, "weight")
    await core.app.db.write(lambda tx: measures.correct(tx, handle, kept.id, None))
    with pytest.raises(Conflict, match="already_corrected"):  # what is gone is not taken back again
        await act(core.app, box, shown.message.id, "measures.undo", {}, "back")


async def test_what_cannot_be_is_refused_in_a_sentence_and_nothing_is_kept(sqlite_core: House) -> None:
    core = sqlite_core
    box = await core.mailbox("dominique")
    for text, code in (("tension 8/13", "pressure_turned"), ("température 98", "implausible"), ("salut", "not_under")):
        with pytest.raises(Invalid, match=code):
            await acts.offer(core.app, box, text)


async def test_the_card_sent_twice_is_one(sqlite_core: House) -> None:
    core = sqlite_core
    box = await core.mailbox("dominique")
    first = await acts.offer(core.app, box, "72 kg", "same")
    second = await acts.offer(core.app, box, "72 kg", "same")
    assert first.message == second.message
