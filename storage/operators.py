"""Trusted operators, added by hand or read in a published list: whose certificate vouches for which domain. Functions
of one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from storage.database import Tx
from storage.ids import now_ms


@dataclass(frozen=True, slots=True)
class Operator:
    """One certificate of one domain. `fingerprint`: SHA-256 of the certificate, hexadecimal, "" when only its subject
    is known (the published white list); `certificate`: PEM, "" likewise.
    """

    domain: str
    fingerprint: str
    subject: str
    certificate: str


@dataclass(frozen=True, slots=True)
class ListInForce:
    """A published list as it was last good. `digest`: SHA-256 of the file; `generated`: as the file says; `taken_at`:
    when it was last read or found unchanged (ms).
    """

    digest: str
    generated: str
    taken_at: int
    entries: int


Entry = tuple[str, str]  # domain, subject of a certificate
_AT_ONCE = 250  # rows a statement


def insert(tx: Tx, operator: Operator) -> bool:
    """False when it was there. A domain may have several certificates, as on the white list."""
    return bool(
        tx.run(
            "INSERT INTO trusted_operators (domain, fingerprint, subject, certificate, added_at)"
            " VALUES (:domain, :fingerprint, :subject, :certificate, :at) ON CONFLICT DO NOTHING RETURNING domain",
            domain=operator.domain, fingerprint=operator.fingerprint, subject=operator.subject,
            certificate=operator.certificate, at=now_ms(),
        )
    )  # fmt: skip


def remove(tx: Tx, domain: str, fingerprint: str) -> int:
    """Removes one certificate of a domain, or all of them when `fingerprint` is empty. Returns how many."""
    return len(
        tx.run(
            "DELETE FROM trusted_operators WHERE domain = :domain AND (:fingerprint = '' OR fingerprint = :fingerprint)"
            " RETURNING domain",
            domain=domain, fingerprint=fingerprint,
        )
    )  # fmt: skip


def every(tx: Tx) -> list[Operator]:
    rows = tx.run(
        "SELECT domain, fingerprint, subject, certificate FROM trusted_operators ORDER BY domain, fingerprint"
    )
    return [Operator(*row) for row in rows]


def list_in_force(tx: Tx, name: str) -> ListInForce | None:
    rows = tx.run("SELECT digest, generated, taken_at, entries FROM white_lists WHERE name = :name", name=name)
    return ListInForce(*rows[0]) if rows else None


def hold_list(tx: Tx, name: str) -> ListInForce | None:
    """As `list_in_force`; until the commit, nobody else changes the list of that name."""
    ((digest, *rest),) = tx.run(
        "INSERT INTO white_lists (name, digest, generated, taken_at, entries) VALUES (:name, '', '', 0, 0)"
        " ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING digest, generated, taken_at, entries",
        name=name,
    )
    return ListInForce(digest, *rest) if digest else None


def set_list(tx: Tx, name: str, now: ListInForce) -> None:
    """Of a list that `hold_list` holds."""
    tx.run(
        "UPDATE white_lists SET digest = :digest, generated = :generated, taken_at = :taken_at, entries = :entries"
        " WHERE name = :name",
        name=name, digest=now.digest, generated=now.generated, taken_at=now.taken_at, entries=now.entries,
    )  # fmt: skip


def listed(tx: Tx, name: str) -> list[Entry]:
    rows = tx.run("SELECT domain, subject FROM listed_operators WHERE list_name = :name", name=name)
    return [(domain, subject) for domain, subject in rows]


def insert_listed(tx: Tx, name: str, entries: Iterable[Entry]) -> None:
    for marks, values in _in_pieces(entries, "(:name, :d{0}, :s{0})"):
        tx.run(f"INSERT INTO listed_operators (list_name, domain, subject) VALUES {marks}", name=name, **values)


def delete_listed(tx: Tx, name: str, entries: Iterable[Entry]) -> None:
    for marks, values in _in_pieces(entries, "(:d{0}, :s{0})"):
        tx.run(
            f"DELETE FROM listed_operators WHERE list_name = :name AND (domain, subject) IN (VALUES {marks})",
            name=name, **values,
        )  # fmt: skip


def _in_pieces(entries: Iterable[Entry], mark: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The entries as rows of parameters, `_AT_ONCE` a statement: a country's list is thousands of rows."""
    left = iter(sorted(entries))
    while piece := tuple(islice(left, _AT_ONCE)):
        yield ", ".join(mark.format(number) for number in range(len(piece))), _values(piece)


def _values(piece: Sequence[Entry]) -> dict[str, str]:
    domains = {f"d{number}": domain for number, (domain, _) in enumerate(piece)}
    return domains | {f"s{number}": subject for number, (_, subject) in enumerate(piece)}
