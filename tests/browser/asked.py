"""What an office asks to fill in and to tick, for the pages that are looked at."""

from __future__ import annotations

from typing import Any

from server import access
from server.actions import acting
from server.forms import cards, filling, library
from tests.house import House

_GIVEN: dict[str, tuple[str, ...]] = {
    "weight": ("72|kg",), "height": ("170|cm",), "treated": ("true",), "treatments": ("Paracétamol 1 g",),
    "allergic": ("false",), "anaesthesia": ("true",), "smoking": ("former",), "companion": ("Ma sœur, 06 12 34 56 78",),
}  # fmt: skip
_ASKED, _SENT = "/c/{asked}/form/{asking}", "/c/{filled}/form/{filling}"
# Who looks, where, and what is seen there.
PAGES = (
    ("dominique", "/c/{asked}", "a form that waits"),
    ("dominique", f"{_ASKED}?q=1", "a quantity"),
    ("dominique", f"{_ASKED}?q=3", "yes or no"),
    ("dominique", f"{_ASKED}?q=4", "several lines"),
    ("dominique", f"{_ASKED}?q=5", "a photo"),
    ("dominique", f"{_ASKED}?q=9", "a choice"),
    ("dominique", f"{_ASKED}/check", "something lacks"),
    ("dominique", "/c/{filled}", "a form that was sent"),
    ("dominique", f"{_SENT}/check", "what was sent"),
    ("petit", "{admissions}" + f"{_SENT}/check", "what the office reads"),
    ("petit", "{admissions}" + f"{_ASKED}/check", "not sent yet"),
    ("dominique", "/c/{listed}", "things to tick"),
    ("dominique", "/c/{listed}/form/{listing}", "things to tick, alone"),
    ("petit", "{admissions}/c/{listed}", "who ticked what"),
    ("petit", "{admissions}/c/{listed}/ask-form", "to send one"),
    ("morel", "/c/{letter}/ask-form", "none of their own yet"),
    ("petit", "{admissions}/questionnaires", ""),
    ("petit", "{admissions}/questionnaires/{own_form}", "of the office"),
    ("petit", "{admissions}/questionnaires/{own_form}?question=treatments", "a question"),
    ("petit", "{admissions}/questionnaires/{own_form}?question=", "a new question"),
    ("morel", "/questionnaires/lendemain-operation", "an example"),
)


async def made(house: House) -> dict[str, str]:
    """Two forms, one half filled in and one sent; a checklist begun; a questionnaire of the admissions."""
    app, box, desk = (
        house.app,
        await house.mailbox("dominique"),
        await house.mailbox("petit", house.admissions.mailbox_id),
    )
    form = library.shipped()["avant-anesthesie"]
    kept = await library.save(app, desk, form)

    async def ask(subject: str, card: dict[str, Any]) -> tuple[str, str]:
        receipt = await house.letter("admissions", "dominique", "", subject, kind="card", card=card)
        return receipt.conversation, receipt.message

    asked, asking = await ask("Avant votre venue", cards.form_card(form))
    filled, sent = await ask("Avant votre anesthésie", cards.form_card(form))
    things = ["Douche avec le savon antiseptique", "À jeun depuis minuit", "Carte Vitale et ordonnances prêtes"]
    listed, listing = await ask("La veille", cards.checklist_card("La veille", "Cochez ce qui est fait.", things))
    for message, given in ((asking, ("weight", "treated", "treatments")), (sent, tuple(_GIVEN))):
        to = await access.conversation_of_message(app, box, message)
        await filling.keep(app, to, message, {name: _GIVEN[name] for name in given}, 0)
    await acting.act(app, box, sent, "forms.send", {"version": "1", "keep": ""}, "sent")
    await acting.act(app, box, listing, "checklists.tick", {"items": "1"}, "ticked")
    return {
        "asked": asked, "asking": asking, "filled": filled, "filling": sent, "listed": listed, "listing": listing,
        "own_form": kept.id,
    }  # fmt: skip
