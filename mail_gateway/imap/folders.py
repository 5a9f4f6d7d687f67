r"""The folders of a mailbox by name, and LIST over them (RFC 9051 § 6.3.9, RFC 5258, RFC 6154). Pure.

    INBOX, Drafts, Sent, Archive, Trash                one's own
    Equipes/<team>, Equipes/<team>/Drafts, Sent, …     of each team one works in (namespace « Equipes/ », shared)

The set is fixed: a conversation is found again by anybody because nobody hides it in a folder of their own. What a
folder is for is said of one's own alone (\Sent, \Drafts, …): a client that looks for where to keep a draft never
takes a team's.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mail_gateway.imap.commands import Listing

SEPARATOR = "/"
TEAMS = "Equipes"
INBOX = "INBOX"
# Name → (role, as `storage.placements` names it; what it is for, RFC 6154).
BESIDE = {
    "Drafts": ("drafts", "\\Drafts"),
    "Sent": ("sent", "\\Sent"),
    "Archive": ("archive", "\\Archive"),
    "Trash": ("trash", "\\Trash"),
}
MAX_PATTERN = 200
MAX_NAME = 80  # characters of a team's name
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f/*%\\\"\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Drawer:
    """A folder as its reader sees it. `mailbox_id`: "" for a level that holds no message."""

    name: str
    mailbox_id: str = ""
    role: str = ""
    use: str = ""

    @property
    def selectable(self) -> bool:
        return bool(self.role)


@dataclass(frozen=True, slots=True)
class Line:
    """One answer to LIST. `of`: the selection options that folders under it meet (CHILDINFO)."""

    drawer: Drawer
    attributes: tuple[str, ...]
    of: tuple[str, ...] = ()


def drawers(own: str, teams: Iterable[tuple[str, str]] = ()) -> list[Drawer]:
    """The folders of somebody whose mailbox is `own`, and of their `teams`: (name, mailbox)."""
    found = list(_of_mailbox(own, INBOX, "", used=True))
    named = _team_names(teams)
    if named:
        found.append(Drawer(TEAMS))
    for name, mailbox_id in named.items():
        inbox = f"{TEAMS}{SEPARATOR}{name}"
        found += _of_mailbox(mailbox_id, inbox, inbox + SEPARATOR, used=False)
    return found


def _of_mailbox(mailbox_id: str, inbox: str, prefix: str, *, used: bool) -> Iterator[Drawer]:
    yield Drawer(inbox, mailbox_id, "inbox")
    for name, (role, use) in BESIDE.items():
        yield Drawer(prefix + name, mailbox_id, role, use if used else "")


def _team_names(teams: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Each team under a name that can be a folder's, and under another than any team before it."""
    named: dict[str, str] = {}
    for name, mailbox_id in teams:
        fit = " ".join(_UNFIT.sub(" ", unicodedata.normalize("NFC", name)).split())[:MAX_NAME].strip() or "Equipe"
        one, number = fit, 1
        while one in named:
            number += 1
            one = f"{fit} ({number})"
        named[one] = mailbox_id
    return named


def listing(asked: Listing, found: Sequence[Drawer], *, subscribed: bool = False) -> list[Line]:
    """The folders that are asked for, in order. `subscribed`: LSUB."""
    patterns = [canonical(asked.reference + pattern) for pattern in asked.patterns]
    options = asked.options | ({"SUBSCRIBED"} if subscribed else set())
    by = tuple(sorted(options & {"SUBSCRIBED", "SPECIAL-USE"}))
    tell = not subscribed and "SUBSCRIBED" in asked.returns | options
    lines = []
    for drawer in found:
        met = drawer.selectable and all(_meets(drawer, option) for option in by)
        under = [one for one in found if one.selectable and one.name.startswith(drawer.name + SEPARATOR)]
        below = tuple(option for option in by if any(_meets(one, option) for one in under))
        level = _level(subscribed, asked) and bool(below)
        if (met or not by or level) and any(matches(drawer.name, pattern) for pattern in patterns):
            told = _attributes(drawer, bool(under), tell)
            lines.append(Line(drawer, told, below if "RECURSIVEMATCH" in options else ()))
    return lines


def _level(subscribed: bool, asked: Listing) -> bool:
    """Whether a folder is listed for those under it: RECURSIVEMATCH, and LSUB with % (RFC 3501 § 6.3.9)."""
    return "RECURSIVEMATCH" in asked.options or (subscribed and any("%" in pattern for pattern in asked.patterns))


def _meets(drawer: Drawer, option: str) -> bool:
    """Every folder is subscribed to; none stands at another server (REMOTE changes nothing)."""
    return drawer.selectable if option == "SUBSCRIBED" else bool(drawer.use)


def _attributes(drawer: Drawer, parent: bool, tell: bool) -> tuple[str, ...]:
    r"""RFC 5258 § 3.4, RFC 3348: old clients know \Noselect, newer ones \NonExistent. Folders are fixed: no leaf will
    ever have one under it (RFC 9051 § 7.3.1), and Thunderbird archives into Archive, not into a folder a year.
    """
    told = [] if drawer.selectable else ["\\NonExistent", "\\Noselect"]
    told += ["\\HasChildren"] if parent else ["\\Noinferiors", "\\HasNoChildren"]
    if tell and drawer.selectable:
        told.append("\\Subscribed")
    if drawer.use:
        told.append(drawer.use)
    return tuple(told)


def canonical(name: str) -> str:
    """INBOX is INBOX in whatever case (RFC 9051 § 5.1)."""
    return INBOX if name.upper() == INBOX else name


def matches(name: str, pattern: str) -> bool:
    """`*` stands for anything, `%` for anything on one level. One pass over the pattern: `at` holds, as bits, every
    place of the name that the pattern may have come to, so that no pattern can be made slow.
    """
    if len(pattern) > MAX_PATTERN:
        return False
    if name == INBOX and not set(pattern) & {"/"}:
        pattern = pattern.upper()
    end = len(name)
    everywhere = (1 << end + 1) - 1
    at = 1
    for letter in pattern:
        if letter == "*":
            at = everywhere & -(at & -at)
        elif letter == "%":
            at = _along(at, name)
        else:
            at = sum(1 << place + 1 for place in _places(at, end) if name[place] == letter)
        if not at:
            return False
    return bool(at >> end & 1)


def _places(at: int, end: int) -> Iterator[int]:
    return (place for place in range(end) if at >> place & 1)


def _along(at: int, name: str) -> int:
    """Every place that can be come to without crossing a separator."""
    for place, letter in enumerate(name):
        if at >> place & 1 and letter != SEPARATOR:
            at |= 1 << place + 1
    return at
