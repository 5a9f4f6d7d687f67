"""What is said on screen: whole in both languages, and modules that keep to their types. No browser is needed here."""

from __future__ import annotations

import ast
import re
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from server.errors import PliError
from server.views import AuthorView, MessageView
from tests.browser.chromium import ROOT
from tests.support.programs import missing
from webchat import present, texts
from webchat.words import LANGUAGES, catalogue, instant, preferred, words

WEBCHAT = ROOT / "webchat"
MADE = re.compile(r'words(?:\.has)?\(\s*"([\w.]+)"\s*~|words(?:\.has)?\(f"([\w.]+)\{|said(?:\.has)?\(f"([\w.]+)\{')


def used() -> tuple[set[str], set[str]]:
    """The keys that templates and modules name, and the beginnings of those they make."""
    keys: set[str] = set()
    beginnings = {"error.", "status."}
    for path in (WEBCHAT / "templates").glob("*.html"):
        text = path.read_text(encoding="utf-8")
        keys |= set(re.findall(r"""words\(\s*["']([\w.]+)["']\s*[,)]""", text))
        beginnings |= {found for match in MADE.findall(text) for found in match if found}
        beginnings |= set(re.findall(r"""words(?:\.has)?\(\s*["']([\w.]+\.)["']\s*~""", text))
    for path in WEBCHAT.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = ast.unparse(node.func)
                if name in {"words", "self", "said", "visit.words"} or name.startswith("words("):
                    keys.add(str(node.args[0].value))
            if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
                beginnings.add(str(node.values[0].value))
    return keys - set(LANGUAGES), beginnings


def placeholders(sentence: str | dict[str, str]) -> set[str]:
    forms = [sentence] if isinstance(sentence, str) else list(sentence.values())
    return {name for form in forms for name in re.findall(r"\{(\w+)\}", form)}


def test_both_languages_have_every_sentence_that_is_used_and_no_other() -> None:
    keys, beginnings = used()
    assert len(keys) > 100
    french, english = catalogue("fr"), catalogue("en")
    assert french.keys() == english.keys()
    assert keys - french.keys() == set()
    unused = {
        key for key in french.keys() - keys if not any(key.startswith(made) for made in beginnings if "." in made)
    }
    assert unused == set()


def test_every_sentence_says_the_same_in_both_languages() -> None:
    french, english = catalogue("fr"), catalogue("en")
    assert {key for key in french if placeholders(french[key]) != placeholders(english[key])} == set()
    assert {key for said in (french, english) for key, one in said.items() if _half_counted(one)} == set()
    assert {key for key, one in french.items() if "'" in "".join(_forms(one))} == set(), "the French apostrophe is ’"


def _forms(sentence: str | dict[str, str]) -> list[str]:
    return [sentence] if isinstance(sentence, str) else list(sentence.values())


def _half_counted(sentence: str | dict[str, str]) -> bool:
    """It has forms, and none for what they leave out."""
    return isinstance(sentence, dict) and "other" not in sentence


def test_every_error_has_its_words_in_english() -> None:
    def tree(kind: type[PliError]) -> set[str]:
        return {kind.code}.union(
            *(tree(child) for child in kind.__subclasses__() if child.__module__ == "server.errors")
        )

    assert {f"error.code.{code}" for code in tree(PliError) - {"error"}} <= catalogue("en").keys()


