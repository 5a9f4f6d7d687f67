"""What the list says of a message without opening it: what it holds, and whether it waits for an answer.

Counted in the transaction of the message, so that a filter of the list costs the same in a mailbox of 10,000. These are
bits in clear (files, an appointment, a bot, a question): no word of what was written.
"""

from __future__ import annotations

from collections.abc import Iterable

from server import actions
from server.drafts import Draft, File
from server.quotations import split_quoted
from storage.entries import APPOINTMENT, DOCUMENTS, MACHINE

_APPOINTMENTS = frozenset({"appointment", "cancellation", "moments"})


def holds(draft: Draft, author_kind: str, files: Iterable[File]) -> int:
    """Bits of `storage.entries`. The calendar object of an invitation is no document."""
    found = DOCUMENTS if any(not file.facts.type.startswith("text/calendar") for file in files) else 0
    if draft.card is not None and draft.card.get("type") in _APPOINTMENTS:
        found |= APPOINTMENT
    return found | (MACHINE if author_kind == "bot" else 0)


def asks(draft: Draft, author_kind: str, *, own: bool, holder: bool) -> bool | None:
    """For one mailbox (`own`: it wrote; `holder`: the patient's): True when the message waits for an answer from there,
    False when it is that answer, None when it changes nothing.

    What waits: a card with something to choose, a question outside quotations, and any word of a patient to those who
    look after them.
    """
    automatic = draft.mail is not None and draft.mail.automatic
    if draft.only or draft.kind not in {"text", "card", "answer"} or (automatic and (own or draft.card is None)):
        return None  # what no person wrote answers nobody; what it asks to choose is still asked
    if own:
        return False
    if draft.kind == "answer":
        return None
    if draft.card is not None and draft.card.get("type") in actions.QUIET:
        return None
    if draft.card is not None and actions.open_choices(draft.card, ""):
        return True if holder != (draft.card.get("for") == "them") or draft.card.get("for") == "anyone" else None
    if author_kind == "holder" and not holder:
        return True
    return True if "?" in _written(draft.text) else None


def _written(text: str) -> str:
    own, _ = split_quoted(text[:20_000].replace("\r\n", "\n"))
    return "\n".join(line for line in own.split("\n") if not line.startswith(">"))
