"""What must first be told to the patient (INVISIBLE_PATIENT): its author is reminded, then it shows by itself.

    deposited untold → notice after `untold_notice_days`: its author, in the thread with the patient, alone
                     → release after `untold_release_days`: a line for the patient; seen from then on (`habilitation`)

CSP R.1111-53. Promises: both are owed from the transaction of the deposit; what was told, replaced or withdrawn
meanwhile is spoken of no more; nobody but its author hears of it before. Who has no thread with this patient is not
reminded there; the list of their patients counts what waits (`to_announce`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from server import posting, space_news, undelivered
from server.dossier.delays import DAY, DELAYS
from server.dossier.habilitation import SECRET, UNTOLD
from server.drafts import Author, Draft, FileFacts
from server.handles import ConversationHandle
from storage import conversations, deliveries, documents, visibilities
from storage.database import Tx
from storage.ids import now_ms
from storage.vault import SpaceKeys

if TYPE_CHECKING:
    from server.app import App
    from server.delivery import Parcel

CHANNEL: Final = "untold"
NOTICE, RELEASE = "notice", "release"


@dataclass(frozen=True, slots=True)
class Untold:
    """A document that waits to be told: until `shows_at` (ms). `secret`: those who read for a minor must not hear."""

    document_id: str
    author_id: str
    title: str
    author: str
    shows_at: int
    secret: bool


def owe(tx: Tx, keys: SpaceKeys, document_id: str, at: int) -> None:
    """Inside the deposit: its reminder and its release."""
    for step, days in ((NOTICE, DELAYS.untold_notice_days), (RELEASE, DELAYS.untold_release_days)):
        deliveries.insert(tx, keys, "", CHANNEL, at + days * DAY, {"document": document_id, "step": step})


def waiting(tx: Tx, keys: SpaceKeys, document_id: str) -> Untold | None:
    """None when it was told, replaced or withdrawn."""
    row = documents.document(tx, keys.space_id, document_id)
    marks = visibilities.marks_of(tx, keys.space_id, [document_id]).get(document_id, {})
    if row is None or row.state != "current" or UNTOLD not in marks:
        return None
    facts = msgspec.json.decode(keys.open("document", row.id, row.facts), type=FileFacts)
    shows_at = marks[UNTOLD].at + DELAYS.untold_release_days * DAY
    return Untold(row.id, row.author_id, facts.title or facts.name, facts.author, shows_at, SECRET in marks)


def to_announce(tx: Tx, keys: SpaceKeys, author_id: str) -> int:
    """How many documents of this author, in this space, still wait to be told."""
    marks = visibilities.marks(tx, keys.space_id)
    own = [item for item, on in marks.items() if UNTOLD in on and on[UNTOLD].by == author_id]
    now = now_ms()
    return sum(1 for item in own if (found := waiting(tx, keys, item)) is not None and found.shows_at > now)


class UntoldDocuments:
    """The channel named `untold`. Its target is `{"document", "step"}`."""

    name = CHANNEL

    def __init__(self, app: App) -> None:
        self._app = app

    async def send(self, parcel: Parcel) -> None:
        """Remind or release, unless it was told meanwhile."""
        found = await self._app.db.read(waiting, parcel.keys, str(parcel.target["document"]))
        if found is None:
            return
        if parcel.target["step"] == NOTICE:
            await self._remind(parcel, found)
        elif not found.secret:
            text = f"Un document de {found.author} est maintenant visible dans votre dossier : « {found.title} »."
            text_en = f"A document by {found.author} can now be seen in your record: “{found.title}”."
            text += " Parlez-en avec ce professionnel si vous avez des questions."
            text_en += " Talk about it with this professional if you have questions."
            key = f"untold:{found.document_id}"
            await space_news.tell(self._app, parcel.keys.space_id, text, text_en, retry_key=key)

    async def _remind(self, parcel: Parcel, found: Untold) -> None:
        to = await self._app.db.read(_thread_of, parcel.keys, found.author_id)
        if to is None:
            return
        left = DELAYS.untold_release_days - DELAYS.untold_notice_days
        draft = Draft(
            to=to,
            kind="bounce",  # of their mailbox alone
            text=f"« {found.title} » n’a pas encore été annoncé à ce patient. Dans {left} jours, il le verra dans son"
            " dossier. Quand vous l’aurez annoncé, dites-le dans le dossier du patient.",
            retry_key=f"untold:notice:{found.document_id}",
            only=frozenset({found.author_id}),
            author=Author("system", "Pli"),
        )
        await posting.post(self._app, undelivered.SYSTEM, draft)


def _thread_of(tx: Tx, keys: SpaceKeys, author_id: str) -> ConversationHandle | None:
    """The newest thread of the author with this patient, to tell the author alone."""
    conversation_id = conversations.newest_with(tx, keys.space_id, author_id) if author_id else None
    return undelivered.to_member(tx, keys, conversation_id, author_id) if conversation_id else None
