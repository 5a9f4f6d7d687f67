"""Accounts, spaces, mailboxes, delegations and what signs people in. Functions of one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from storage import credentials
from storage.database import Tx
from storage.ids import now_ms
from storage.vault import Sealed

_ACCOUNT = (
    "id, kind, name, role, organisation, organisation_id, address, mailbox_id, space_id, language, password,"
    " profession, national_id"
)


@dataclass(frozen=True, slots=True)
class Account:
    id: str
    kind: str
    name: str
    role: str
    organisation: str
    organisation_id: str
    address: str | None
    mailbox_id: str
    space_id: str
    language: str
    password: str
    profession: str
    national_id: str


@dataclass(frozen=True, slots=True)
class Space:
    id: str
    kind: str
    state: str
    wrapped_key: bytes
    traits: bytes | None


def _account(rows: list[tuple[Any, ...]]) -> Account | None:
    return Account(*rows[0]) if rows else None


def insert_space(
    tx: Tx, space_id: str, kind: str, wrapped_key: bytes, ins_hash: str | None, traits: Sealed | None
) -> None:
    tx.run(
        "INSERT INTO spaces (id, kind, state, ins_hash, wrapped_key, traits, opened_at)"
        " VALUES (:id, :kind, 'open', :ins_hash, :wrapped, :traits, :at)",
        id=space_id,
        kind=kind,
        ins_hash=ins_hash,
        wrapped=wrapped_key,
        traits=traits,
        at=now_ms(),
    )


def insert_account(tx: Tx, account: Account, validity: int) -> None:
    """The account and its empty mailbox."""
    tx.run(
        f"INSERT INTO accounts ({_ACCOUNT}, created_at) VALUES (:id, :kind, :name, :role, :organisation, "
        ":organisation_id,"
        " :address, :mailbox, :space, :language, :password, :profession, :national_id, :at)",
        id=account.id,
        kind=account.kind,
        name=account.name,
        role=account.role,
        organisation=account.organisation,
        organisation_id=account.organisation_id,
        address=account.address,
        mailbox=account.mailbox_id,
        space=account.space_id,
        language=account.language,
        password=account.password,
        profession=account.profession,
        national_id=account.national_id,
        at=now_ms(),
    )
    tx.run(
        "INSERT INTO mailboxes (id, account_id, space_id, validity) VALUES (:id, :account, :space, :validity)",
        id=account.mailbox_id,
        account=account.id,
        space=account.space_id,
        validity=validity,
    )


def by_id(tx: Tx, account_id: str) -> Account | None:
    return _account(tx.run(f"SELECT {_ACCOUNT} FROM accounts WHERE id = :id AND ended_at IS NULL", id=account_id))


def in_force(tx: Tx, account_id: str) -> bool:
    return bool(tx.run("SELECT 1 FROM accounts WHERE id = :id AND ended_at IS NULL", id=account_id))


def by_address(tx: Tx, address: str) -> Account | None:
    return _account(tx.run(f"SELECT {_ACCOUNT} FROM accounts WHERE address = :a AND ended_at IS NULL", a=address))


def by_mailbox(tx: Tx, mailbox_id: str) -> Account | None:
    return _account(
        tx.run(
            f"SELECT {_ACCOUNT} FROM accounts WHERE ended_at IS NULL"
            " AND id = (SELECT account_id FROM mailboxes WHERE id = :id)",
            id=mailbox_id,
        )
    )


def everybody(tx: Tx) -> list[Account]:
    return [
        Account(*row)
        for row in tx.run(f"SELECT {_ACCOUNT} FROM accounts WHERE ended_at IS NULL ORDER BY created_at, id")
    ]


def holder_of(tx: Tx, space_id: str) -> Account | None:
    return _account(
        tx.run(
            f"SELECT {_ACCOUNT} FROM accounts WHERE space_id = :s AND kind = 'holder' AND ended_at IS NULL", s=space_id
        )
    )


def holders(tx: Tx) -> list[Account]:
    return [
        Account(*row) for row in tx.run(f"SELECT {_ACCOUNT} FROM accounts WHERE kind = 'holder' AND ended_at IS NULL")
    ]


def space(tx: Tx, space_id: str) -> Space | None:
    rows = tx.run("SELECT id, kind, state, wrapped_key, traits FROM spaces WHERE id = :id", id=space_id)
    return Space(*rows[0]) if rows else None


def space_by_ins(tx: Tx, ins_hash: str) -> Space | None:
    rows = tx.run("SELECT id, kind, state, wrapped_key, traits FROM spaces WHERE ins_hash = :h", h=ins_hash)
    return Space(*rows[0]) if rows else None


def delegate(tx: Tx, space_id: str, account_id: str, kind: str, until: int | None, granted_by: str) -> None:
    tx.run(
        "INSERT INTO delegations (space_id, account_id, kind, from_at, until_at, granted_by)"
        " VALUES (:s, :a, :kind, :at, :until, :by) ON CONFLICT DO NOTHING",
        s=space_id,
        a=account_id,
        kind=kind,
        at=now_ms(),
        until=until,
        by=granted_by,
    )


def delegation(tx: Tx, space_id: str, account_id: str) -> str | None:
    """The kind of a delegation in force, or None."""
    rows = tx.run(
        "SELECT kind FROM delegations WHERE space_id = :s AND account_id = :a AND revoked_at IS NULL AND from_at <= "
        ":now"
        " AND (until_at IS NULL OR until_at > :now)",
        s=space_id,
        a=account_id,
        now=now_ms(),
    )
    return rows[0][0] if rows else None


def represented(tx: Tx, space_id: str) -> bool:
    """Whether a legal representative acts in this space now."""
    return bool(
        tx.run(
            "SELECT 1 FROM delegations WHERE space_id = :s AND kind = 'representative' AND revoked_at IS NULL"
            " AND from_at <= :now AND (until_at IS NULL OR until_at > :now)",
            s=space_id,
            now=now_ms(),
        )
    )


def delegated_spaces(tx: Tx, account_id: str) -> list[tuple[str, str]]:
    """(space, kind) of every delegation in force."""
    rows = tx.run(
        "SELECT space_id, kind FROM delegations WHERE account_id = :a AND revoked_at IS NULL AND from_at <= :now"
        " AND (until_at IS NULL OR until_at > :now) ORDER BY from_at, space_id",
        a=account_id,
        now=now_ms(),
    )
    return [(row[0], row[1]) for row in rows]


def set_password(tx: Tx, account_id: str, password: str) -> None:
    tx.run("UPDATE accounts SET password = :p WHERE id = :a", p=password, a=account_id)


def end(tx: Tx, account_id: str) -> None:
    """The account acts no more; its credentials end with it."""
    tx.run("UPDATE accounts SET ended_at = :at WHERE id = :a", at=now_ms(), a=account_id)
    credentials.revoke_all(tx, account_id)


def vault_key(tx: Tx, name: str) -> bytes | None:
    rows = tx.run("SELECT wrapped FROM vault_keys WHERE name = :n", n=name)
    return rows[0][0] if rows else None


def insert_vault_key(tx: Tx, name: str, wrapped: bytes) -> None:
    tx.run("INSERT INTO vault_keys (name, wrapped) VALUES (:n, :w)", n=name, w=wrapped)
