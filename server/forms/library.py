"""The forms an office keeps: written on the web or imported as FHIR, each change a version; and the examples shipped.

A version that was used stays (blueprints); the cards that asked hold their own copy. The examples (`data/`, FHIR) are
to be adapted: nobody verified them, and they say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from server import access
from server.errors import Conflict, Refused, TooLarge
from server.forms import fhir
from server.forms.questionnaires import Form, checked
from storage import blueprints as rows
from storage.blueprints import Blueprint
from storage.ids import new_id

if TYPE_CHECKING:
    from server.app import App
    from server.handles import MailboxHandle
    from storage.database import Tx
    from storage.vault import SpaceKeys

KIND: Final = "questionnaire"
MOST: Final = 100
_DATA: Final = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class Kept:
    """A form of an office, or a shipped one. `version`: of ours, 0 of a shipped one; `at`: ms; `by`: an account."""

    id: str
    version: int
    form: Form
    by: str = ""
    at: int = 0


@cache
def shipped() -> dict[str, Form]:
    """The examples, by their id: the name of their file."""
    files = sorted(path for path in _DATA.glob("*.json") if path.stem != "mapping")
    return {path.stem: fhir.read(msgspec.json.decode(path.read_bytes())["questionnaire"]) for path in files}


def find(tx: Tx, keys: SpaceKeys, form_id: str) -> Form:
    """The office's as it is today, or a shipped one. `keys`: of the office. Raises `Refused`."""
    row = rows.newest(tx, keys.space_id, form_id)
    if row is not None and row.kind == KIND and row.state == "current":
        return _opened(keys, row)
    if form_id in shipped() and row is None:
        return shipped()[form_id]
    raise Refused


def _opened(keys: SpaceKeys, row: Blueprint) -> Form:
    return msgspec.json.decode(keys.open("blueprint", rows.record(row.id, row.version), row.facts), type=Form)


async def of_office(app: App, box: MailboxHandle) -> list[Kept]:
    """Those of the office whose mailbox this is, by title. Raises `Refused` for a patient's."""
    return await app.db.read(_all, app, box)


def _all(tx: Tx, app: App, box: MailboxHandle) -> list[Kept]:
    keys = access.office_keys(app, tx, box)
    found = [
        Kept(row.id, row.version, _opened(keys, row), row.changed_by, row.changed_at)
        for row in rows.current(tx, box.space_id, KIND)
    ]
    return sorted(found, key=lambda one: one.form.title.casefold())


async def one(app: App, box: MailboxHandle, form_id: str) -> Kept:
    """One of the office, or a shipped one. Raises `Refused`."""

    def read(tx: Tx) -> Kept:
        keys = access.office_keys(app, tx, box)
        form, row = find(tx, keys, form_id), rows.newest(tx, box.space_id, form_id)
        return Kept(form_id, row.version, form, row.changed_by, row.changed_at) if row else Kept(form_id, 0, form)

    return await app.db.read(read)


async def save(app: App, box: MailboxHandle, form: Form, form_id: str = "", read: int = 0) -> Kept:
    """A new one (of a url that is known: its next version), or the version after the one that was `read`. Raises
    `Conflict` when somebody wrote since; `Invalid`, `TooLarge`, `Refused`.
    """
    checked(form)

    def write(tx: Tx) -> Kept:
        known = _all(tx, app, box)
        before = next((one for one in known if one.id == form_id or (form.url and one.form.url == form.url)), None)
        if form_id and before is None:
            raise Refused
        if form_id and before and before.version != read:
            raise Conflict("form_changed", "Quelqu’un a changé ce questionnaire entre-temps. Rouvrez-le.")
        if before is None and len(known) >= MOST:
            raise TooLarge("too_many_forms", f"Il y a {MOST} questionnaires au plus : retirez-en un.")
        chosen, version = (before.id, before.version + 1) if before else (new_id(), 1)
        ready = _named(form, chosen, version, before)
        sealed = access.office_keys(app, tx, box).seal(
            "blueprint", rows.record(chosen, version), msgspec.json.encode(ready)
        )
        if not rows.add(tx, box.space_id, KIND, chosen, version, sealed, box.actor.account_id):
            raise Conflict("form_changed", "Quelqu’un a changé ce questionnaire entre-temps. Rouvrez-le.")
        return Kept(chosen, version, ready, box.actor.account_id)

    return await app.db.write(write)


def _named(form: Form, form_id: str, version: int, before: Kept | None) -> Form:
    """With a canonical name of its own, which no other content has."""
    url = form.url or (before.form.url if before else "") or f"urn:pli:questionnaire:{form_id}"
    same = before is not None and before.form.version == form.version
    return msgspec.structs.replace(
        form, url=url, version=f"{form.version.partition('+')[0]}+{version}" if same else form.version
    )


async def withdraw(app: App, box: MailboxHandle, form_id: str) -> None:
    """It is asked no more; its versions stay. Raises `Refused` when there is none."""

    def write(tx: Tx) -> None:
        keys = access.office_keys(app, tx, box)
        row = rows.newest(tx, box.space_id, form_id)
        if row is None or row.kind != KIND or row.state != "current":
            raise Refused
        form, version = _opened(keys, row), row.version + 1
        sealed = keys.seal("blueprint", rows.record(form_id, version), msgspec.json.encode(form))
        rows.add(tx, box.space_id, KIND, form_id, version, sealed, box.actor.account_id, "withdrawn")

    await app.db.write(write)
