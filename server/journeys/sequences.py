"""Sequences as data: what may be in one, those shipped as examples, those that an office keeps in its own words.

Promises: what is kept is whole and checked, with a sentence for what is wrong; each change is a version with its author
and date, and none is lost; two who change one at once are told apart. An example is never sent as it is: an office
copies it first, and answers for its words from then on. Nobody but the office reads or uses what it keeps.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from server import access, audit
from server.audit import Act
from server.errors import Conflict, Invalid, Refused, TooLarge
from server.handles import MailboxHandle
from server.journeys import Sequence, Silence, Step
from storage import blueprints, teams
from storage.database import Tx
from storage.ids import new_id
from storage.vault import SpaceKeys

if TYPE_CHECKING:
    from server.app import App
    from storage.blueprints import Blueprint

KIND: Final = "sequence"
MOST: Final = 100  # sequences of an office
MAX_STEPS: Final = 30
MAX_NAME, MAX_ABOUT, MAX_TITLE, MAX_TEXT = 80, 500, 120, 10_000  # characters
MAX_ITEMS, MAX_ITEM = 30, 200  # lines of a checklist, characters of one
FURTHEST: Final = 365  # days before or after
KINDS: Final = ("message", "instructions", "confirmation", "questionnaire", "checklist")
WAYS: Final = ("push", "sms", "call")
NAMED: Final = frozenset({"patient", "date", "hour", "place"})
_HOUR: Final = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d")
_BRACES: Final = re.compile(r"\{([^{}]*)\}|[{}]")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A sequence an office keeps. `space_id`, `mailbox_id`: of that office; the version is the one read."""

    id: str
    version: int
    sequence: Sequence
    space_id: str
    mailbox_id: str
    changed_by: str = ""
    changed_at: int = 0


# ---- what may be in one ----------------------------------------------------------------------------------------------


def checked(sequence: Sequence) -> Sequence:
    """The sequence with its words trimmed and its steps in order of time. Raises `Invalid`, `TooLarge`."""
    name, about = " ".join(sequence.name.split()), sequence.about.strip()
    if not name or len(name) > MAX_NAME or "[" in name or "]" in name:
        raise Invalid("sequence_name", f"Donnez un nom de 1 à {MAX_NAME} caractères, sans crochets.")
    if len(about) > MAX_ABOUT:
        raise TooLarge("sequence_about", f"La description a {MAX_ABOUT} caractères au plus.")
    if len(sequence.steps) > MAX_STEPS:
        raise TooLarge("sequence_steps", f"Un parcours a {MAX_STEPS} étapes au plus.")
    steps = ordered(_step(one) for one in sequence.steps)
    return msgspec.structs.replace(sequence, name=name, about=about, steps=steps)


def ordered(steps: Iterable[Step]) -> tuple[Step, ...]:
    """In order of time, numbered from 1."""
    found = sorted(steps, key=lambda one: (one.days, one.hour, one.number))
    return tuple(msgspec.structs.replace(one, number=number) for number, one in enumerate(found, 1))


def _step(step: Step) -> Step:
    title, text = " ".join(step.title.split()), step.text.strip()
    where = f"Étape « {title[:40]} » : " if title else ""
    if step.kind not in KINDS:
        raise Invalid("step_kind", f"{where}choisissez ce qui est envoyé.")
    if not title or any(len(one) > MAX_TITLE or "{" in one or "}" in one for one in (title, step.title_en)):
        raise Invalid("step_title", f"Donnez à chaque étape un titre de 1 à {MAX_TITLE} caractères, sans accolades.")
    if max(len(text), len(step.text_en)) > MAX_TEXT:
        raise TooLarge("step_text", f"{where}le texte a 10 000 caractères au plus.")
    if step.kind in {"message", "instructions", "confirmation"} and not text:
        raise Invalid("step_empty", f"{where}écrivez le texte.")
    if abs(step.days) > FURTHEST:
        raise Invalid("step_days", f"{where}le jour va de J-{FURTHEST} à J+{FURTHEST}.")
    if not _HOUR.fullmatch(step.hour):
        raise Invalid("step_hour", f"{where}écrivez l’heure comme 09:00.")
    for words in (text, step.text_en):
        _placeholders(words, where)
    _items(step, where)
    if step.kind == "questionnaire" and not step.questionnaire:
        raise Invalid("step_questionnaire", f"{where}choisissez un questionnaire.")
    silence = _silence(step, step.silence, where) if step.silence is not None else None
    return msgspec.structs.replace(step, title=title, text=text, silence=silence)


