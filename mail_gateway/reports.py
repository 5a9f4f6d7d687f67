"""What others' software says of the mail we sent: not delivered, late, delivered (RFC 3464), read (RFC 8098).

A report counts only when it is about a letter of this patient's space, and about a recipient of that letter whose
domain the reporting peer may speak for. It then becomes a record with its date: `failed`, with a line in the thread for
who wrote, `delayed`, `delivered`, or `read`. It is never shown as a message.

Read leniently, as they are written: the letter is found by our envelope id (ENVID), the Message-ID in the report, in
the header it returns, or in its own In-Reply-To and References; the recipient by what the report says, else by who sent
it, else because the letter had one only; a receipt may be words alone, and its parts of the wrong type.

A report that can be read and is about nothing here is taken, counted and dropped: to refuse it would only make its
sender's server write another one, and most are about letters that a person deleted or a client misquoted. What claims
to be a report and holds none is refused: it may be a letter, and its writer learns that nobody reads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from mail_gateway import handover, outbound, structure
from mail_gateway.addresses import normalise
from mail_gateway.headers import Headers, addresses, decode_words, message_ids
from mail_gateway.smtp_syntax import Refusal
from mail_gateway.structure import Node
from server import reading, threads, undelivered
from server.errors import Refused
from server.formats.malformed import Malformed
from storage import conversations, deliveries, messages
from storage.database import Tx
from storage.vault import CannotOpen, SpaceKeys

if TYPE_CHECKING:
    from server.app import App

log = structlog.get_logger()

_STATES: Final = {
    "failed": "failed", "delayed": "delayed", "delivered": "delivered", "relayed": "delivered", "expanded": "delivered",
}  # fmt: skip
_READ: Final = ("displayed", "processed", "dispatched")  # « processed/error » is no reading; « dispatched »: RFC 2298
_UNKNOWN: Final = "Cet avis n’est pas lisible"
_REASON: Final = "Le serveur du destinataire l’a rendu."
_OPAQUE: Final = re.compile(r"([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{22})")  # the ids of a space and of a delivery
# A receipt in words: what says that it was not read outweighs what says that it was.
_NOT_READ: Final = re.compile(
    r"\b(?:non lu|not read|unread|sans (?:avoir été|être) lu|without being|supprim|deleted|refus)"
)
_WAS_READ: Final = re.compile(r"\b(?:lue?|read|displayed|opened)\b|\baffich|\bouvert")


@dataclass(frozen=True, slots=True)
class Report:
    """`letters`: the Message-IDs it may be about, the surest first. `envelope`: our ENVID. `states`: (recipient's
    address, failed | delayed | delivered | read | "" for news of no consequence, RFC 3463 status). `by`: who sent it.
    """

    letters: tuple[str, ...]
    envelope: str
    states: tuple[tuple[str, str, str], ...]
    by: str


def read(raw: bytes) -> Report:
    """The report in a mail. Raises `Malformed` when there is none."""
    root, headers = structure.index_with_headers(raw)
    letters, envelope, states = list[str](), "", list[tuple[str, str, str]]()
    returned = list[str]()
    for node in structure.walk(root):
        kind = _kind(raw, node)
        if kind == "delivery-status":
            text = structure.text(raw, node)
            envelope = envelope or _fields(text).get("original-envelope-id", "").strip()
            states += _deliveries(text)
        elif kind == "disposition-notification":
            fields = _fields(structure.text(raw, node))
            letters += message_ids(fields.get("original-message-id"))
            states.append((_recipient(fields), _disposition(fields), ""))
        elif kind == "headers":
            block = structure.decode(raw, node)
            end = block.find(b"\r\n\r\n")
            returned += message_ids(Headers(block[: end + 2] if end >= 0 else block[:100_000]).get("message-id"))
    if not states and root.params.get("report-type", "").lower() == "disposition-notification":
        states.append(("", _in_words(raw, root, headers), ""))
    if not states:
        raise Malformed("report", _UNKNOWN)
    letters += returned
    letters += message_ids(headers.get("in-reply-to"))
    letters += reversed(message_ids(headers.get("references")))
    author = addresses(headers.get("from"))
    by = author[0].address if author else ""
    return Report(tuple(dict.fromkeys(letters))[:50], envelope, tuple(states[:100]), by)


def _kind(raw: bytes, node: Node) -> str:
    """What a part is: by its type, or by what it says when its type is a client's invention."""
    name = f"{node.type}/{node.subtype}"
    if name in ("message/delivery-status", "message/global-delivery-status"):
        return "delivery-status"
    if name in ("message/disposition-notification", "message/global-disposition-notification"):
        return "disposition-notification"
    if name in ("text/rfc822-headers", "message/rfc822", "message/global-headers", "message/global"):
        return "headers"
    if node.type in ("text", "application", "message") and not node.children and node.body_end - node.body_start < 8192:
        fields = _fields(structure.text(raw, node)[:8192])
        if "disposition" in fields and ("final-recipient" in fields or "original-message-id" in fields):
            return "disposition-notification"
        if "reporting-mta" in fields:
            return "delivery-status"
    return ""


def _deliveries(text: str) -> Iterator[tuple[str, str, str]]:
    """RFC 3464 § 2.1: blocks of fields with a blank line between them; the first is about the message as a whole."""
    for block in re.split(r"\n[ \t\r]*\n", text)[:100]:
        fields = _fields(block)
        if "action" in fields:
            action = fields["action"].partition("(")[0].strip().lower()
            yield _recipient(fields), _STATES.get(action, ""), fields.get("status", "").strip()


