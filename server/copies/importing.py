"""A copy brought back: one volume at a time, from here or from another house that makes the same.

    bring()  →  the volume kept, sealed, and what is owed: one transaction  →  Imports.send(): every hash and whose copy
    it is checked first, then each document filed, once

Promises: nothing of a volume that does not hold together, or that is somebody else's, comes in; what is here already is
not there twice; what is brought back says so (`source` import, and its day), whoever the file names as its author: a
file that passed through other hands proves nothing. Messages come back as a text to read, one a conversation, not as
messages: nobody is made to have written here. Does not bring back consents, the log, or what was withheld.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from server import audit, people, reading, scopes, space_news
from server.audit import Act
from server.copies.exporting import ENTRIES_FILE, PURPOSE, READY_FOR_MS, VERSION, VOLUME_FILE, Made
from server.copies.volumes import SUMS
from server.delivery import Parcel
from server.dossier import filing
from server.dossier.habilitation import ARCHIVED, HIDDEN, SECRET
from server.drafts import FileFacts, Later
from server.errors import Conflict, Invalid, PliError, Refused, TooLarge
from server.formats import archive
from server.formats.findings import Finding
from server.formats.malformed import Malformed
from server.handles import MailboxHandle
from server.settings import PLACE
from storage import blobs, exports, findings, visibilities
from storage.database import Tx
from storage.exports import Copy
from storage.ids import new_id, now_ms
from storage.vault import SpaceKeys

if TYPE_CHECKING:
    from server.app import App
    from server.posting import Doing

T = TypeVar("T", "_Volume", "_Entries")

CHANNEL: Final = "import"
IMPORT: Final = "import"
MAX_VOLUME: Final = 64 * 1024 * 1024  # octets: as large as one of ours may be
MAX_FILES: Final = 60_000
KEPT: Final = frozenset({HIDDEN, SECRET, ARCHIVED})  # marks that come back


class _Person(msgspec.Struct):
    ins: str
    oid: str


class _Document(msgspec.Struct):
    file: str
    facts: FileFacts
    original: str = ""
    marks: list[str] = []
    state: str = "current"


class _Letter(msgspec.Struct):
    conversation: str
    subject: str
    at: str
    author: str
    text: str


class _Volume(msgspec.Struct):
    version: int
    person: _Person
    documents: list[_Document]
    messages: list[_Letter] = []


class _Entry(msgspec.Struct):
    finding: Finding
    state: str
    at: str = ""


class _Entries(msgspec.Struct):
    version: int
    entries: list[_Entry]


async def bring(app: App, box: MailboxHandle, data: bytes) -> str:
    """Keep a volume to be read; returns the copy's id. Raises `TooLarge`, `Invalid`, `Conflict`, `NotAllowed`."""
    if len(data) > MAX_VOLUME:
        raise TooLarge("volume_too_large", f"Ce fichier est trop lourd ({MAX_VOLUME // 1_048_576} Mo au plus).")
    if not data.startswith(b"PK"):
        raise Invalid("not_a_copy", "Ce fichier n’est pas une copie faite par Pli (un fichier .zip).")
    keys = await app.db.read(lambda tx: reading.space_keys(app, tx, box.space_id))
    copy_id, at, blob = new_id(), now_ms(), await app.blobs.put(keys, data)

    def effect(doing: Doing) -> None:
        scopes.own_affairs(doing.tx, box)
        if any(known.under_way and known.kind == IMPORT for known in exports.of(doing.tx, box.space_id)):
            raise Conflict("import_under_way", "Une copie est déjà en cours de lecture. Attendez qu’elle soit finie.")
        blobs.insert(doing.tx, blob)
        copy = Copy(box.space_id, copy_id, IMPORT, box.actor.account_id, "waiting", 0, 0, blob.id, None, at, None, None)
        exports.insert(doing.tx, copy)
        audit.record(doing.tx, Act.SPACE_COPIED, box.actor, box.space_id, box.ground, copy_id, "brought")

    await space_news.tell(
        app, box.space_id, f"{box.actor.name} a apporté une copie à ranger dans cet espace.",
        f"{box.actor.name} brought a copy to be filed in this space.", effect,
        (Later(CHANNEL, at, {"copy": copy_id}),),
    )  # fmt: skip
    return copy_id


class Imports:
    """The channel named `import`. Its target is `{"copy": id}`."""

    name = CHANNEL

    def __init__(self, app: App) -> None:
        self._app = app

    async def send(self, parcel: Parcel) -> None:
        app, keys = self._app, parcel.keys
        copy = await app.db.read(exports.one, keys.space_id, str(parcel.target["copy"]))
        if copy is None or not copy.under_way:
            return
        try:
            said = await _read(app, keys, copy)
            state = "ready"
        except (PliError, Malformed) as error:
            said, state = error.detail, "failed"
        sealed = keys.seal(PURPOSE, copy.id, msgspec.json.encode(Made(said=said)))

        def effect(doing: Doing) -> None:
            if not exports.settle(doing.tx, copy.space_id, copy.id, state, sealed, now_ms() + READY_FOR_MS):
                raise Conflict

        try:
            await space_news.tell(app, copy.space_id, said, "The copy you brought was read.", effect)
        except Conflict:
            return  # it was cancelled


