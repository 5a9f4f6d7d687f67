"""A copy of everything one may see in a space: documents, messages as EML, FHIR, what was entered, who read what.

    ask()  →  the row, a line for the holder, what is owed: one transaction  →  Exports.send(): gathered with the rights
    of who asked, as they are then  →  ready for a week  →  volume()

Promises: complete for who asked, and nothing besides: each document is decided on, each message is one of that mailbox;
every octet is sealed; it says how far it is, may be cancelled, and a restart begins it again. Only the holder, or who
represents them by law, and after a second factor, which the page asks for (security items 3, 54, 56).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from server import access, audit, people, reading, scopes, space_news
from server.agenda import book
from server.audit import Act
from server.copies import readable, summary
from server.copies.readable import Part
from server.copies.volumes import Volumes, plain
from server.delivery import Parcel, Permanent
from server.dossier import documents as shelf
from server.dossier import findings, folders
from server.dossier.delays import DAY
from server.drafts import Later
from server.errors import Conflict, PliError, Refused
from server.handles import DossierHandle, MailboxHandle
from server.prevention import known
from server.settings import PLACE
from server.views import Entry
from storage import accounts, blobs, exports
from storage.blobs import Blob
from storage.database import Tx
from storage.exports import Copy
from storage.ids import new_id, now_ms
from storage.vault import CannotOpen, SpaceKeys

if TYPE_CHECKING:
    from server.app import App
    from server.posting import Doing

CHANNEL: Final = "export"
EXPORT: Final = "export"
PURPOSE: Final = "copy"
READY_FOR_MS: Final = 7 * DAY
PAGE: Final = 100
VERSION: Final = 1
VOLUME_FILE, ENTRIES_FILE, FOLDERS_FILE = "pli/volume.json", "pli/entries.json", "pli/folders.json"

Eml = Callable[["App", SpaceKeys, str], Awaitable[bytes]]  # a message of these keys as a mail
Bundle = Callable[["App", DossierHandle], Awaitable[bytes]]  # everything a handle sees as a FHIR Bundle, in JSON


class Made(msgspec.Struct, frozen=True):
    """The sealed part of a copy: its volumes as (blob, octets); what it could not open."""

    volumes: tuple[tuple[str, int], ...] = ()
    missing: int = 0
    said: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """A copy as its page says it. `volumes`: octets of each. `said`: why it failed, or what came of it."""

    id: str
    kind: str
    state: str
    done: int
    total: int
    at: str
    until: str
    volumes: tuple[int, ...] = ()
    missing: int = 0
    said: str = ""


async def ask(app: App, box: MailboxHandle) -> str:
    """A copy of what this mailbox's space holds; returns its id. Raises `NotAllowed` (a helper), `Conflict` (one is
    under way), `Refused`.
    """
    copy_id, later = new_id(), now_ms()

    def effect(doing: Doing) -> None:
        scopes.own_affairs(doing.tx, box)
        if any(known.under_way and known.kind == EXPORT for known in exports.of(doing.tx, box.space_id)):
            raise Conflict("copy_under_way", "Une copie se prépare déjà.")
        copy = Copy(box.space_id, copy_id, EXPORT, box.actor.account_id, "waiting", 0, 0, "", None, later, None, None)
        exports.insert(doing.tx, copy)
        audit.record(doing.tx, Act.SPACE_COPIED, box.actor, box.space_id, box.ground, copy_id)

    await space_news.tell(
        app, box.space_id, f"{box.actor.name} a demandé une copie de tout ce que contient cet espace.",
        f"{box.actor.name} asked for a copy of everything in this space.", effect,
        (Later(CHANNEL, later, {"copy": copy_id}),),
    )  # fmt: skip
    return copy_id


async def standing(app: App, box: MailboxHandle) -> list[Standing]:
    """The copies that this person asked for or brought, the newest first. Raises `NotAllowed`, `Refused`."""

    def find(tx: Tx) -> list[Standing]:
        scopes.own_affairs(tx, box)
        keys = reading.space_keys(app, tx, box.space_id)
        mine = [copy for copy in exports.of(tx, box.space_id) if copy.account_id == box.actor.account_id]
        return [_standing(keys, copy) for copy in mine]

    return await app.db.read(find)


def _standing(keys: SpaceKeys, copy: Copy) -> Standing:
    made = made_of(keys, copy)
    until = reading.iso(copy.expires_at) if copy.expires_at else ""
    sizes = tuple(size for _, size in made.volumes)
    at = reading.iso(copy.at)
    return Standing(
        copy.id, copy.kind, copy.state, copy.done, copy.total, at, until, sizes, made.missing, made.said
    )  # fmt: skip


def made_of(keys: SpaceKeys, copy: Copy) -> Made:
    return msgspec.json.decode(keys.open(PURPOSE, copy.id, copy.facts), type=Made) if copy.facts else Made()


async def cancel(app: App, box: MailboxHandle, copy_id: str) -> None:
    """Stop it. Raises `Conflict` when it is over."""

    def stop(tx: Tx) -> bool:
        scopes.own_affairs(tx, box)
        return exports.settle(tx, box.space_id, copy_id, "cancelled")

    if not await app.db.write(stop):
        raise Conflict("copy_over", "Cette copie est déjà finie.")


async def volume(app: App, box: MailboxHandle, copy_id: str, number: int) -> tuple[str, bytes]:
    """A volume, from 1: (file name, octets). Raises `Refused`."""

    def find(tx: Tx) -> tuple[SpaceKeys, Blob, str]:
        scopes.own_affairs(tx, box)
        copy, keys = exports.one(tx, box.space_id, copy_id), reading.space_keys(app, tx, box.space_id)
        if copy is None or copy.state != "ready" or copy.account_id != box.actor.account_id:
            raise Refused
        made = made_of(keys, copy).volumes
        blob = blobs.find(tx, box.space_id, made[number - 1][0]) if 1 <= number <= len(made) else None
        if blob is None:
            raise Refused
        audit.record(tx, Act.SPACE_COPIED, box.actor, box.space_id, box.ground, copy_id, "fetched")
        day = datetime.fromtimestamp(copy.at / 1000, PLACE).date()
        return keys, blob, f"pli-copie-{day}-{number}-sur-{len(made)}.zip"

    keys, blob, name = await app.db.write(find)
    return name, await app.blobs.get(keys, blob)


async def forget_old(app: App) -> None:
    """Copies that nobody fetched within a week: their octets go."""

    def forget(tx: Tx) -> None:
        for copy in exports.over(tx):
            keys = reading.space_keys(app, tx, copy.space_id)
            exports.expire(tx, copy, [blob for blob, _ in made_of(keys, copy).volumes])

    await app.db.write(forget)


# ---- the work --------------------------------------------------------------------------------------------------------


class Stopped(Exception):
    """It was cancelled."""


class Exports:
    """The channel named `export`. Its target is `{"copy": id}`. `eml`, `bundle`: how a message is a mail, and a dossier
    a Bundle, which doors know.
    """

    name = CHANNEL

    def __init__(self, app: App, eml: Eml, bundle: Bundle) -> None:
        self._app, self._eml, self._bundle = app, eml, bundle

    async def send(self, parcel: Parcel) -> None:
        app, space_id, copy_id = self._app, parcel.keys.space_id, str(parcel.target["copy"])
        copy = await app.db.read(exports.one, space_id, copy_id)
        if copy is None or not copy.under_way:
            return
        try:
            made = await _Gathering(app, parcel.keys, copy, self._eml, self._bundle).everything()
        except Stopped:
            return
        except PliError as error:  # the right ended meanwhile
            await _settle(app, parcel.keys, copy, "failed", Made(said=error.detail))
            raise Permanent(error.code, error.detail) from error
        await _settle(app, parcel.keys, copy, "ready", made)


async def _settle(app: App, keys: SpaceKeys, copy: Copy, state: str, made: Made) -> None:
    sealed = keys.seal(PURPOSE, copy.id, msgspec.json.encode(made))
    fr = "La copie de votre espace est prête. Elle vous attend sept jours."
    en = "The copy of your space is ready. It waits for seven days."
    if state != "ready":
        fr, en = f"La copie de votre espace n’a pas pu être faite. {made.said}", "The copy could not be made."

    def effect(doing: Doing) -> None:
        if not exports.settle(doing.tx, copy.space_id, copy.id, state, sealed, now_ms() + READY_FOR_MS):
            raise Conflict

    try:
        await space_news.tell(app, copy.space_id, fr, en, effect)
    except Conflict:
        return  # it was cancelled at the last moment


@dataclass(slots=True)
class _Gathering:
    """One run. What it cannot open is counted and named, and the rest goes on."""

    app: App
    keys: SpaceKeys
    copy: Copy
    eml: Eml
    bundle: Bundle
    told: list[dict[str, Any]] = field(default_factory=list)  # documents of the volume that is being made
    letters: list[dict[str, str]] = field(default_factory=list)  # its messages
    missing: list[str] = field(default_factory=list)
    done: int = 0
    total: int = 0
    listed: dict[str, list[tuple[tuple[str, ...], str]]] = field(default_factory=dict)
    person: dict[str, str] = field(default_factory=dict)

    async def everything(self) -> Made:
        """Raises `Stopped`, and what `access` raises for a right that ended."""
        app = self.app
        actor = await people.actor(app, self.copy.account_id)
        holder = await app.db.read(lambda tx: _holders_box(tx, self.copy.space_id))
        box = await access.mailbox(app, actor, holder, ("messages", "dossier", "agenda"))
        handle = await access.dossier(app, box)
        seen = await app.db.read(lambda tx: list(shelf.seen(tx, handle)))
        entries = await self._entries(box)
        self.total = len(seen) + len(entries)
        traits = await app.db.read(lambda tx: people.traits(app, tx, self.copy.space_id))
        if traits is not None:
            self.person = {"ins": traits.ins, "oid": traits.oid, "name": traits.name, "birth_date": traits.birth_date}
        volumes = Volumes(self._seal, closing=self._about)
        for item in seen:
            await self._document(volumes, item)
        for number, entry in enumerate(entries, 1):
            await self._message(volumes, number, entry)
        await self._beside(volumes, handle, box)
        made = await volumes.close()
        return Made(tuple(made), len(self.missing))

    async def _seal(self, data: bytes) -> str:
        blob = await self.app.blobs.put(self.keys, data)
        await self.app.db.write(blobs.insert, blob)
        return blob.id

    async def _entries(self, box: MailboxHandle) -> list[Entry]:
        found: dict[str, Entry] = {}
        cursor, more = 0, True
        while more:
            page = await reading.since(self.app, box, cursor, PAGE)
            found |= {entry.message.id: entry for entry in page.entries}
            cursor, more = page.cursor, page.more
        return list(found.values())

    async def _step(self) -> None:
        self.done += 1
        if self.done % 20 == 0 or self.done == self.total:
            on = await self.app.db.write(exports.go_on, self.copy.space_id, self.copy.id, self.done, self.total)
            if not on:
                raise Stopped

    async def _document(self, volumes: Volumes, item: shelf.Seen) -> None:
        facts, row = item.facts, item.row
        folder = f"documents/{plain(facts.category or shelf.OTHER)}"
        stem = plain(f"{facts.created[:10]} {facts.title or facts.name}")
        ending = facts.name.rpartition(".")[2].lower() if "." in facts.name else "bin"
        names = []
        for blob_id, name in ((row.blob_id, f"{stem}.{plain(ending, 8)}"), (row.original_blob, f"{stem}.cda.xml")):
            data = await self._octets(blob_id) if blob_id else None
            if data is not None:
                names.append(await volumes.add(f"{folder}/{name}", data))
            elif blob_id:
                self.missing.append(name)
        marks = sorted(item.marks)
        if names:
            about = {"file": names[0], "original": names[1] if len(names) > 1 else "", "facts": facts, "marks": marks}
            about |= {"state": row.state, "source": row.source, "filed_at": reading.iso(row.filed_at)}
            self.told.append(about)
        label = shelf.CATEGORIES.get(facts.category, shelf.CATEGORIES[shelf.OTHER])[0]
        line = (facts.created[:10], facts.title or facts.name, label, facts.author)
        self.listed.setdefault("documents", []).append((line, names[0] if names else ""))
        await self._step()

    async def _octets(self, blob_id: str) -> bytes | None:
        blob = await self.app.db.read(blobs.find, self.copy.space_id, blob_id)
        try:
            return await self.app.blobs.get(self.keys, blob) if blob else None
        except CannotOpen:
            self.app.metrics.unopened()
            return None

    async def _message(self, volumes: Volumes, number: int, entry: Entry) -> None:
        message = entry.message
        name = plain(f"{number:05} {message.at[:10]} {message.author.name} {message.subject}")
        try:
            file = await volumes.add(f"messages/{name}.eml", await self.eml(self.app, self.keys, message.id))
        except (CannotOpen, PliError):
            self.missing.append(name)
            file = ""
        self.letters.append(
            {"file": file, "conversation": entry.conversation, "subject": message.subject, "at": message.at,
             "author": message.author.name, "text": message.text}
        )  # fmt: skip
        line = (message.at[:10], message.author.name, message.subject, message.text[:120])
        self.listed.setdefault("messages", []).append((line, file))
        await self._step()

    async def _beside(self, volumes: Volumes, handle: DossierHandle, box: MailboxHandle) -> None:
        """What is no file of its own: entries of people, folders, the Bundle, what is read by a person."""
        app = self.app
        held = await app.db.read(lambda tx: findings.held(tx, handle, current=False))
        kept = await app.db.read(lambda tx: folders.listed(tx, handle))
        said = [
            {"finding": one.finding, "source": one.source, "at": one.at, "state": one.state, "corrects": one.corrects,
             "id": one.id}
            for one in held if not one.document
        ]  # fmt: skip
        await volumes.add(ENTRIES_FILE, msgspec.json.encode({"version": VERSION, "entries": said}))
        await volumes.add(FOLDERS_FILE, msgspec.json.encode({"version": VERSION, "folders": kept}))
        planned = await book.appointments(app, await access.dossier(app, box, "agenda"))
        await volumes.add("pli/agenda.json", msgspec.json.encode({"version": VERSION, "appointments": planned}))
        answered = await app.db.read(lambda tx: known.told(app, tx, handle))
        await volumes.add("pli/prevention.json", msgspec.json.encode({"version": VERSION, **answered}))
        self.listed["agenda"] = [
            ((one.start[:16].replace("T", " "), one.title, one.location, one.organizer), "") for one in planned
        ]
        await volumes.add("fhir/bundle.json", await self.bundle(app, handle))
        title = f"Copie de l’espace de {self.person.get('name', '')}"
        parts = [*self._parts(), *await summary.parts(app, handle)]
        await volumes.add("lisez-moi.html", readable.page(title, parts))
        await volumes.add("lisez-moi.pdf", readable.pdf(title, parts))

    def _parts(self) -> list[Part]:
        """What a person reads first: what is here, and where."""
        day = datetime.fromtimestamp(self.copy.at / 1000, PLACE).strftime("%d/%m/%Y")
        words = (
            f"Faite le {day}. Chaque fichier est dans un dossier de cette copie ; SHA256SUMS donne son empreinte, "
            "à vérifier sans réseau par « sha256sum -c SHA256SUMS ».",
            "Gardez-la en lieu sûr : elle n’est plus protégée par Pli.",
        )
        lost = (f"{len(self.missing)} éléments n’ont pas pu être ouverts : {'; '.join(self.missing[:20])}",)
        return [
            Part("À lire d’abord", words + (lost if self.missing else ())),
            self._part("Documents", "documents", ("Date", "Titre", "Catégorie", "Auteur")),
            self._part("Messages", "messages", ("Date", "De", "Sujet", "Début")),
            self._part("Agenda", "agenda", ("Quand", "Quoi", "Où", "Avec qui")),
        ]

    def _part(self, title: str, name: str, columns: Sequence[str]) -> Part:
        rows = self.listed.get(name, [])
        return Part(title, (), tuple(columns), tuple(row for row, _ in rows), tuple(link for _, link in rows))

    def _about(self) -> list[tuple[str, bytes]]:
        """What each volume says of its own documents: what it is read back by."""
        about = {"version": VERSION, "person": self.person, "documents": self.told, "messages": self.letters}
        self.letters = []
        self.told = []
        return [(VOLUME_FILE, msgspec.json.encode(about))]


def _holders_box(tx: Tx, space_id: str) -> str:
    holder = accounts.holder_of(tx, space_id)
    if holder is None:
        raise Refused
    return holder.mailbox_id
