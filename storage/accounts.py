"""Accounts, spaces and mailboxes. Functions of one transaction."""

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


def even_ended(tx: Tx, account_id: str) -> tuple[Account, int | None] | None:
    """An account, and when it ended: for what is still said of somebody who left."""
    rows = tx.run(f"SELECT {_ACCOUNT}, ended_at FROM accounts WHERE id = :id", id=account_id)
    return (Account(*rows[0][:-1]), rows[0][-1]) if rows else None


def in_force(tx: Tx, account_id: str) -> bool:
    return bool(tx.run("SELECT 1 FROM accounts WHERE id = :id AND ended_at IS NULL", id=account_id))


def name_one(tx: Tx) -> None:
    """Two who take an address at once wait for one another here: the second one then sees the first one's."""
    tx.run("UPDATE vault_keys SET name = name WHERE name = 'lookup'")


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


def professionals(tx: Tx, *national_ids: str) -> list[Account]:
    """The professionals hosted under one of these numbers, the oldest account first."""
    return [
        Account(*row)
        for number in national_ids
        for row in tx.run(
            f"SELECT {_ACCOUNT} FROM accounts WHERE national_id = :n AND national_id <> '' AND"
            " kind = 'professional' AND ended_at IS NULL ORDER BY created_at, id",
            n=number,
        )
    ]


def of_profession(tx: Tx, kind: str, profession: str) -> list[Account]:
    """Those hosted here with this TRE_G15 code, whatever the specialty behind its slash; by name."""
    rows = tx.run(
        f"SELECT {_ACCOUNT} FROM accounts WHERE kind = :kind AND ended_at IS NULL"
        " AND (profession = :p OR profession LIKE :like) ORDER BY name, id",
        kind=kind,
        p=profession,
        like=f"{profession}/%",
    )
    return [Account(*row) for row in rows]


def complete(tx: Tx, account_id: str, role: str, organisation: str, profession: str) -> None:
    """What a professional's account does not say yet; what it says stays."""
    tx.run(
        "UPDATE accounts SET role = CASE role WHEN '' THEN :role ELSE role END, organisation = CASE organisation"
        " WHEN '' THEN :organisation ELSE organisation END, profession = CASE profession WHEN '' THEN :profession"
        " ELSE profession END WHERE id = :a",
        a=account_id,
        role=role,
        organisation=organisation,
        profession=profession,
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


def set_password(tx: Tx, account_id: str, password: str) -> None:
    tx.run("UPDATE accounts SET password = :p WHERE id = :a", p=password, a=account_id)


def end(tx: Tx, account_id: str) -> None:
    """The account acts no more; every way it was signed in ends with it."""
    tx.run("UPDATE accounts SET ended_at = :at WHERE id = :a", at=now_ms(), a=account_id)
    credentials.end_everything(tx, account_id)


def vault_key(tx: Tx, name: str) -> bytes | None:
    rows = tx.run("SELECT wrapped FROM vault_keys WHERE name = :n", n=name)
    return rows[0][0] if rows else None


def insert_vault_key(tx: Tx, name: str, wrapped: bytes) -> None:
    """One that is there already stays: of two processes that make it at once, one does."""
    tx.run("INSERT INTO vault_keys (name, wrapped) VALUES (:n, :w) ON CONFLICT DO NOTHING", n=name, w=wrapped)
