"""The texts that an office writes often (« modèles »): a title and a text each, sealed like a letter.

They fill the sheet; they never send. A team's are its members'; a professional's are their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from server import access
from server.errors import Invalid, Refused, TooLarge
from server.handles import MailboxHandle
from storage import templates as rows
from storage.database import Tx
from storage.ids import new_id

if TYPE_CHECKING:
    from server.app import App

MAX_TITLE, MAX_TEXT, MOST = 80, 10_000, 100  # characters, characters, texts of an office


@dataclass(frozen=True, slots=True)
class Template:
    id: str
    title: str
    text: str


class _Facts(msgspec.Struct, frozen=True):
    title: str
    text: str


async def of_office(app: App, box: MailboxHandle) -> list[Template]:
    """Those of the office whose mailbox this is, by title. Raises `Refused` for a patient's."""
    return await app.db.read(_all, app, box)


def _all(tx: Tx, app: App, box: MailboxHandle) -> list[Template]:
    keys = access.office_keys(app, tx, box)
    found = []
    for template_id, sealed in rows.of_office(tx, box.space_id):
        facts = msgspec.json.decode(keys.open("template", template_id, sealed), type=_Facts)
        found.append(Template(template_id, facts.title, facts.text))
    return sorted(found, key=lambda item: item.title.casefold())


async def save(app: App, box: MailboxHandle, title: str, text: str, template_id: str = "") -> str:
    """A new one, or a known one in other words; its id. Raises `Invalid`, `TooLarge`, `Refused`."""
    title, text = " ".join(title.split()), text.strip()
    if not title or not text:
        raise Invalid("empty_template", "Donnez un titre et un texte à ce modèle.")
    if len(title) > MAX_TITLE or len(text) > MAX_TEXT:
        raise TooLarge(
            "template_too_long", f"Un modèle a {MAX_TITLE} caractères de titre et {MAX_TEXT} de texte au plus."
        )
    chosen = template_id or new_id()

    def write(tx: Tx) -> None:
        known = {item.id for item in _all(tx, app, box)}
        if template_id and template_id not in known:
            raise Refused
        if not template_id and len(known) >= MOST:
            raise TooLarge("too_many_templates", f"Il y a {MOST} modèles au plus : retirez-en un.")
        sealed = access.office_keys(app, tx, box).seal("template", chosen, msgspec.json.encode(_Facts(title, text)))
        rows.save(tx, box.space_id, chosen, sealed, box.actor.account_id)

    await app.db.write(write)
    return chosen


async def remove(app: App, box: MailboxHandle, template_id: str) -> None:
    """Raises `Refused` when there is none."""

    def write(tx: Tx) -> None:
        access.office_keys(app, tx, box)
        if not rows.remove(tx, box.space_id, template_id):
            raise Refused

    await app.db.write(write)
