"""What people write to Pli, as they write it: understood, or said not to be; words of distress before everything.

A third of the sentences was written first, and nothing was made to fit it: `held_out`.
"""

from __future__ import annotations

import ast
import json
from datetime import datetime
from pathlib import Path

import pytest

from server.bots.assistant import dates, distress
from server.bots.assistant.names import Known, Someone
from server.bots.assistant.understanding import Distress, Unclear, Understood, understand
from server.query import fold
from server.settings import PLACE
from tests.support.assistant import CORPUS, KNOWN, NOW, Sentence, sentences

ROOT = Path(__file__).resolve().parents[2]
MOST_WRONG = 0.05


def _right(sentence: Sentence) -> bool:
    text, wanted, slots = sentence
    meant = understand(text, NOW, KNOWN)
    if isinstance(meant, Distress):
        return "distress" in wanted.split("|")  # the kind is looked at elsewhere
    intent, found = (meant.intent, meant.slots) if isinstance(meant, Understood) else ("unclear", {})
    return intent in wanted.split("|") and all(_same(name, slots[name], found.get(name, "")) for name in slots)


def _same(name: str, wanted: str, found: str) -> bool:
    if name == "title":
        return fold(wanted).replace("-", " ") in fold(found).replace("-", " ")
    return wanted == found


@pytest.mark.parametrize(
    ("names", "least"),
    [("tuned.fr held_out.fr", 400), ("held_out.fr", 120), ("tuned.en held_out.en", 80), ("held_out.en", 25)],
)
def test_at_least_ninety_five_sentences_of_a_hundred_are_understood(names: str, least: int) -> None:
    known = list(sentences(*names.split()))
    wrong = [one[0] for one in known if not _right(one)]
    assert len(known) >= least
    assert len(wrong) <= MOST_WRONG * len(known), f"{len(wrong)} of {len(known)}: {wrong}"


def test_every_word_of_distress_is_heard_and_nothing_else_is_taken_for_it() -> None:
    more = json.loads((CORPUS / "distress.json").read_text())
    every = list(sentences("tuned.fr", "held_out.fr", "tuned.en", "held_out.en"))
    tells = [text for text, wanted, _ in every if wanted == "distress"] + more["tells"]
    others = [text for text, wanted, _ in every if "distress" not in wanted] + more["tells_not"]
    assert len(tells) > 150
    assert len(others) > 500
    assert [text for text in tells if not isinstance(understand(text, NOW, KNOWN), Distress)] == []
    assert [text for text in others if isinstance(understand(text, NOW, KNOWN), Distress)] == []


def test_the_kind_of_distress_decides_whom_to_call() -> None:
    assert understand("je veux mourrir", NOW) == Distress("suicide")
    assert understand("rdv mardi 14h mais jai une douleur a la poitrinne", NOW) == Distress("heart")
    data = distress.data()
    assert data.kinds["suicide"].numbers[0] == "3114"
    for kind in data.kinds.values():
        assert {"15", "112", "114"} & set(kind.numbers)
        assert all(data.lines[number].use and data.lines[number].source for number in kind.numbers)
    assert not data.lines["3919"].use, "what nobody checked, and nobody asked for, is off"


def test_what_is_not_understood_has_three_things_near_it() -> None:
    for text in ("le prix de l’essence", "asdf", "", "\0\0", "🙂" * 50, "a" * 5_000, "123456"):
        meant = understand(text, NOW, KNOWN)
        assert isinstance(meant, Unclear), text
        assert len(set(meant.nearest)) == 3


def test_the_same_words_always_mean_the_same() -> None:
    for text, _, _ in list(sentences("tuned.fr"))[:60]:
        assert understand(text, NOW, KNOWN) == understand(text, NOW, KNOWN)


def test_a_day_is_the_next_one_ahead_and_the_last_one_behind() -> None:
    ahead = understand("dentiste le 3 à 9 h", NOW)
    behind = understand("mammographie faite le 3", NOW)
    assert isinstance(ahead, Understood)
    assert isinstance(behind, Understood)
    assert ahead.slots["start"] == "2026-12-03T09:00"
    assert behind.slots["on"] == "2026-11-03"


def test_hours_hold_over_both_changes_of_the_clocks() -> None:
    october, march = datetime(2026, 10, 24, 12, tzinfo=PLACE), datetime(2027, 3, 27, 12, tzinfo=PLACE)
    for now, start, instant in (
        (october, "2026-10-25T14:00", "13:00"),  # winter time: one hour from UTC
        (march, "2027-03-28T14:00", "12:00"),  # summer time: two
    ):
        meant = understand("dentiste demain 14 h", now)
        assert isinstance(meant, Understood)
        assert meant.slots["start"] == start
        at = dates.at(start)
        assert at is not None
        assert at.strftime("%H:%M") == instant
    skipped, twice = dates.at("2027-03-28T02:30"), dates.at("2026-10-25T02:30")
    assert skipped is not None
    assert twice is not None
    assert skipped.strftime("%H:%M") == "01:30"  # 3.30 there: half past two was not
    assert twice.strftime("%H:%M") == "00:30"  # the first of the two


def test_two_people_of_one_name_are_both_meant_and_their_given_name_tells_them_apart() -> None:
    known = Known((Someone("1", "Dr Agathe MOREL"), Someone("2", "Dr Jean MOREL")))
    both, one = understand("envoie-le au Dr Morel", NOW, known), understand("envoie-le au dr jean morel", NOW, known)
    assert isinstance(both, Understood)
    assert isinstance(one, Understood)
    assert [whom.id for whom in both.whom] == ["1", "2"]
    assert [whom.id for whom in one.whom] == ["2"]


# ---- nothing changes without a tap -----------------------------------------------------------------------------------

PURE = ("words", "lexicon", "numerals", "dates", "names", "slots", "intents", "reminding", "distress", "understanding",
        "cards")  # fmt: skip
# What changes or sends something, of any module that the assistant may import.
WRITES = {
    "enter", "note", "tell", "offer", "record", "amend", "aim", "correct", "undo", "put", "say", "save", "change",
    "choose", "give", "allow", "withdraw", "remove", "act", "act_in", "write", "send", "post", "file", "add", "insert",
}  # fmt: skip


def _calls(name: str) -> set[str]:
    tree = ast.parse((ROOT / f"server/bots/assistant/{name}.py").read_text())
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    named = [(one.value, one.attr) for one in called if isinstance(one, ast.Attribute)]
    return {f"{of.id}.{name}" for of, name in named if isinstance(of, ast.Name)}


def test_what_answers_holds_no_function_that_changes_anything() -> None:
    for name in ("answering", "looking", "asking", "turns", "cards", "understanding"):
        changing = {one for one in _calls(name) if one.rpartition(".")[2] in WRITES}
        changing -= {"cards.send", "found.add"}  # a card that asks; a set
        allowed = {"turns": {"posting.post"}, "answering": {"turns.say"}}.get(name, set())
        assert changing == allowed, name
    posts = (ROOT / "server/bots/assistant/turns.py").read_text()
    assert posts.count("effect=") == 0, "an answer has no effect"


def test_understanding_reads_no_clock_and_no_storage() -> None:
    for name in PURE:
        tree = ast.parse((ROOT / f"server/bots/assistant/{name}.py").read_text())
        imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not [one for one in imported if one.startswith(("storage", "server.access", "server.app"))], name
        assert not {"datetime.now", "date.today", "time.time"} & _calls(name), name
