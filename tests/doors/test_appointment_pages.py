"""An appointment as a browser without JavaScript shows it: what changed, what may still be answered, and a wish."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from server.actions import acting
from server.agenda import book, organiser
from server.drafts import Receipt
from server.posting import Doing
from tests.browser.visitor import Answer, visitor
from tests.house import House

BERTIN = "paul.bertin@operator.example"
NEXT = datetime.now(UTC).year + 1
FACTS: dict[str, Any] = {
    "title": "Consultation d’anesthésie", "text": "Venez à jeun.", "uid": "rdv-1", "sequence": 0,
    "start": "2099-12-01T09:00:00+01:00", "end": "2099-12-01T09:30:00+01:00", "all_day": False,
    "location": "Bâtiment B", "organizer": BERTIN, "organizer_name": f"Dr Paul BERTIN ({BERTIN})", "ics": "",
}  # fmt: skip
MOVED = {"sequence": 1, "start": "2099-12-08T14:00:00+01:00", "end": "2099-12-08T14:30:00+01:00"}


async def proposed(house: House, **facts: Any) -> Receipt:
    """As the mail side brings an invitation."""
    card = book.appointment_card(**(FACTS | facts))

    def arrives(doing: Doing) -> None:
        organiser.offered(doing, card, BERTIN)

    return await house.letter("morel", "dominique", "", "Rendez-vous", kind="card", card=card, raw=b".", effect=arrives)


def card_of(page: Answer) -> Answer:
    (card,) = re.findall(r'<section class="card.*?</section>', page.text, re.DOTALL)
    return Answer(page.status, page.headers, card, "")


async def test_a_card_tells_when_where_and_with_whom_and_who_is_only_named(house: House) -> None:
    receipt = await proposed(house, claimed="Pr Le MINISTRE (ministre@pli.example)", text="À jeun.\n<b>Venez</b>")
    async with visitor(house, "dominique") as dominique:
        shown = card_of(await dominique.get(f"/c/{receipt.conversation}"))
    assert "Quand mardi 1 décembre 2099, 9 h 00 – 9 h 30 Où Bâtiment B Avec Dr Paul BERTIN" in shown.said
    assert "Organisateur annoncé Pr Le MINISTRE (ministre@pli.example), non vérifié" in shown.said
    assert "À jeun.\n&lt;b&gt;Venez&lt;/b&gt;" in shown.text


async def test_a_card_that_was_replaced_says_so_and_leads_to_the_one_to_answer(house: House) -> None:
    first = await proposed(house)
    await acting.act(house.app, await house.mailbox("dominique"), first.message, "agenda.accept", {}, "yes")
    second = await proposed(house, **MOVED)
    async with visitor(house, "dominique") as dominique:
        old = card_of(await dominique.get(f"/c/{first.conversation}"))
        assert "Rendez-vous accepté" in old.said
        assert "Ce rendez-vous a changé. Répondez à sa nouvelle version." in old.said
        assert f'href="/c/{second.conversation}#m-{second.message}"' in old.text
        assert "<form" not in old.text
        listed = await dominique.get("/agenda")
        assert "mardi 8 décembre 2099, 14 h 00 – 14 h 30" in listed.said
        assert "Proposé de nouveau : à vous de répondre" in listed.said
        assert f'href="/c/{second.conversation}#m-{second.message}"' in listed.text
        await dominique.press(f"/c/{second.conversation}", "agenda.accept")
        assert "Accepté" in (await dominique.get("/agenda")).said


async def test_dominique_asks_for_another_moment_by_the_form_of_the_card(house: House) -> None:
    receipt = await proposed(house)
    thread = f"/c/{receipt.conversation}"
    wish = {"value.text": "Plutôt le soir.", "value.date": f"{NEXT}-12-09", "value.time": "18:15"}
    async with visitor(house, "dominique") as dominique:
        empty = await dominique.press(thread, "agenda.counter")
        assert empty.status == 422
        assert "Écrivez ce qui vous conviendrait, ou proposez un jour." in empty.said
        done = await dominique.press(thread, "agenda.counter", **wish)
        assert (done.status, done.place) == (303, f"{thread}#m-{receipt.message}")
        page = await dominique.get(thread)
        assert "Autre moment demandé le" in card_of(page).said
        assert re.search(rf"Proposition : \w+ 9 décembre {NEXT} à 18 h 15\. Plutôt le soir\.", page.said)
        assert "Autre moment demandé" in (await dominique.get("/agenda")).said
        english = await dominique.get(thread, headers={"Cookie": "pli-language=en"})
    assert re.search(rf"Suggestion: \w+ 9 December {NEXT} at 6:15 pm\. Plutôt le soir\.", english.said)
    assert "Another time asked for" in card_of(english).said


async def test_whole_days_are_told_from_the_first_to_the_last(house: House) -> None:
    one = await proposed(house, all_day=True, start="2099-12-01", end="2099-12-02")
    more = await proposed(house, uid="rdv-2", all_day=True, start="2099-12-01", end="2099-12-04")
    async with visitor(house, "dominique") as dominique:
        assert "Quand mardi 1 décembre 2099 Où" in card_of(await dominique.get(f"/c/{one.conversation}")).said
        shown = card_of(await dominique.get(f"/c/{more.conversation}")).said
    assert "Quand du mardi 1 décembre 2099 au jeudi 3 décembre 2099 Où" in shown


async def test_what_the_letter_says_beside_its_appointment_is_read(house: House) -> None:
    card = book.appointment_card(**FACTS)
    said = await house.letter("morel", "dominique", "Prenez votre carte Vitale.", "Rendez-vous", kind="card", card=card)
    same = await house.letter("morel", "dominique", " Venez à jeun. ", "Rendez-vous", kind="card", card=card)
    async with visitor(house, "dominique") as dominique:
        assert "Prenez votre carte Vitale." in (await dominique.get(f"/c/{said.conversation}")).said
        letter, *_ = re.findall(
            r"<article>.*?</article>", (await dominique.get(f"/c/{same.conversation}")).text, re.DOTALL
        )
    assert letter.count("Venez à jeun.") == 1, "what the card says too is said once"
