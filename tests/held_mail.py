"""Letters that are held, a reader that breaks, and what senders are told: for the tests of quarantine."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP as POLICY
from typing import Any

import msgspec
import pytest

from mail_gateway import mime, verdict
from server import reading
from storage.database import Tx
from tests import letters
from tests.letters import MARCEL
from tests.mail_house import MailHouse, plain

POISON = "Ceci fait tomber le lecteur"


@dataclass
class Fault:
    """A fault of ours: letters that hold `POISON` break the reader, `most` times, and raise `then` from then on."""

    error: Exception | None
    most: int = 1_000
    then: Exception | None = None
    met: int = 0


def break_reader(monkeypatch: pytest.MonkeyPatch) -> Fault:
    here, read = Fault(RecursionError("maximum recursion depth exceeded")), mime.read_with_root

    def broken(raw: bytes) -> Any:
        if POISON.encode() in raw:
            here.met += 1
            error = here.error if here.met <= here.most else here.then
            if error is not None:
                raise error
        return read(raw)

    monkeypatch.setattr(mime, "read_with_root", broken)
    return here


def with_archive(data: bytes, text: str = "Bonjour", **letter: object) -> bytes:
    return plain(text, **{"files": [("IHE_XDM.ZIP", "application/zip", data)], **letter})


def of_somebody_else(text: str = "Bonjour", **letter: object) -> bytes:
    """A report about Marcel, sent to whoever it is sent to."""
    return with_archive(letters.xdm_zip(ins=MARCEL), text, **{"subject": "XDM/1.0/DDM+Compte rendu", **letter})


async def told(house: MailHouse, name: str = "dominique") -> list[tuple[str, EmailMessage]]:
    """(to whom, the mail) of what is owed to senders elsewhere about letters to somebody."""
    space = house.people[name].space_id

    def owed(tx: Tx) -> list[tuple[str, bytes]]:
        keys = reading.space_keys(house.app, tx, space)
        rows = tx.run("SELECT id, target FROM deliveries WHERE space_id = :s AND channel = 'notice'", s=space)
        targets = [msgspec.json.decode(keys.open("delivery", row[0], row[1])) for row in rows]
        return [(target["to"], base64.b64decode(target["mail"])) for target in targets]

    return [(to, parsed(mail)) for to, mail in await house.app.db.read(owed)]


def parsed(mail: bytes) -> EmailMessage:
    return BytesParser(policy=POLICY).parsebytes(mail)


async def count(house: MailHouse, table: str) -> int:
    return int((await house.app.db.read(lambda tx: tx.run(f"SELECT COUNT(*) FROM {table}")))[0][0])


def hurry(house: MailHouse) -> None:
    """What waits is read again at once."""
    house.app.settings = replace(house.app.settings, quarantine_retry_seconds="0,0")


async def the_one(house: MailHouse) -> dict[str, Any]:
    (only,) = await verdict.listed(house.app, everything=True)
    return only
