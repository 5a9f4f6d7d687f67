"""The published white list of MSSanté: which certificates vouch for which domain. Pure.

    ListeBlancheMSSante (namespace `https://listeblanche.mssante.fr/schema`)
      DateDeGeneration                   2025-03-13T14:54:10Z
      ListeDomaines / Domaine*           one name may stand several times, once a certificate
        Nom, DNCertificatOperateur       and Description, contacts, DateMAJ, which are not read

Promises: whatever the file, a `WhiteList` or Malformed; an entry that names no domain or no certificate is skipped and
counted, the others stand. Does not verify who wrote the file: that is its checksum's business and the TLS's by which
it came.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime

from mail_gateway import subjects
from server.formats.malformed import Malformed
from server.formats.xml import Element, parse, text_of

NAMESPACE = "{https://listeblanche.mssante.fr/schema}"
MAX_BYTES = 24_000_000  # the country's list of 2025 is 4 MB, 8,600 entries
MAX_ENTRIES = 50_000

_DOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+")


@dataclass(frozen=True, slots=True)
class WhiteList:
    """`generated`: as written in the file, and `at`, its instant. `entries`: (domain in lower case, subject), each
    once, sorted. `digest`: SHA-256 of the file, hexadecimal. `skipped`: entries that could not be used.
    """

    generated: str
    at: datetime
    digest: str
    entries: tuple[tuple[str, str], ...]
    skipped: int


def read(data: bytes) -> WhiteList:
    """Raises Malformed("xml", "xml_doctype", "xml_size", "white_list", "white_list_date", "white_list_empty")."""
    if len(data) > MAX_BYTES:
        raise Malformed("xml_size", "Le fichier est trop grand pour une liste blanche.")
    root = parse(data)
    if root.tag != f"{NAMESPACE}ListeBlancheMSSante":
        raise Malformed("white_list", "Ce fichier n’est pas une liste blanche MSSanté (racine ou espace de noms).")
    generated = text_of(_only(root, "DateDeGeneration"))
    listed = _only(root, "ListeDomaines").findall(f"{NAMESPACE}Domaine")
    if len(listed) > MAX_ENTRIES:
        raise Malformed("xml_size", "La liste blanche a trop d’entrées.")
    read_, skipped = set[tuple[str, str]](), 0
    known: dict[str, bool] = {}  # a few hundred certificates vouch for thousands of domains
    for element in listed:
        domain, subject = _text(element, "Nom"), _text(element, "DNCertificatOperateur")
        if subject not in known:
            known[subject] = _readable(subject)
        if is_domain(domain) and known[subject]:
            read_.add((domain.lower(), subject))
        else:
            skipped += 1
    if not read_:
        raise Malformed("white_list_empty", "La liste blanche est vide : elle n’est pas prise.")
    digest = hashlib.sha256(data).hexdigest()
    return WhiteList(generated, _instant(generated), digest, tuple(sorted(read_)), skipped)


def is_domain(text: str) -> bool:
    """Whether this is a domain name, whatever its case. ASCII only: `K` (Kelvin) in lower case is a plain k."""
    return text.isascii() and _DOMAIN.fullmatch(text.lower()) is not None


def _only(parent: Element, name: str) -> Element:
    found = parent.findall(f"{NAMESPACE}{name}")
    if len(found) != 1:
        raise Malformed("white_list", f"La liste blanche doit avoir un élément {name}, et un seul.")
    return found[0]


def _text(parent: Element, name: str) -> str:
    """Of the one child of that name; "" when there is none, or several."""
    found = parent.findall(f"{NAMESPACE}{name}")
    return text_of(found[0]) if len(found) == 1 else ""


def _readable(subject: str) -> bool:
    try:
        subjects.parse(subject)
    except Malformed:
        return False
    return True


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = datetime.min  # noqa: DTZ901 - only to be refused below
    if found.tzinfo is None:
        raise Malformed("white_list_date", "La date de génération de la liste blanche est illisible.")
    return found
