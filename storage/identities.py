"""Who somebody is for an identity provider. Functions of one transaction.

A holder is also known by their strict traits: an index, so that nobody is looked for by opening spaces. Its issuer is
`traits:` and the keyed hash of the traits, its subject the account: two holders with the same traits are two rows.
"""

from __future__ import annotations

from storage.database import Tx
from storage.ids import now_ms

_KEEP = """
INSERT INTO identities (issuer, subject_hash, account_id, created_at, seen_at) VALUES (:issuer, :h, :a, :at, :at)
ON CONFLICT (issuer, subject_hash) DO UPDATE SET account_id = excluded.account_id, seen_at = excluded.seen_at
"""


def account_of(tx: Tx, issuer: str, subject_hash: str) -> str | None:
    """The account of a subject; None when it is nobody yet."""
    rows = tx.run(
        "SELECT account_id FROM identities WHERE issuer = :issuer AND subject_hash = :h", issuer=issuer, h=subject_hash
    )
    return str(rows[0][0]) if rows else None


def keep(tx: Tx, issuer: str, subject_hash: str, account_id: str) -> None:
    """This subject is this account, seen now."""
    tx.run(_KEEP, issuer=issuer, h=subject_hash, a=account_id, at=now_ms())


def with_traits(tx: Tx, traits_hash: str) -> list[str]:
    """The accounts that were indexed under these traits."""
    rows = tx.run("SELECT account_id FROM identities WHERE issuer = :issuer", issuer=f"traits:{traits_hash}")
    return [str(row[0]) for row in rows]


def index_traits(tx: Tx, traits_hash: str, account_id: str) -> None:
    """This account's holder has these traits; written once."""
    tx.run(
        "INSERT INTO identities (issuer, subject_hash, account_id, created_at, seen_at) VALUES (:issuer, :a, :a, :at,"
        " :at) ON CONFLICT DO NOTHING",
        issuer=f"traits:{traits_hash}",
        a=account_id,
        at=now_ms(),
    )
