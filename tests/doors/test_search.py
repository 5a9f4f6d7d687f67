"""Searching by HTTP: hits in their place, the dossier, filters, nothing found, and what a date or a name finds."""

from __future__ import annotations

import re

import pytest

from server.query import excerpt, fold, pieces, terms
from server.search import day
from tests.browser.scenes import LABEL, REPORT, letter_with_documents
from tests.browser.visitor import visitor
from tests.house import House
from webchat.present import day_of


async def test_a_hit_stands_in_its_conversation_and_leads_to_that_very_message(house: House) -> None:
    sent = await house.letter("morel", "dominique", "Avant <b>l’OPÉRATION</b>, restez à jeun.", "Consignes")
    for number in range(60):
        await house.answer("morel", sent.conversation, f"Point {number}.")
    async with visitor(house, "dominique") as dominique:
        found = await dominique.get("/search", params={"q": "operat"})
        assert "1 message trouvé" in found.said
        assert "Avant &lt;b&gt;l’<mark>OPÉRATION</mark>&lt;/b&gt;, restez à jeun." in found.text
        (place,) = re.findall(r'class="found" href="([^"#]+)#', found.text)
        assert place == f"/c/{sent.conversation}?at={sent.message}"
        assert f'id="m-{sent.message}"' in (await dominique.get(place)).text, "sixty messages back"

        first = await dominique.get("/search", params={"q": "point"})
        assert first.text.count('class="found"') == 50
        (more,) = re.findall(r'href="/search(\?q=point&amp;before=\d+)"', first.text)
        rest = await dominique.get("/search" + more.replace("&amp;", "&"))
        assert rest.text.count('class="found"') == 10
        assert "plus loin dans vos messages" in rest.said


async def test_documents_are_found_by_title_kind_and_author_in_messages_and_in_the_dossier(house: House) -> None:
    sent = await letter_with_documents(house)
    async with visitor(house, "dominique") as dominique:
        for words in ("préanesthésique", "anesthesie durand", "consignes.pdf"):
            found = await dominique.get("/search", params={"q": words})
            assert "1 message trouvé" in found.said, words
        assert "Dans votre dossier" not in found.said
        shown = await dominique.get(f"/c/{sent.conversation}")
        form = next(f for f in re.findall(r"<form.*?</form>", shown.text, re.DOTALL) if 'value="dossier.file"' in f
                    and "primary" in f)  # fmt: skip
        fields = dict(re.findall(r'name="([\w.]+)" value="([^"]*)"', form))
        await dominique.post(f"/c/{sent.conversation}/act", fields)
        found = await dominique.get("/search", params={"q": "durand 20 novembre 2026"})
        assert f"Dans votre dossier {REPORT} {LABEL} · Dr Jean DURAND · 20 novembre 2026" in found.said
        assert "/documents#d-" in found.text
        with_files = await dominique.get("/search", params={"q": "opération", "files": "1", "from": "morel"})
        assert "1 message trouvé" in with_files.said
        assert 'name="files" value="1" checked' in with_files.text
        assert "Rien ne correspond." in (await dominique.get("/search?q=op%C3%A9ration&from=durand")).said
    async with visitor(house, "morel") as morel:
        assert "Dans votre dossier" not in (await morel.get("/search", params={"q": "durand"})).said


async def test_a_search_within_a_filter_or_a_period_says_so_and_how_to_widen(house: House) -> None:
    kept = await house.letter("morel", "dominique", "Restez à jeun.", "Consignes")
    await house.letter("lab", "dominique", "À jeun, s’il vous plaît.", "Prise de sang")
    async with visitor(house, "dominique") as dominique:
        shown = await dominique.get("/?filter=machines")
        assert 'type="hidden" name="filter" value="machines"' in shown.text
        found = await dominique.get("/search?q=jeun&filter=machines")
        assert "1 message trouvé" in found.said
        assert "Dans : Services automatiques" in found.said.replace("\xa0", " ")
        nothing = await dominique.get("/search?q=radiographie&filter=machines&since=2026-01-01")
        for words in ("Rien ne correspond.", "Nous avons cherché dans vos messages", "Essayez avec moins de mots"):
            assert words in nothing.said
        assert 'href="/search?q=radiographie"' in nothing.text
        assert "2 messages trouvés" in (await dominique.get("/search?q=jeun")).said
        assert "2 messages trouvés" in (await dominique.get("/search?q=aujourd%27hui")).said
        assert "Rien ne correspond." in (await dominique.get("/search?q=jeun&until=2001-01-01")).said
        assert "2 messages trouvés" in (await dominique.get("/search?q=jeun&since=nonsense&before=x")).said
        assert (await dominique.get("/search?q=%20&filter=machines")).place == "/?filter=machines"
        assert (await dominique.get("/search", params={"q": "(" * 500 + '"' + "[a-z]*"})).status == 200
    assert kept.conversation


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("L’Œdème DÛ à la fièvre…", "l'oedeme du a la fievre..."),
        ("ŁÓDŹ", "łodz"),
        ("Straße ½", "strasse 1⁄2"),
        ("", ""),
    ],
)
def test_text_is_folded_the_same_by_the_quick_way_and_by_the_slow_one(text: str, folded: str) -> None:
    assert fold(text) == folded
    assert fold(text + "\N{GRINNING FACE}") == folded + "\N{GRINNING FACE}"


def test_what_is_found_is_marked_where_it_stands_whatever_its_letters() -> None:
    today = day_of("2026-11-23T12:00:00Z")
    wanted = terms("coeur 'e", today)
    assert pieces("Le C\N{LATIN SMALL LIGATURE OE}ur e\N{COMBINING ACUTE ACCENT}t", terms("coeur", today))[1] == (
        "C\N{LATIN SMALL LIGATURE OE}ur", True
    )  # fmt: skip
    assert pieces("ope\N{COMBINING ACUTE ACCENT}rat\N{HORIZONTAL ELLIPSIS}", terms("operat", today))[0] == (
        "ope\N{COMBINING ACUTE ACCENT}rat", True
    )  # fmt: skip
    long = "mot " * 50_000 + "aiguille " + "mot " * 50_000
    cut = excerpt(long, terms("aiguille", today))
    assert ("aiguille", True) in cut
    assert sum(len(text) for text, _ in cut) < 300
    assert wanted
    assert (day("2026-02-30"), day(""), day("2026-11-23")) == (None, None, today)
