"""Text size, contrast, motion and easy French: chosen before one signs in, kept on the device."""

from __future__ import annotations

import json

import pytest

from tests.browser.visitor import visitor
from tests.house import House
from webchat.words import CHOICES, FOLDER, catalogue, words


async def test_somebody_chooses_large_text_and_every_page_has_it(house: House) -> None:
    async with visitor(house) as marcel:
        assert "Taille du texte" in (await marcel.get("/display")).said
        form = {"text": "larger", "contrast": "more", "motion": "usual"}
        assert (await marcel.post("/display", form)).place == "/display?saved"
        for path in ("/display?saved", "/sign-in", "/no-such-page"):
            page = await marcel.get(path)
            assert 'data-text="larger" data-contrast="more"' in page.text, path
            assert "data-motion" not in page.text


@pytest.mark.parametrize("cookie", ["text-huge", "text", "x-y.text-usual", "a" * 5000, 'text-"><script>'])
async def test_a_choice_that_is_none_of_ours_changes_nothing(house: House, cookie: str) -> None:
    async with visitor(house) as marcel:
        page = await marcel.get("/display", headers={"Cookie": f"pli-look={cookie}"})
    assert page.status == 200
    assert "data-text" not in page.text


async def test_somebody_who_reads_french_badly_reads_easy_french(house: House) -> None:
    await house.letter("morel", "dominique")
    async with visitor(house, "dominique") as dominique:
        assert (await dominique.post("/language", {"language": "falc", "back": "/"})).status == 303
        page = await dominique.get("/")
        assert 'lang="fr"' in page.text
        assert 'data-language="falc"' in page.text
        assert "C’est grave ? Appelez le 15 ou le 112." in page.said


def test_easy_french_says_no_other_thing_than_french_does_and_in_short_sentences() -> None:
    own: dict[str, str | dict[str, str]] = {}
    for path in (FOLDER / "falc").glob("*.json"):
        own |= json.loads(path.read_text(encoding="utf-8"))
    assert len(own) > 40
    assert own.keys() <= catalogue("fr").keys()
    assert catalogue("falc").keys() == catalogue("fr").keys()
    for key, sentence in own.items():
        forms = [sentence] if isinstance(sentence, str) else list(sentence.values())
        for part in [part for form in forms for part in form.replace("?", ".").replace("!", ".").split(".")]:
            assert len(part.split()) <= 14, (key, part)


@pytest.mark.parametrize("choice", CHOICES)
def test_a_page_asks_again_for_the_language_that_was_chosen(choice: str) -> None:
    assert words(choice).choice == choice
    assert words(choice).language in {"fr", "en"}
