"""Keywords of a mailbox (RFC 9051 § 2.3.2): which bit of `entries.flags` each is, and who of a team has a conversation.
Functions of one transaction.

A keyword is `own` (a client's) or `assigned` (given by Pli, and by nobody else). Names are sealed by `server.keywords`.
A conversation that is assigned carries its bit on each of its messages, and `threads.assigned` gives it to those that
arrive (`entries.add`).
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Tx
from storage.entries import CLOSED, FIRST_KEYWORD, LAST_KEYWORD, next_seq
from storage.vault import Sealed

OWN, ASSIGNED = "own", "assigned"


@dataclass(frozen=True, slots=True)
class Keyword:
    """`bit`: its place in `entries.flags`. `account_id`: of an assigned one, whose."""

    bit: int
    name: bytes
    kind: str
    account_id: str


def of(tx: Tx, mailbox_id: str) -> list[Keyword]:
    """Those of this mailbox, by place."""
    rows = tx.run(
        "SELECT bit, name, kind, account_id FROM keywords WHERE mailbox_id = :mailbox ORDER BY bit", mailbox=mailbox_id
    )
    return [Keyword(*row) for row in rows]


def free_bit(known: list[Keyword]) -> int | None:
    """The first place that nobody has, or None."""
    taken = {keyword.bit for keyword in known}
    return next((bit for bit in range(FIRST_KEYWORD, LAST_KEYWORD + 1) if bit not in taken), None)


def insert(tx: Tx, mailbox_id: str, bit: int, name: Sealed, kind: str, account_id: str = "") -> None:
    tx.run(
        "INSERT INTO keywords (mailbox_id, bit, name, kind, account_id) VALUES (:mailbox, :bit, :name, :kind, :a)",
        mailbox=mailbox_id,
        bit=bit,
        name=name,
        kind=kind,
        a=account_id,
    )


def assigned_mask(tx: Tx, mailbox_id: str) -> int:
    """Every bit that only Pli gives in this mailbox."""
    rows = tx.run("SELECT bit FROM keywords WHERE mailbox_id = :mailbox AND kind = 'assigned'", mailbox=mailbox_id)
    return sum(1 << int(row[0]) for row in rows) | CLOSED


def assign(tx: Tx, mailbox_id: str, conversation_id: str, bits: int) -> None:
    """Every message of the conversation here carries `bits` (0: none) and no other assigned keyword; so will those that
    arrive later. One number for all: they moved together (RFC 7162 § 3.1).
    """
    mask = assigned_mask(tx, mailbox_id)
    seq = next_seq(tx, mailbox_id)
    tx.run(
        "UPDATE entries SET flags = flags - (flags & :mask) + :bits, modseq = :seq WHERE mailbox_id = :mailbox"
        " AND conversation_id = :c AND kind = 'message' AND (flags & :mask) <> :bits",
        mask=mask,
        bits=bits,
        seq=seq,
        mailbox=mailbox_id,
        c=conversation_id,
    )
    tx.run(
        "UPDATE threads SET assigned = :bits WHERE mailbox_id = :mailbox AND conversation_id = :c",
        bits=bits,
        mailbox=mailbox_id,
        c=conversation_id,
    )


def remove(tx: Tx, mailbox_id: str, bit: int) -> None:
    """Its place is free. No message may carry it any more."""
    tx.run("DELETE FROM keywords WHERE mailbox_id = :mailbox AND bit = :bit", mailbox=mailbox_id, bit=bit)


def held_by(tx: Tx, mailbox_id: str, bits: int) -> list[str]:
    """The conversations that carry these assigned bits."""
    rows = tx.run(
        "SELECT conversation_id FROM threads WHERE mailbox_id = :mailbox AND assigned = :bits",
        mailbox=mailbox_id,
        bits=bits,
    )
    return [row[0] for row in rows]
