"""A professional finds a patient by identity: exactly one, or nobody.

    INS + birth date + birth name     the number, checked, and a second proof of whom one means
    strict traits                     birth name, given names, birth date, sex, birth place: by the hash index
    one's own                         those who allowed one to read, those one writes with: `mine`

Promises: a number nobody has, a closed space, a trait that differs, two people alike are one answer, after the same
work (ASVS V4.1; security.md 20); who fails often waits; who was found is recorded, for some hours the dossier may be
asked for (`access.record_of`), and stands in the patient's own log. Nothing of an identity reaches an address.

Does not: let anybody read anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from stdnum.fr import nir

from server import audit, brakes, people, reading, strict_traits
from server.audit import Act
from server.dossier import announcing, volume
from server.dossier import consents as dossier_consents
from server.errors import Invalid, Refused
from server.handles import MailboxHandle
from server.people import Traits
from storage import accounts, conversations, identities
from storage.database import Tx
from storage.vault import SpaceKeys

if TYPE_CHECKING:
    from server.app import App

_INS: Final = re.compile(r"\d{5}[0-9AB]{2}\d{8}", re.ASCII)
FAILED, WINDOW_MS = 10, 3_600_000  # searches that found nobody, in an hour
FAILED_DAY, DAY_MS = 40, 86_400_000
LOOKED_AT: Final = 200  # conversations, for those one writes with
_NOBODY: Final = Traits("", "", "-", "-", "1900-01-01", "F", "00000")


@dataclass(frozen=True, slots=True)
class Sought:
    """What is known of a patient: with `ins`, the birth date and the birth name; else every strict trait. `given`:
    every given name, in order. `birth_date`: ISO 8601. `place`: COG code.
    """

    ins: str = ""
    birth_name: str = ""
    given: str = ""
    birth_date: str = ""
    sex: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """One of a professional's patients. `until`: of what lets them read, ISO 8601; "": none, or until it is withdrawn
    (`allowed`). `last`: when a message last came or went. `untold`: documents that one still has to tell them of.
    """

    space_id: str
    name: str
    birth_name: str
    birth_date: str
    sex: str
    allowed: bool = False
    until: str = ""
    last: str = ""
    untold: int = 0


async def find(app: App, box: MailboxHandle, sought: Sought) -> str:
    """The space of the one patient who is meant. Raises `Invalid`, `Refused` (`no_such_patient`), `Throttled`."""
    if box.actor.kind != "professional" or box.owner_kind not in {"professional", "team"}:
        raise Refused
    ins = _number(app, sought)
    if ins:
        known = bool(sought.birth_name.strip() and sought.birth_date.strip())
        problem = "Avec le matricule, écrivez le nom de naissance et la date de naissance."
    else:
        known = bool(_strict(sought))
        problem = (
            "Écrivez le nom de naissance, les prénoms, la date, le sexe et le lieu de naissance (code à 5 signes)."
        )
    if not known:
        raise Invalid("traits_missing", problem)
    space_id = await app.db.write(_look, app, box, sought, ins)
    if not space_id:
        raise Refused("no_such_patient", "Aucun patient ne correspond exactement. Vérifiez chaque ligne.")
    return space_id


def _number(app: App, sought: Sought) -> str:
    """The INS, "" for none. Raises `Invalid`."""
    ins = "".join(sought.ins.split()).upper()
    strict = app.settings.strict_ins_key
    if ins and (not _INS.fullmatch(ins) or (strict and nir.calc_check_digits(ins[:13]) != ins[13:])):
        raise Invalid("bad_ins", "Vérifiez le matricule INS : 15 chiffres, clé comprise.")
    return ins


def _look(tx: Tx, app: App, box: MailboxHandle, sought: Sought, ins: str) -> str:
    """The space found, or "": what a failure leaves behind is committed. Raises `Throttled`."""
    me = box.actor.account_id
    brakes.not_too_often(app, tx, "find", me, FAILED)
    brakes.not_too_often(app, tx, "find.day", me, FAILED_DAY)
    space_id = _by_number(tx, app, sought, ins) if ins else _by_traits(tx, app, sought)
    if not space_id:
        brakes.often(app, tx, "find", me, FAILED, WINDOW_MS)
        brakes.often(app, tx, "find.day", me, FAILED_DAY, DAY_MS)
        audit.record(tx, Act.PATIENT_FOUND, box.actor, "", "identity", outcome="refused")
        return ""
    volume.found(tx, me, space_id)
    audit.record(tx, Act.PATIENT_FOUND, box.actor, space_id, "identity")
    return space_id


def _by_number(tx: Tx, app: App, sought: Sought, ins: str) -> str:
    space = accounts.space_by_ins(tx, app.vault.lookup("ins", ins))
    traits = people.traits(app, tx, space.id) if space is not None else _same_work(app)
    agrees = (
        traits is not None
        and traits.birth_date == sought.birth_date.strip()
        and strict_traits.same_name(traits.birth_name, sought.birth_name)
    )
    return space.id if space is not None and space.state == "open" and agrees else ""


def _by_traits(tx: Tx, app: App, sought: Sought) -> str:
    """The index is a keyed hash of all of them: nothing is opened, whatever it finds."""
    found = identities.with_traits(tx, app.vault.lookup("traits", _strict(sought)))
    if len(found) != 1:
        return ""
    account = accounts.by_id(tx, found[0])
    space = accounts.space(tx, account.space_id) if account is not None else None
    return space.id if space is not None and space.state == "open" else ""


def _strict(sought: Sought) -> str:
    return strict_traits.canonical(sought.birth_name, sought.given, sought.birth_date, sought.sex, sought.place)


def _same_work(app: App) -> Traits:
    """A key unwrapped, traits opened: what is done for a number that somebody has."""
    keys: SpaceKeys = app.vault.space("-", app.vault.new_wrapped_key())
    keys.open("traits", "-", bytes(keys.seal("traits", "-", b"{}" * 80)))
    return _NOBODY


async def mine(app: App, box: MailboxHandle) -> list[Patient]:
    """The patients of this mailbox: those one writes with, the last first; then who else lets one read."""
    allowed = {one.space_id: one.until for one in await dossier_consents.patients(app, box.actor)}
    return await app.db.read(_mine, app, box, allowed)


def _mine(tx: Tx, app: App, box: MailboxHandle, allowed: dict[str, str]) -> list[Patient]:
    last: dict[str, int] = {}
    for space_id, _, at in conversations.exchanged(tx, box.mailbox_id, LOOKED_AT):
        last[space_id] = max(at, last.get(space_id, 0))
    found = []
    for space_id in sorted({*allowed, *last}, key=lambda one: (-last.get(one, 0), one)):
        space, whose = accounts.space(tx, space_id), people.traits(app, tx, space_id)
        if space is None or whose is None or space.state != "open":
            continue
        wrote = reading.iso(last[space_id]) if last.get(space_id) else ""
        let, until = space_id in allowed, allowed.get(space_id, "")
        untold = announcing.to_announce(tx, reading.space_keys(app, tx, space_id), box.actor.account_id)
        found.append(
            Patient(space_id, whose.name, whose.birth_name, whose.birth_date, whose.sex, let, until, wrote, untold)
        )
    return found
