"""« Rappelle-moi… »: what Pli offers to remind a patient of, and notes at a tap alone."""

from __future__ import annotations

from datetime import datetime

import pytest
import time_machine

from server import access
from server.actions.acting import act
from server.agenda import book
from server.agenda.book import AppointmentView
from server.bots.assistant.looking import is_named
from server.settings import PLACE
from tests.house import House
from tests.support import assistant as pli

NOW = datetime(2026, 11, 23, 10, tzinfo=PLACE)


async def _noted(core: House) -> list[AppointmentView]:
    box = await core.mailbox("dominique")
    return await book.appointments(core.app, await access.dossier(core.app, box, "agenda"))


async def test_a_reminder_is_offered_noted_at_a_tap_and_taken_back(sqlite_core: House) -> None:
    core = sqlite_core
    with time_machine.travel(NOW, tick=True):
        shown = await pli.ask(core, "dominique", "rappelle-moi tous les jours à 20 h de prendre mes cachets")
        card = pli.card(shown)
        assert card["title"].replace("\u00a0", " ") == (
            "Vous rappeler : Prendre mes cachets, lundi 23 novembre 2026 à 20 h, chaque jour ?"
        )
        assert "Vous n’avez pas dit l’heure" not in card["text"]
        assert await _noted(core) == []
        box = await core.mailbox("dominique")
        await act(core.app, box, shown.id, "agenda.note", {}, "noted")
        (one,) = await _noted(core)
        assert (one.title, one.own, one.start) == ("Prendre mes cachets", "reminder", "2026-11-23T20:00:00+01:00")
        assert one.rrule == "FREQ=DAILY"
        await act(core.app, box, shown.id, "agenda.undo", {}, "undone")
        assert await _noted(core) == []


@pytest.mark.parametrize(
    ("words", "hour", "told", "told_en"),
    [
        (
            "rappelle-moi demain d’appeler le dentiste",
            "09",
            "pas dit l’heure : 9 h.",
            "You did not say the time: 9:00 am.",
        ),
        (
            "remind me tomorrow evening to call mum",
            "20",
            "pas dit l’heure : 20 h.",
            "You did not say the time: 8:00 pm.",
        ),
    ],
)
async def test_an_hour_that_nobody_said_is_told_on_the_card(
    sqlite_core: House, words: str, hour: str, told: str, told_en: str
) -> None:
    with time_machine.travel(NOW, tick=True):
        card = pli.card(await pli.ask(sqlite_core, "dominique", words))
    assert card["entry"]["start"] == f"2026-11-24T{hour}:00:00+01:00"
    assert told in card["text"].replace("\u00a0", " ")
    assert told_en in card["text_en"]


@pytest.mark.parametrize(
    ("words", "title"),
    [
        ("rappelle-moi de boire", "Quand vous le rappeler ?"),
        ("mets un rappel", "De quoi vous rappeler, et quand ?"),
        ("rappelle-moi de prendre mon cachet matin et soir", "Je ne sais pas répéter un rappel ainsi"),
        ("rappelle-moi aujourd’hui à 8 h de boire", "À quelle heure ?"),
    ],
)
async def test_what_is_missing_is_asked_for_and_no_rhythm_is_noted_as_another(
    sqlite_core: House, words: str, title: str
) -> None:
    with time_machine.travel(NOW, tick=True):
        card = pli.card(await pli.ask(sqlite_core, "dominique", words))
    assert (card["type"], card["title"]) == ("assistant", title)


def test_meningitis_is_the_meningococcus_and_both_of_its_kinds() -> None:
    for slug in ("meningococcus", "meningococcus-b", "meningococcus-acwy"):
        assert is_named([slug], ["meningococcus"])
    assert not is_named(["pneumococcus"], ["meningococcus"])
    assert not is_named(["meningococcus-b"], ["meningococcus-acwy"])
