"""The names of a mailbox's keywords, and the keyword that says who of a team has a conversation.

    a client's own word          own         at most `OWN_MOST` a mailbox (`OWN_MOST_OF_A_TEAM` in a team's)
    Pris-<name of the address>   assigned    somebody of the team took the conversation, or was given it
    Clos                         assigned    the team has finished; the next word that is written takes it away

Promises: names are sealed for the mailbox's own space, and the same whatever their case (RFC 9051 § 2.3.2); an assigned
keyword is given and taken by Pli alone, so that no program assigns by mistake. Functions of one transaction.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from server.errors import Throttled
from server.handles import MailboxHandle
from server.reading import keys_of
from storage import accounts, entries
from storage import keywords as rows
from storage.database import Tx
from storage.entries import CLOSED, CLOSED_KEYWORD
from storage.keywords import ASSIGNED, OWN, Keyword
from storage.vault import CannotOpen, Sealed, SpaceKeys

if TYPE_CHECKING:
    from server.app import App

OWN_MOST = 50
OWN_MOST_OF_A_TEAM = 30  # the rest is for who works there
LONG = 100  # characters of a name; what is longer is not kept
TAKEN, FINISHED = "Pris-", "Clos"


def names(tx: Tx, app: App, box: MailboxHandle) -> dict[int, str]:
    """Place of the bit → name."""
    keys = keys_of(app, tx, box.space_id, {})
    found = {word.bit: _name(app, keys, box.mailbox_id, word) for word in rows.of(tx, box.mailbox_id)}
    told = {bit: name for bit, name in found.items() if name}
    return told | ({CLOSED_KEYWORD: FINISHED} if box.owner_kind == "team" else {})


def places(tx: Tx, app: App, box: MailboxHandle, wanted: Sequence[str]) -> dict[str, int] | None:
    """The place of each name, or None when one has to be made."""
    known = {name.casefold(): bit for bit, name in names(tx, app, box).items()}
    asked = [name for name in wanted if name.casefold() in known or not _unwanted(box, name)]
    if any(name.casefold() not in known for name in asked):
        return None
    return {name: known[name.casefold()] for name in asked}


def make(app: App, tx: Tx, box: MailboxHandle, wanted: Sequence[str]) -> dict[str, int]:
    """As `places`, inside a write: what is missing is made. Raises `Throttled`."""
    keys = keys_of(app, tx, box.space_id, {})
    known = {name.casefold(): bit for bit, name in names(tx, app, box).items()}
    words = rows.of(tx, box.mailbox_id)
    most = OWN_MOST_OF_A_TEAM if box.owner_kind == "team" else OWN_MOST
    for name in wanted:
        if name.casefold() in known or _unwanted(box, name):
            continue
        bit = rows.free_bit(words)
        if bit is None or sum(word.kind == OWN for word in words) >= most:
            raise Throttled("too_many_keywords", f"Cette boîte a déjà {most} mots-clés : reprenez l’un d’eux.")
        rows.insert(tx, box.mailbox_id, bit, keys.seal("keyword", f"{box.mailbox_id}.{bit}", name.encode()), OWN)
        known[name.casefold()] = bit
        words = rows.of(tx, box.mailbox_id)
    return {name: known[name.casefold()] for name in wanted if name.casefold() in known}


def _unwanted(box: MailboxHandle, name: str) -> bool:
    """What a client may not make: what in a team's mailbox would look like Pli's own, and what is too long."""
    like_ours = name.casefold().startswith(TAKEN.casefold()) or name.casefold() == FINISHED.casefold()
    return len(name) > LONG or (box.owner_kind == "team" and like_ours)


def _name(app: App, keys: SpaceKeys, mailbox_id: str, word: Keyword) -> str:
    try:
        return keys.open("keyword", f"{mailbox_id}.{word.bit}", word.name).decode()
    except CannotOpen:
        app.metrics.unopened()
        return ""


# ---- who has a conversation ------------------------------------------------------------------------------------------


def say_taken(app: App, tx: Tx, box: MailboxHandle, conversation_id: str, account_id: str) -> None:
    """Somebody of the team (`account_id`) has the conversation from now on; '' for nobody. In that transaction."""
    entries.hold(tx, box.mailbox_id)
    rows.assign(tx, box.mailbox_id, conversation_id, _bit_of(app, tx, box, account_id) if account_id else 0)


def say_finished(tx: Tx, mailbox_id: str, conversation_id: str) -> None:
    """The team has finished, or another one answers: `Clos` on what is there, until somebody writes."""
    rows.assign(tx, mailbox_id, conversation_id, CLOSED)


def forget(tx: Tx, team: str, account_id: str) -> str:
    """Somebody works in the team no longer: what they had taken is anybody's, and their keyword is no more.
    Returns the team's mailbox.
    """
    owner = accounts.by_id(tx, team)
    if owner is None:
        return ""
    entries.hold(tx, owner.mailbox_id)
    for word in rows.of(tx, owner.mailbox_id):
        if word.kind == ASSIGNED and word.account_id == account_id:
            for conversation in rows.held_by(tx, owner.mailbox_id, 1 << word.bit):
                rows.assign(tx, owner.mailbox_id, conversation, 0)
            rows.remove(tx, owner.mailbox_id, word.bit)
    return owner.mailbox_id


def _bit_of(app: App, tx: Tx, box: MailboxHandle, account_id: str) -> int:
    """The bit of a member's keyword, made the first time; none when every place is taken: who has the conversation
    stands on the web all the same.
    """
    words = rows.of(tx, box.mailbox_id)
    own = next((word.bit for word in words if word.kind == ASSIGNED and word.account_id == account_id), None)
    if own is not None:
        return 1 << own
    bit = rows.free_bit(words)
    if bit is None:
        return 0
    keys = keys_of(app, tx, box.space_id, {})
    rows.insert(tx, box.mailbox_id, bit, _sealed(app, tx, box, keys, bit, account_id), ASSIGNED, account_id)
    return 1 << bit


def _sealed(app: App, tx: Tx, box: MailboxHandle, keys: SpaceKeys, bit: int, account_id: str) -> Sealed:
    """`Pris-` and what stands before the @ of their address, as an atom (RFC 9051 § 9), told apart from the others."""
    account = accounts.by_id(tx, account_id)
    local = (account.address or "").partition("@")[0] if account else ""
    plain = TAKEN + (re.sub(r"[^A-Za-z0-9._+-]", "-", local)[: LONG // 2] or "quelqu-un")
    taken = {name.casefold() for place, name in names(tx, app, box).items() if place != bit}
    told = next(
        name
        for number in range(1, 100)
        if (name := plain if number == 1 else f"{plain}-{number}").casefold() not in taken
    )
    return keys.seal("keyword", f"{box.mailbox_id}.{bit}", told.encode())
