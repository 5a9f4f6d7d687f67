"""Who somebody is for an identity provider. Functions of one transaction.

A holder is also known by their strict traits, under the issuer `TRAITS`: an index, so that nobody is looked for by
opening spaces. Two holders with the same traits are nobody there (an empty account), for good.
"""

from __future__ import annotations

from storage.database import Tx
from storage.ids import now_ms

TRAITS = "traits"


def account_of(tx: Tx, issuer: str, subject_hash: str) -> str | None:
    """The account of a subject; '' when it could be several; None when it is nobody yet."""
    rows = tx.run(
        "SELECT account_id FROM identities WHERE issuer = :issuer AND subject_hash = :h", issuer=issuer, h=subject_hash
    )
    return str(rows[0][0]) if rows else None


def keep(tx: Tx, issuer: str, subject_hash: str, account_id: str) -> None:
    """This subject is this account, seen now."""
    tx.run(
        "INSERT INTO identities (issuer, subject_hash, account_id, created_at, seen_at) VALUES (:issuer, :h, :a, :at, "
        ":at) ON CONFLICT (issuer, subject_hash) DO UPDATE SET account_id = excluded.account_id, seen_at = :at",
        issuer=issuer,
        h=subject_hash,
        a=account_id,
        at=now_ms(),
    )


def index_traits(tx: Tx, traits_hash: str, account_id: str) -> None:
    """Whoever has these traits is this account; or could be several, when it was another."""
    tx.run(
        "INSERT INTO identities (issuer, subject_hash, account_id, created_at, seen_at) VALUES (:issuer, :h, :a, :at, "
        ":at) ON CONFLICT (issuer, subject_hash) DO UPDATE SET account_id = '' WHERE identities.account_id <> "
        "excluded.account_id",
        issuer=TRAITS,
        h=traits_hash,
        a=account_id,
        at=now_ms(),
    )
