"""How holders come in: an identifier by its keyed hash, and a hashed password. Functions of one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Tx
from storage.ids import now_ms


@dataclass(frozen=True, slots=True)
class Login:
    account_id: str
    identifier_hash: str
    password: str


def by_identifier(tx: Tx, identifier_hash: str) -> Login | None:
    """The login of this identifier, of an account in force."""
    rows = tx.run(
        "SELECT l.account_id, l.identifier_hash, l.password FROM logins l"
        " JOIN accounts a ON a.id = l.account_id AND a.ended_at IS NULL WHERE l.identifier_hash = :h",
        h=identifier_hash,
    )
    return Login(*rows[0]) if rows else None


def of_account(tx: Tx, account_id: str) -> Login | None:
    rows = tx.run("SELECT account_id, identifier_hash, password FROM logins WHERE account_id = :a", a=account_id)
    return Login(*rows[0]) if rows else None


def insert(tx: Tx, login: Login) -> bool:
    """False when the account has a login, or the identifier is taken: nothing is changed then."""
    return bool(
        tx.run(
            "INSERT INTO logins (account_id, identifier_hash, password, changed_at) VALUES (:a, :i, :p, :at)"
            " ON CONFLICT DO NOTHING RETURNING account_id",
            a=login.account_id,
            i=login.identifier_hash,
            p=login.password,
            at=now_ms(),
        )
    )


def set_password(tx: Tx, account_id: str, password: str) -> None:
    tx.run(
        "UPDATE logins SET password = :p, changed_at = :at WHERE account_id = :a", a=account_id, p=password, at=now_ms()
    )


def forget(tx: Tx, account_id: str) -> bool:
    """The account has no login any more. True when it had one."""
    return bool(tx.run("DELETE FROM logins WHERE account_id = :a RETURNING account_id", a=account_id))
