"""What other servers say of the mail we sent them: not delivered (RFC 3464), read (RFC 8098).

A report counts only when it names a letter of this patient's space by its Message-ID, and a recipient of that letter
whose domain the reporting peer may speak for. It then becomes a record with its date: `failed` with a line in the
thread for who wrote, `delivered`, or `read`. Anything else is refused: a report nobody can place is not a letter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from mail_gateway import structure
from mail_gateway.addresses import normalise
from mail_gateway.headers import Headers, addresses, message_ids
from mail_gateway.malformed import Malformed
from mail_gateway.smtp_syntax import Refusal
from server import delivery, reading
from server.access import SpaceHandle
from storage import conversations, messages
from storage.database import Tx

if TYPE_CHECKING:
    from server.app import App

_STATES: Final = {"failed": "failed", "delivered": "delivered", "relayed": "delivered", "expanded": "delivered"}
_READ: Final = ("displayed", "processed")
_UNKNOWN: Final = "Cet avis ne correspond à aucun message envoyé d’ici"
_REASON: Final = "Le serveur du destinataire l’a rendu."


@dataclass(frozen=True, slots=True)
class Report:
    """`original`: the Message-ID it is about. `states`: (recipient's address, delivered | failed | read | "")."""

    original: str
    states: tuple[tuple[str, str], ...]


def read(raw: bytes) -> Report:
    """The report in a multipart/report. Raises `Malformed`."""
    root = structure.index(raw)
    original, states = "", []
    for node in structure.walk(root):
        kind = f"{node.type}/{node.subtype}"
        if kind in ("message/delivery-status", "message/global-delivery-status"):
            states += _deliveries(structure.text(raw, node))
        elif kind in ("message/disposition-notification", "message/global-disposition-notification"):
            fields = _fields(structure.text(raw, node))
            original = original or next(iter(message_ids(fields.get("original-message-id"))), "")
            disposition = fields.get("disposition", "").rpartition(";")[2].partition("/")[0].strip().lower()
            states.append((_recipient(fields), "read" if disposition in _READ else ""))
        elif kind in ("text/rfc822-headers", "message/rfc822", "message/global-headers", "message/global"):
            block = structure.decode(raw, node)
            end = block.find(b"\r\n\r\n")
            found = message_ids(Headers(block[: end + 2] if end >= 0 else block[:100_000]).get("message-id"))
            original = original or next(iter(found), "")
    if not original or not states:
        raise Malformed("report", _UNKNOWN)
    return Report(original, tuple(states[:100]))


def _deliveries(text: str) -> list[tuple[str, str]]:
    """RFC 3464 § 2.1: blocks of fields with a blank line between them; the first is about the message as a whole."""
    found = []
    for block in text.split("\n\n")[:100]:
        fields = _fields(block)
        if "action" in fields:
            found.append((_recipient(fields), _STATES.get(fields["action"].strip().lower(), "")))
    return found


def _fields(text: str) -> dict[str, str]:
    return {name.lower(): value for name, value in Headers(text.strip("\n").encode() + b"\n")}


def _recipient(fields: dict[str, str]) -> str:
    """The address we wrote to: the original recipient when the server says it, the final one otherwise."""
    value = fields.get("original-recipient") or fields.get("final-recipient", "")
    found = addresses(value.partition(";")[2])
    return found[0].address if found else ""


async def take(app: App, raw: bytes, domains: frozenset[str], space: SpaceHandle) -> None:
    """Record what a report says. `domains`: those the peer speaks for. Raises `Refusal`: it is about nobody here."""
    try:
        report = read(raw)
    except Malformed:
        raise Refusal(550, "5.6.0", _UNKNOWN) from None
    known = await app.db.read(_known, app, space, report.original)
    if known is None:
        raise Refusal(550, "5.7.1", _UNKNOWN)
    message_id, members = known
    placed = False
    for address, state in report.states:
        member = members.get(normalise(address).lower())
        if member is None or address.rpartition("@")[2].lower() not in domains:
            continue
        placed = True
        if state == "failed":
            await delivery.bounce(app, space.keys, message_id, member, _REASON)
        elif state:
            app.hub.wake(await app.db.write(_record, space.space_id, message_id, member, state))
    if not placed:
        raise Refusal(550, "5.7.1", _UNKNOWN)


def _known(tx: Tx, app: App, space: SpaceHandle, original: str) -> tuple[str, dict[str, str]] | None:
    """(message, its correspondents elsewhere by address), when the patient of this space wrote it or takes part in
    it.
    """
    found = conversations.referenced(tx, space.space_id, [app.vault.lookup("reference", original)])
    if found is None:
        return None
    conversation_id, message_id = found
    members = {}
    for one in conversations.participants(tx, space.space_id, conversation_id):
        card = conversations.contact_card(tx, space.space_id, one.member_id) if one.kind == "contact" else None
        if card is not None:
            opened = msgspec.json.decode(space.keys.open("contact", one.member_id, card))
            members[normalise(str(opened["address"])).lower()] = one.member_id
    return message_id, members


def _record(tx: Tx, space_id: str, message_id: str, member: str, state: str) -> set[str]:
    message = messages.find(tx, space_id, message_id)
    if message is None or not messages.add_receipt(tx, space_id, message_id, member, state):
        return set()
    return reading.tell_author(tx, space_id, message)