def _placeholders(words: str, where: str) -> None:
    for found in _BRACES.finditer(words):
        if found[1] not in NAMED:
            raise Invalid(
                "step_placeholder",
                f"{where}« {found[0][:30]} » n’est pas connu ; on peut écrire {{patient}}, {{date}}, {{hour}} et "
                "{place}.",
            )


def _items(step: Step, where: str) -> None:
    if step.kind == "checklist" and not 1 <= len(step.items) <= MAX_ITEMS:
        raise Invalid("step_items", f"{where}une liste à cocher a de 1 à {MAX_ITEMS} lignes.")
    if any(not one.strip() or len(one) > MAX_ITEM or {*"{}"} & {*one} for one in (*step.items, *step.items_en)):
        raise Invalid("step_item", f"{where}chaque ligne à cocher a de 1 à {MAX_ITEM} caractères, sans accolades.")
    if step.items_en and len(step.items_en) != len(step.items):
        raise Invalid("step_items_en", f"{where}autant de lignes en anglais qu’en français.")


def _silence(step: Step, silence: Silence, where: str) -> Silence:
    """The ways in their order: a call is the last one."""
    if not silence.ways or len(set(silence.ways)) != len(silence.ways) or not set(silence.ways) <= set(WAYS):
        raise Invalid("silence_ways", f"{where}choisissez comment relancer.")
    if not _HOUR.fullmatch(silence.hour) or not 1 <= silence.gap_hours <= 72:
        raise Invalid("silence_hour", f"{where}écrivez l’heure de la relance comme 10:00.")
    if (silence.by_days, silence.hour) <= (step.days, step.hour) or silence.by_days > FURTHEST:
        raise Invalid("silence_days", f"{where}la relance vient après l’envoi.")
    if step.days < 0 < silence.by_days:
        raise Invalid("silence_late", f"{where}la relance vient avant le rendez-vous.")
    return msgspec.structs.replace(silence, ways=tuple(sorted(silence.ways, key=WAYS.index)))


# ---- those shipped ---------------------------------------------------------------------------------------------------


class _Shipped(msgspec.Struct, frozen=True):
    version: str
    source: str
    sequences: dict[str, Sequence]


@lru_cache
def shipped() -> dict[str, Sequence]:
    """The examples by name of the file, checked."""
    read = msgspec.json.decode((Path(__file__).parent / "data" / "sequences.json").read_bytes(), type=_Shipped)
    source = f"{read.source} ({read.version})"
    return {slug: checked(msgspec.structs.replace(one, source=source)) for slug, one in read.sequences.items()}


# ---- those an office keeps -------------------------------------------------------------------------------------------


async def of_office(app: App, box: MailboxHandle) -> list[Prepared]:
    """Those of the office whose mailbox this is, by name. Raises `Refused` for a patient's."""
    return await app.db.read(lambda tx: _all(tx, access.office_keys(app, tx, box), box.mailbox_id))


async def usable(app: App, box: MailboxHandle) -> list[Prepared]:
    """Those that may be bound from this mailbox: its own, and those of the teams its owner works in."""
    return await app.db.read(lambda tx: _usable(tx, app, box))


async def one(app: App, box: MailboxHandle, sequence_id: str, version: int = 0) -> Prepared:
    """One of this office, as it is or as it was. Raises `Refused`."""

    def find(tx: Tx) -> Prepared:
        keys = access.office_keys(app, tx, box)
        look = blueprints.version_of(tx, box.space_id, sequence_id, version) if version else None
        found = look or blueprints.newest(tx, box.space_id, sequence_id)
        if found is None or found.kind != KIND or (found.state == "withdrawn" and not version):
            raise Refused
        return _open(keys, found, box.mailbox_id)

    return await app.db.read(find)


