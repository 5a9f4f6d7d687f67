"""Who says what stands in a dossier: the source of a line, as a person reads it.

    a finding as held  →  Source: the document with its author and date, or the name of who entered it and when

Names of people who entered something are read once each. Does not: decide who may see what (`findings.held` did).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from server import people
from server.dossier.findings import Held
from storage import accounts
from storage.database import Tx

if TYPE_CHECKING:
    from server.app import App
    from server.handles import DossierHandle

DOCUMENT = "document"


class Source(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who says so. `kind`: document, patient, delegate, professional, service. `at`: of a document the date of its act,
    else when it was entered (ISO 8601). `author`: a name, "" when nobody says. `own`: entered by who reads. `finding`:
    its id; `message`: of the letter it came in, "" when there is none for its reader.
    """

    kind: str
    finding: str
    at: str = ""
    author: str = ""
    organisation: str = ""
    document: str = ""
    title: str = ""
    message: str = ""
    own: bool = False
    marks: tuple[str, ...] = ()


@dataclass(slots=True)
class Sources:
    """Makes the sources of one reading. Inside a transaction."""

    app: App
    tx: Tx
    handle: DossierHandle
    _names: dict[str, tuple[str, str]] = field(default_factory=dict)

    def of(self, held: Held) -> Source:
        if held.document:
            return Source(
                DOCUMENT,
                held.id,
                held.dated or held.at,
                held.author,
                held.organisation,
                held.document,
                held.title,
                held.message,
                marks=held.marks,
            )
        name, organisation = self.name(held.by)
        own = held.by == self.handle.actor.account_id
        return Source(
            held.source, held.id, held.at, name, organisation, message=held.message, own=own, marks=held.marks
        )

    def name(self, account_id: str) -> tuple[str, str]:
        """(name, organisation) of an account, even of one that ended; nothing of one nobody knows."""
        if account_id not in self._names:
            known = accounts.even_ended(self.tx, account_id)
            actor = people.actor_in(self.app, self.tx, known[0]) if known else None
            self._names[account_id] = (actor.name, actor.organisation) if actor else ("", "")
        return self._names[account_id]