def test_days_hours_and_sizes_are_said_as_people_say_them() -> None:
    fr, en = words("fr"), words("en")
    now = datetime(2026, 11, 23, 13, 5, tzinfo=UTC)
    assert (fr.hour(now), en.hour(now)) == ("14 h 05", "2:05 pm")
    assert fr.moment(now) == "23 novembre 2026 à 14 h 05"
    assert fr.day(now.date()) == "lundi 23 novembre 2026"
    assert fr.ago(now - timedelta(minutes=5), now) == "il y a 5 minutes"
    assert en.ago(now - timedelta(seconds=5), now) == "just now"
    assert [fr.short(now - timedelta(days=days), now) for days in (0, 1, 20, 400)] == [
        "14 h 05", "Hier", "3 nov.", "19 oct. 2025",
    ]  # fmt: skip
    assert [fr.size(octets) for octets in (12, 2_345, 1_250_000)] == ["12 o", "2 Ko", "1,2 Mo"]
    assert en.size(2_345) == "2 kB"
    assert fr("list.unread", count=0) == "0 non lu"
    assert fr("list.unread", count=2) == "2 non lus"


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-11-23T13:05:00Z", "2026-11-23"),
        ("2026-11-23", "2026-11-23"),
        ("20261123", "2026-11-23"),
        ("20261123140500+0100", "2026-11-23"),
        ("202611231405", "2026-11-23"),
        ("", None),
        ("demain", None),
        ("99999999", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9" * 10_000, None),
    ],
)
def test_a_date_from_elsewhere_is_read_or_left_out(text: str, day: str | None) -> None:
    moment = instant(text)
    assert (moment.date().isoformat() if moment else None) == day


def test_the_language_of_the_browser_is_taken_when_we_speak_it() -> None:
    assert [preferred(header) for header in ("en-GB,en;q=0.9,fr;q=0.8", "de,fr;q=0.5", "*", "", "x" * 10_000)] == [
        "en", "fr", "fr", "fr", "fr",
    ]  # fmt: skip


def test_a_text_is_paragraphs_folded_quotes_and_links() -> None:
    text = "Bonjour :\nvoici https://exemple.test/a(b).\n\nFin\n\nLe 3 mai, Dr MOREL a écrit :\n> Un\n>\n> Deux\nMerci"
    found = [(block.quoted, str(block.text)) for block in texts.blocks(text)]
    link = '<a href="https://exemple.test/a(b" rel="noopener noreferrer" target="_blank">https://exemple.test/a(b</a>'
    assert found == [
        (False, f"Bonjour\N{NO-BREAK SPACE}:<br>voici {link})."),
        (False, "Fin"),
        (True, "Le 3 mai, Dr MOREL a écrit\N{NO-BREAK SPACE}:<br>Un<br><br>Deux"),
        (False, "Merci"),
    ]


@pytest.mark.parametrize(
    "piece", ["> ", ">a\n", "\n", "http://", "https://a ", "Le x a écrit :\n>", " :", "\u202e", "<", "Re: "]
)
def test_a_text_of_two_hundred_thousand_characters_is_cut_in_little_time(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    began = time.process_time()
    texts.blocks(text)
    present.news(text[:300], text[:299])
    present.preview(MessageView("1", "", AuthorView("holder", ""), False, "text", "", text))
    assert time.process_time() - began < 2  # security item 59; an hour, where it is not linear


def test_a_subject_is_told_again_only_when_it_says_more() -> None:
    assert not present.news("Re: RE : Votre opération", "Votre opération")
    assert not present.news("", "Votre opération")
    assert present.news("Re: Un autre sujet", "Votre opération")


def test_the_modules_of_the_browser_keep_to_their_types() -> None:
    checker = ROOT / "node_modules" / ".bin" / "tsc"
    if not checker.exists() or not (WEBCHAT / "static" / "vendor" / "socket.io.esm.min.js").exists():
        missing("node_modules/typescript or the vendored client")
    said = subprocess.run(
        [checker, "--project", WEBCHAT / "jsconfig.json"], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stdout


def test_every_icon_that_is_named_is_drawn() -> None:
    drawn = set(re.findall(r'<symbol id="(\w+)"', (WEBCHAT / "static" / "icons.svg").read_text(encoding="utf-8")))
    named = set()
    for path in Path(WEBCHAT / "templates").glob("*.html"):
        named |= set(re.findall(r'icon\("(\w+)"\)', path.read_text(encoding="utf-8")))
    kinds = {"pdf", "document", "image", "archive", "calendar", "sound", "professional", "team", "bot", "holder"}
    assert named | kinds <= drawn
