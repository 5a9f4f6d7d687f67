"""Vaccinations as they were said, and by the diseases they protect from (`data/vaccines.json`). Pure over what is held.

Promises: what was not done says so, with why; the same injection in several documents is one, with all its sources; a
vaccine nobody knows the disease of stands under its own name. Does not: say what is due (`server.prevention`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

import msgspec

from server.dossier.findings import Held
from server.dossier.results import concept, normalised
from server.dossier.sources import Source, Sources
from server.formats.findings import Immunisation


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: str
    source: str
    diseases: dict[str, tuple[str, str]]
    classes: dict[str, tuple[str, ...]]


TABLE: Final = msgspec.json.decode((Path(__file__).parent / "data" / "vaccines.json").read_bytes(), type=_Table)


class Vaccination(msgspec.Struct, frozen=True, omit_defaults=True):
    """`said`: as its newest source says it. `diseases`: slugs of the table, none when its class is not known."""

    said: Immunisation
    sources: tuple[Source, ...]
    diseases: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.said.product.label or self.said.atc.label or self.said.product.code or self.said.atc.code


def vaccinations(sources: Sources, held: Iterable[Held]) -> list[Vaccination]:
    """Every one, the newest first; those without a date last. Inside a transaction, for the names of `sources`."""
    found: dict[object, Vaccination] = {}
    for one in held:
        if isinstance(said := one.finding, Immunisation):
            made = Vaccination(said, (sources.of(one),), diseases_of(said.atc.code or said.product.code))
            same = (concept(said.atc if said.atc.code else said.product), said.at[:10], said.done)
            known = found.get(same) if said.at else None
            found[same if said.at else one.id] = _joined(known, made) if known else made
    return sorted(found.values(), key=lambda one: one.said.at, reverse=True)


def _joined(one: Vaccination, other: Vaccination) -> Vaccination:
    """Said twice: the newest source speaks, and what it leaves out is the other's."""
    newest, older = sorted((one, other), key=lambda each: each.sources[0].at, reverse=True)
    silent = {
        name: getattr(older.said, name)
        for name in ("lot", "rank", "site", "reason", "reaction", "by", "note")
        if not getattr(newest.said, name)
    }
    said = msgspec.structs.replace(newest.said, **silent)
    return Vaccination(said, (*newest.sources, *older.sources), newest.diseases or older.diseases)


def by_disease(found: Sequence[Vaccination], language: str = "fr") -> list[tuple[str, list[Vaccination]]]:
    """(disease, its vaccinations), in the order of the alphabet; a vaccine against several stands under each."""
    groups: dict[str, list[Vaccination]] = {}
    for one in found:
        for name in [said(slug, language) for slug in one.diseases] or [one.said.atc.label or one.name]:
            groups.setdefault(name, []).append(one)
    return sorted(groups.items(), key=lambda group: normalised(group[0]))


def said(slug: str, language: str = "fr") -> str:
    """The name of a disease."""
    return TABLE.diseases[slug][1 if language == "en" else 0]


@lru_cache(maxsize=512)
def diseases_of(atc: str) -> tuple[str, ...]:
    """What a vaccine of this ATC code protects from; nothing for a code nobody knows."""
    for length in range(len(atc), 4, -1):
        if known := TABLE.classes.get(atc[:length].upper()):
            return known
    return ()