async def _read(app: App, keys: SpaceKeys, copy: Copy) -> str:
    """Everything of a volume, filed; what came of it, in a sentence. Raises `Invalid`, `Refused`, `Malformed`."""
    blob = await app.db.read(blobs.find, copy.space_id, copy.blob_id)
    if blob is None:
        raise Refused
    files = await asyncio.to_thread(_checked, await app.blobs.get(keys, blob))
    volume = _decoded(files, VOLUME_FILE, _Volume)
    await app.db.read(_same_person, app, copy.space_id, volume.person)
    account = copy.account_id
    letters = [list(group) for _, group in groupby(_sorted(volume.messages), key=lambda one: one.conversation)]
    total, new, known = len(volume.documents) + len(letters), 0, 0
    for number, document in enumerate(volume.documents, 1):
        came = await _file(app, keys, files, document, account)
        new, known = new + came, known + (not came)
        await _progress(app, copy, number, total)
    for number, group in enumerate(letters, len(volume.documents) + 1):
        came = await _file(app, keys, *_as_text(group), account)
        new, known = new + came, known + (not came)
        await _progress(app, copy, number, total)
    said = 0
    if ENTRIES_FILE in files:
        entries = _decoded(files, ENTRIES_FILE, _Entries).entries
        said = await app.db.write(_enter, keys, [one for one in entries if one.state == "current"], account)
    return (
        f"La copie apportée est rangée : {new} éléments nouveaux, {known} qui étaient déjà là, "
        f"{said} lignes de votre profil et de vos mesures."
    )


def _checked(data: bytes) -> dict[str, bytes]:
    """The files of a volume, each with the hash that its list gives. Raises `Invalid`, `Malformed`."""
    files = {entry.name: archive.read(data, entry) for entry in archive.entries(data, MAX_FILES)}
    sums = files.pop(SUMS, b"").decode("utf-8", "replace")
    listed = {name: digest for line in sums.splitlines() for digest, _, name in [line.partition("  ")] if name}
    if not listed:
        raise Invalid("not_a_copy", "Ce fichier n’est pas une copie faite par Pli : il n’a pas de liste d’empreintes.")
    for name, data_of in files.items():
        if listed.get(name) != hashlib.sha256(data_of).hexdigest():
            raise Invalid("copy_damaged", "Cette copie est abîmée ou a été modifiée : rien n’en a été rangé.")
    if listed.keys() - files.keys():
        raise Invalid("copy_incomplete", "Il manque des fichiers à cette copie : rien n’en a été rangé.")
    return files


def _decoded(files: dict[str, bytes], name: str, kind: type[T]) -> T:
    try:
        read = msgspec.json.decode(files[name], type=kind)
    except (KeyError, msgspec.MsgspecError) as error:
        raise Invalid("not_a_copy", "Ce fichier n’est pas une copie faite par Pli.") from error
    if read.version != VERSION:
        raise Invalid("other_version", "Cette copie a été faite par une autre version de Pli, qui n’est pas lue ici.")
    return read


def _same_person(tx: Tx, app: App, space_id: str, person: _Person) -> None:
    traits = people.traits(app, tx, space_id)
    if traits is None or (person.ins, person.oid) != (traits.ins, traits.oid):
        raise Invalid("somebody_elses_copy", "Cette copie est celle d’une autre personne : rien n’en a été rangé.")


def _sorted(letters: Iterable[_Letter]) -> list[_Letter]:
    return sorted(letters, key=lambda one: (one.conversation, one.at))


async def _progress(app: App, copy: Copy, done: int, total: int) -> None:
    if not await app.db.write(exports.go_on, copy.space_id, copy.id, done, total):
        raise Invalid("cancelled", "La lecture de cette copie a été arrêtée.")


async def _file(app: App, keys: SpaceKeys, files: dict[str, bytes], document: _Document, by: str) -> bool:
    """Whether it is new here. What was obsolete comes back as obsolete; what its author withdrew does not."""
    data = files.get(document.file)
    if data is None or document.state in {"deleted", "removed"}:
        return False
    today = datetime.fromtimestamp(now_ms() / 1000, PLACE).strftime("%d/%m/%Y")
    facts = msgspec.structs.replace(
        document.facts, size=len(data), note=f"Rapporté d’une copie le {today}.", damaged="", confidentiality=()
    )
    ready = await filing.of_octets(app, keys, facts, data, source="import")
    if document.original and (original := files.get(document.original)):
        paper = next(iter((await filing.unpacked("document", original)).papers), None)
        found = paper.findings if paper else ()
        ready = replace(ready, findings=found, original=await app.blobs.put(keys, original))

    def keep(tx: Tx) -> None:
        document_id = filing.file(tx, app.vault, keys, ready, by, now_ms())
        for mark in KEPT.intersection(document.marks):
            visibilities.record(tx, keys.space_id, document_id, mark, on=True, by=by)

    try:
        await app.db.write(keep)
    except Conflict:
        return False
    return True


def _as_text(group: list[_Letter]) -> tuple[dict[str, bytes], _Document]:
    """A conversation as a text to read."""
    subject = group[0].subject or "Conversation"
    text = "\n\n".join(f"{one.author}, {one.at[:16].replace('T', ' ')}\n\n{one.text}" for one in group).encode()
    facts = FileFacts(
        name="conversation.txt", type="text/plain; charset=utf-8", size=len(text), title=f"Conversation : {subject}",
        document_type="EXPPAT_2", document_label="Conversation rapportée d’une copie", category="other",
        author=group[0].author, created=group[-1].at,
    )  # fmt: skip
    return {"conversation.txt": text}, _Document("conversation.txt", facts)


def _enter(tx: Tx, keys: SpaceKeys, entries: list[_Entry], by: str) -> int:
    """What people had said, once each; returns how many are new."""
    known = {keys.open("finding", row.id, row.content) for row in findings.of(tx, keys.space_id)}
    new = 0
    for entry in entries:
        content = msgspec.json.encode(entry.finding)
        if content not in known:
            filing.add_finding(tx, keys, entry.finding, "patient", by, now_ms())
            known.add(content)
            new += 1
    return new