async def save(app: App, box: MailboxHandle, sequence: Sequence, sequence_id: str = "", version: int = 0) -> str:
    """A new one, or the next version of a known one that was read as `version`; its id. Raises `Invalid`, `TooLarge`,
    `Refused`; `Conflict` when its name is taken, or somebody changed it meanwhile.
    """
    sequence, chosen = checked(sequence), sequence_id or new_id()

    def write(tx: Tx) -> None:
        keys = access.office_keys(app, tx, box)
        known = {one.id: one for one in _all(tx, keys, box.mailbox_id)}
        if sequence_id and sequence_id not in known:
            raise Refused
        if not sequence_id and len(known) >= MOST:
            raise TooLarge("too_many_sequences", f"Il y a {MOST} parcours au plus : retirez-en un.")
        taken = {folded(one.sequence.name) for one in known.values() if one.id != sequence_id}
        if folded(sequence.name) in taken:
            raise Conflict("sequence_name_taken", "Un autre parcours porte déjà ce nom.")
        if sequence_id and known[sequence_id].version != version:
            raise Conflict("sequence_changed", "Ce parcours a changé entre-temps. Relisez-le, puis recommencez.")
        _keep(tx, keys, box, chosen, version + 1 if sequence_id else 1, sequence, "current")

    await app.db.write(write)
    return chosen


async def withdraw(app: App, box: MailboxHandle, sequence_id: str) -> None:
    """It is bound to no appointment any more; those it was bound to keep theirs. Raises `Refused`."""

    def write(tx: Tx) -> None:
        keys = access.office_keys(app, tx, box)
        known = next((one for one in _all(tx, keys, box.mailbox_id) if one.id == sequence_id), None)
        if known is None:
            raise Refused
        _keep(tx, keys, box, sequence_id, known.version + 1, known.sequence, "withdrawn")

    await app.db.write(write)


def _keep(
    tx: Tx, keys: SpaceKeys, box: MailboxHandle, chosen: str, version: int, sequence: Sequence, state: str
) -> None:
    sealed = keys.seal("blueprint", blueprints.record(chosen, version), msgspec.json.encode(sequence))
    if not blueprints.add(tx, box.space_id, KIND, chosen, version, sealed, box.actor.account_id, state):
        raise Conflict("sequence_changed", "Ce parcours a changé entre-temps. Relisez-le, puis recommencez.")
    audit.record(tx, Act.SEQUENCE_CHANGED, box.actor, box.space_id, box.ground, chosen, state)


def named(tx: Tx, app: App, box: MailboxHandle, name: str) -> tuple[Prepared | None, list[str]]:
    """The usable sequence of that name, however it is typed; and the names there are."""
    found = _usable(tx, app, box)
    wanted = folded(name)
    return next((one for one in found if folded(one.sequence.name) == wanted), None), [
        one.sequence.name for one in found
    ]


def folded(name: str) -> str:
    """Without accents, capitals, spaces or punctuation: as it is typed in a hurry."""
    text = unicodedata.normalize("NFKD", name.casefold())
    return "".join(char for char in text if char.isalnum())


def _usable(tx: Tx, app: App, box: MailboxHandle) -> list[Prepared]:
    found = _all(tx, access.office_keys(app, tx, box), box.mailbox_id)
    if box.owner == box.actor.account_id:
        for _, _, mailbox_id in teams.of_account(tx, box.actor.account_id):
            team = access.office(app, tx, box.actor, mailbox_id)
            found += _all(tx, access.office_keys(app, tx, team), mailbox_id)
    return found


def _all(tx: Tx, keys: SpaceKeys, mailbox_id: str) -> list[Prepared]:
    found = [_open(keys, one, mailbox_id) for one in blueprints.current(tx, keys.space_id, KIND)]
    return sorted(found, key=lambda one: folded(one.sequence.name))


def _open(keys: SpaceKeys, found: Blueprint, mailbox_id: str) -> Prepared:
    facts = keys.open("blueprint", blueprints.record(found.id, found.version), found.facts)
    sequence = msgspec.json.decode(facts, type=Sequence)
    return Prepared(found.id, found.version, sequence, keys.space_id, mailbox_id, found.changed_by, found.changed_at)
