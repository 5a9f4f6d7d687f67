"""A team's shared inbox: who works there, who takes a conversation, who it is handed to, why it was closed, who waits.

Who of the team answers (claimed, assigned, released) concerns the team: a record, and nothing for the patient. What
changes for the patient is a line in the conversation: another team answers from now on; the team has finished.

    somebody of the team  →  a record of `storage.teams`, and its line by post() when the patient should know

Promises: a conversation of the team can be seen by all of it, whoever took it; two people who take one at the same
moment are one who has it and one who is told; a patient who writes again opens what was closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from server import access, audit, keywords, people, posting, reading
from server.access import TEAM
from server.audit import Act
from server.drafts import Draft, Member, Receipt
from server.errors import Conflict, Invalid, NotAllowed, Refused
from server.handles import ConversationHandle, MailboxHandle
from storage import accounts, conversations, entries, exchanges, messages
from storage import teams as rows
from storage.database import Tx
from storage.vault import CannotOpen, SpaceKeys

if TYPE_CHECKING:
    from server.app import App
    from server.posting import Doing

REASONS = {
    "answered": "la réponse est donnée",
    "appointment": "un rendez-vous est pris",
    "elsewhere": "la question relève d’un autre service",
    "phone": "nous nous sommes parlé au téléphone",
    "no_answer": "sans nouvelles de vous",
}
BOARD = 200  # conversations looked at, the latest
HISTORY = 500  # messages that a team is given to read when a conversation is handed to it, the latest


@dataclass(frozen=True, slots=True)
class Case:
    """A conversation as its team sees it. `born`: the patient's birth date. `since`: when somebody began to wait, ''
    when nobody does (ISO 8601, both). `state`: waiting, answered, closed. `held_by`: who of the team has it, '' for
    nobody.
    """

    conversation: str
    subject: str
    patient: str
    sex: str
    born: str
    state: str
    since: str
    last: str
    held_by: str
    held_name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Holding:
    """Who has a conversation of a team, and what may be done. `others`: (id, name) of the rest of the team; `teams`:
    (id, name) of those it can be handed to.
    """

    held_by: str
    held_name: str
    closed: str
    members: list[rows.Member]
    teams: list[tuple[str, str]]


async def board(app: App, box: MailboxHandle) -> list[Case]:
    """The conversations of a team's mailbox: those who wait first, the longest first; then the others, the latest
    first. At most `BOARD` of them. Raises `Refused` when it is no team's.
    """
    _of_team(box)

    def pull(tx: Tx) -> list[Case]:
        known: dict[str, SpaceKeys] = {}
        decided = rows.assignments(tx, box.owner)
        names = {member.account_id: member.name for member in rows.members(tx, box.owner)}
        found = [_case(app, tx, item, decided.get(item.conversation_id), names, known)
                 for item in rows.board(tx, box.mailbox_id, BOARD) if item.space_id != box.space_id]  # fmt: skip
        cases = [case for case in found if case is not None]
        waiting = sorted((case for case in cases if case.state == "waiting"), key=lambda case: case.since)
        return waiting + [case for case in cases if case.state != "waiting"]

    return await app.db.read(pull)


def _case(
    app: App,
    tx: Tx,
    item: rows.Waiting,
    decided: rows.Assignment | None,
    names: dict[str, str],
    known: dict[str, SpaceKeys],
) -> Case | None:
    header = conversations.header(tx, item.space_id, item.conversation_id)
    newest = messages.find(tx, item.space_id, item.message_id)
    asked = messages.find(tx, item.space_id, item.asked_by) if item.asked_by else None
    if header is None or newest is None:
        return None
    keys = reading.keys_of(app, tx, item.space_id, known)
    try:
        subject = keys.open("subject", item.conversation_id, header[0]).decode()
    except CannotOpen:
        app.metrics.unopened()
        return None
    traits = people.traits(app, tx, item.space_id)
    closed = _closed(decided, newest)
    waits = asked is not None and not closed
    held = decided.account_id if decided and decided.kind in {"claimed", "assigned"} else ""
    return Case(
        item.conversation_id,
        subject,
        traits.name if traits else "",
        traits.sex if traits else "",
        traits.birth_date if traits else "",
        "closed" if closed else "waiting" if waits else "answered",
        reading.iso(asked.at) if waits and asked else "",
        reading.iso(newest.at),
        held if held in names else "",
        names.get(held, ""),
        decided.reason if closed and decided else "",
    )


def _closed(decided: rows.Assignment | None, newest: messages.Message) -> bool:
    """Closed, and nobody wrote since. The line that tells of the closing is of the same instant or earlier."""
    return decided is not None and decided.kind in {"closed", "handed"} and (
        newest.at <= decided.at or newest.kind in {"line", "answer"}
    )  # fmt: skip


async def holding(app: App, box: MailboxHandle, to: ConversationHandle) -> Holding:
    """Who has this conversation, for somebody of its team. Raises `Refused`."""
    _of_team(box)

    def pull(tx: Tx) -> Holding:
        decided = rows.assignment(tx, to.space_id, to.conversation_id, box.owner)
        members = rows.members(tx, box.owner)
        held = decided.account_id if decided and decided.kind in {"claimed", "assigned"} else ""
        name = next((member.name for member in members if member.account_id == held), "")
        there = {member.member_id for member in conversations.participants(tx, to.space_id, to.conversation_id)}
        others = [(team, f"{name}") for team, name, _ in rows.teams(tx) if team != box.owner and team not in there]
        closed = decided.reason if decided and decided.kind == "closed" else ""
        return Holding(held if name else "", name, closed, members, others)

    return await app.db.read(pull)


async def take(app: App, box: MailboxHandle, conversation_id: str, held_by: str = "") -> None:
    """I answer in this conversation. `held_by`: who the page said had it: when somebody else took it meanwhile, that
    is said. Raises `Refused`, `Conflict`.
    """
    await _decide(app, box, conversation_id, "claimed", box.actor.account_id, held_by)


async def assign(app: App, box: MailboxHandle, conversation_id: str, account_id: str, held_by: str = "") -> None:
    """Somebody of the team answers in this conversation. Raises `Refused`, `Conflict`, `Invalid` (not of the team)."""
    await _decide(app, box, conversation_id, "assigned", account_id, held_by)


async def release(app: App, box: MailboxHandle, conversation_id: str) -> None:
    """Whoever has time answers. Raises `Refused`."""
    await _decide(app, box, conversation_id, "released", "", None)


async def _decide(
    app: App, box: MailboxHandle, conversation_id: str, kind: str, account_id: str, held_by: str | None
) -> None:
    _of_team(box)
    to = await access.conversation(app, box, conversation_id)

    def write(tx: Tx) -> None:
        access.confirm(tx, to)
        if account_id and rows.role(tx, box.owner, account_id) is None:
            raise Invalid("not_of_team", "Cette personne ne fait pas partie de l’équipe.")
        rows.lock(tx, to.space_id)
        known = rows.assignment(tx, to.space_id, conversation_id, box.owner)
        now = known.account_id if known and known.kind in {"claimed", "assigned"} else ""
        if held_by is not None and now not in {held_by, account_id}:
            raise Conflict("taken_meanwhile", "Quelqu’un d’autre vient de prendre cette conversation.")
        rows.record(tx, to.space_id, conversation_id, box.owner, kind, account_id, box.actor.account_id)
        keywords.say_taken(app, tx, box, conversation_id, account_id)
        audit.record(tx, Act.CONVERSATION_ASSIGNED, box.actor, to.space_id, to.ground, conversation_id)

    await app.db.write(write)
    app.hub.wake({box.mailbox_id})


async def close(
    app: App, box: MailboxHandle, conversation_id: str, reason: str, *, ends: bool = False, retry_key: str = ""
) -> Receipt:
    """The team has finished, and says why; the patient reads it, and writing again opens it. `ends`: the patient may
    not answer any more (MSSanté: FIN), until the team writes. Raises `Refused`, `Invalid`.
    """
    _of_team(box)
    if reason not in REASONS:
        raise Invalid("no_reason", "Dites pourquoi cette conversation est terminée.")
    to = await access.conversation(app, box, conversation_id)

    def effect(doing: Doing) -> None:
        team, by = doing.to.member, doing.actor.account_id
        rows.record(doing.tx, doing.to.space_id, doing.conversation_id, team, "closed", "", by, reason)
        doing.then.append(lambda: keywords.say_finished(doing.tx, box.mailbox_id, doing.conversation_id))
        if ends:
            exchanges.record(
                doing.tx, doing.to.space_id, team, exchanges.REPLIES, "ended", team, doing.message_id
            )  # fmt: skip
        audit.record(
            doing.tx, Act.CONVERSATION_CLOSED, doing.actor, doing.to.space_id, doing.to.ground, conversation_id
        )

    team = await _name(app, box)
    after = "Vous pourrez écrire s’ils vous recontactent." if ends else "Si vous écrivez ici, elle se rouvre."
    text = f"{team} a terminé cette conversation : {REASONS[reason]}. {after}"
    draft = Draft(to=to, kind="line", text=text, effect=effect, retry_key=retry_key)
    return await posting.post(app, box.actor, draft)


async def hand_over(
    app: App, box: MailboxHandle, conversation_id: str, team_id: str, *, stay: bool = False, retry_key: str = ""
) -> Receipt:
    """Another team answers from now on: it takes part and reads what was written; this one takes part no longer,
    unless it stays. The patient reads who answers. Raises `Refused`, `Invalid` (no such team).
    """
    _of_team(box)
    to = await access.conversation(app, box, conversation_id)
    other = await app.db.read(accounts.by_id, team_id)
    if other is None or other.kind != "team" or other.id == box.owner:
        raise Invalid("no_team", "Choisissez l’équipe qui répondra.")

    def effect(doing: Doing) -> None:
        tx, space_id, by = doing.tx, doing.to.space_id, doing.actor.account_id
        if exchanges.standing(tx, space_id, other.id).blocked:
            raise NotAllowed("writer_blocked", "Ce patient ne souhaite pas recevoir de messages de cette équipe.")
        entries.copy(tx, box.mailbox_id, other.mailbox_id, doing.conversation_id, HISTORY)
        rows.record(tx, space_id, doing.conversation_id, box.owner, "handed", other.id, by)
        doing.then.append(lambda: keywords.say_finished(tx, box.mailbox_id, doing.conversation_id))
        audit.record(tx, Act.CONVERSATION_HANDED, doing.actor, space_id, doing.to.ground, conversation_id)

    member = Member(other.id, other.mailbox_id, other.organisation_id, other.name, other.address or "", other.role)
    draft = Draft(
        to=to,
        kind="line",
        text=f"{other.name} répond désormais dans cette conversation.",
        members=(member,),
        leaving=frozenset() if stay else frozenset({box.owner}),
        effect=effect,
        retry_key=retry_key,
    )
    return await posting.post(app, box.actor, draft)


def _of_team(box: MailboxHandle) -> None:
    if box.ground != TEAM and box.owner_kind != "team":
        raise Refused


async def _name(app: App, box: MailboxHandle) -> str:
    team = await app.db.read(accounts.by_id, box.owner)
    if team is None:
        raise Refused
    return team.name


async def join(app: App, team_id: str, account_id: str, role: str, added_by: str) -> None:
    """Somebody works in a team from now on. Raises `Invalid`."""

    def write(tx: Tx) -> None:
        team, who = accounts.by_id(tx, team_id), accounts.by_id(tx, account_id)
        if team is None or team.kind != "team" or who is None or who.kind != "professional" or role not in ROLES:
            raise Invalid("no_member", "Une équipe est faite de professionnels.")
        rows.join(tx, team_id, account_id, role, added_by)

    await app.db.write(write)


async def leave(app: App, team_id: str, account_id: str) -> bool:
    """Somebody works there no longer; what they had taken is anybody's. True when they were in it."""

    def write(tx: Tx) -> tuple[bool, str]:
        left = rows.leave(tx, team_id, account_id)
        return left, keywords.forget(tx, team_id, account_id) if left else ""

    left, mailbox = await app.db.write(write)
    app.hub.wake({mailbox} - {""})
    return left


ROLES = ("member", "manager")