def _disposition(fields: dict[str, str]) -> str:
    """`manual-action/MDN-sent-manually; displayed`, or `displayed` alone; with `/error` nothing was read."""
    value = fields.get("disposition", "").rpartition(";")[2].strip().lower()
    word, _, modifier = value.partition("/")
    return "read" if word.strip() in _READ and not modifier.strip().startswith(("error", "failure")) else ""


def _in_words(raw: bytes, root: Node, headers: Headers) -> str:
    """A receipt that its client wrote for people only."""
    said = decode_words(headers.get("subject") or "").lower()
    for node in structure.walk(root):
        if node.type == "text" and node.subtype == "plain":
            said += " " + structure.text(raw, node)[:2000].lower()
            break
    return "read" if _WAS_READ.search(said) and not _NOT_READ.search(said) else ""


def _fields(text: str) -> dict[str, str]:
    try:
        return {name.lower(): value for name, value in Headers(text.replace("\r\n", "\n").strip("\n").encode() + b"\n")}
    except Malformed:
        return {}


def _recipient(fields: dict[str, str]) -> str:
    """The address we wrote to: the original recipient when the server says it, the final one otherwise."""
    for name in ("original-recipient", "final-recipient"):
        found = addresses(fields.get(name, "").rpartition(";")[2].strip())
        if found:
            return found[0].address
    return ""


async def take(app: App, raw: bytes, domains: frozenset[str], keys: SpaceKeys | None) -> None:
    """Record what a report says. `domains`: those the peer speaks for. `keys`: of the patient it came for; None when it
    came for a professional hosted here, whose letter our envelope id finds. Raises `Refusal`: it says nothing at all.
    """
    try:
        report = read(raw)
    except Malformed:
        raise Refusal(550, "5.6.0", _UNKNOWN) from None
    keys = keys or await app.db.read(_named_space, app, report)
    known = await app.db.read(_known, app, keys, report) if keys is not None else None
    placed = False
    for address, state, status in report.states:
        member = _meant(known, address, report.by, domains) if known is not None else None
        if keys is None or known is None or member is None:
            continue
        placed = True
        if state == "failed":
            told = outbound.reporter(app)
            why = handover.reason(status) or _REASON
            await undelivered.never(app, keys, known.message_id, member, why, reporter=told)
        elif state:
            app.hub.wake(await app.db.write(_record, keys.space_id, known.message_id, member, state))
    if not placed:
        app.metrics.report_dropped()
        log.info("report.dropped", known=known is not None)


@dataclass(frozen=True, slots=True)
class _Known:
    """The letter, its correspondents elsewhere by address, and the one our envelope id names."""

    message_id: str
    members: dict[str, str]
    named: str


def _named_space(tx: Tx, app: App, report: Report) -> SpaceKeys | None:
    """The keys of the space that our envelope id names."""
    found = _OPAQUE.fullmatch(report.envelope)
    try:
        return reading.space_keys(app, tx, found[1]) if found is not None else None
    except (Refused, CannotOpen):
        return None


def _known(tx: Tx, app: App, space: SpaceKeys, report: Report) -> _Known | None:
    """A letter that was written here, in this space; a letter of theirs that the report answers too is none of ours."""
    named = _by_envelope(tx, space, report.envelope)
    candidates = [named[0]] if named else []
    for identifier in report.letters:
        found = threads.found(app, tx, space.space_id, [identifier])
        candidates += [found[1]] if found else []
    for message_id in candidates:
        message = messages.find(tx, space.space_id, message_id)
        if message is None:
            continue
        members = _contacts(tx, space, message.conversation_id)
        if message.author_id not in members.values():
            return _Known(message_id, members, named[1] if named and named[0] == message_id else "")
    return None


def _by_envelope(tx: Tx, space: SpaceKeys, envelope: str) -> tuple[str, str] | None:
    """(message, contact) of the delivery that went out under this ENVID: nobody but that server knows it."""
    ids = _OPAQUE.fullmatch(envelope)
    if ids is None or ids[1] != space.space_id:
        return None
    found = deliveries.find(tx, space.space_id, ids[2])
    if found is None or found[1] != "mail":
        return None
    return found[0], str(msgspec.json.decode(space.open("delivery", ids[2], found[2])).get("contact", ""))


def _contacts(tx: Tx, space: SpaceKeys, conversation_id: str) -> dict[str, str]:
    members = {}
    for one in conversations.participants(tx, space.space_id, conversation_id):
        card = conversations.contact_card(tx, space.space_id, one.member_id) if one.kind == "contact" else None
        if card is not None:
            opened = msgspec.json.decode(space.open("contact", one.member_id, card))
            members[normalise(str(opened["address"])).lower()] = one.member_id
    return members


def _meant(known: _Known, address: str, by: str, domains: frozenset[str]) -> str | None:
    """The correspondent the news is about, if the peer may speak for them."""
    theirs = {one: member for one, member in known.members.items() if one.rpartition("@")[2] in domains}
    member = theirs.get(normalise(address).lower())
    if member is None and known.named in theirs.values():
        return known.named  # forwarded there: the address it failed for is not the one we wrote to
    if member is None and not address:
        member = theirs.get(normalise(by).lower())
        if member is None and len(known.members) == len(theirs) == 1:
            (member,) = theirs.values()
    return member


def _record(tx: Tx, space_id: str, message_id: str, member: str, state: str) -> set[str]:
    message = messages.find(tx, space_id, message_id)
    if message is None:
        return set()
    new = messages.add_receipt(tx, space_id, message_id, member, state)
    if not new and state == "delivered":  # we knew that their server had it; now that it arrived, late perhaps
        new = messages.add_receipt(tx, space_id, message_id, member, "confirmed")
    return reading.tell_author(tx, space_id, message) if new else set()
