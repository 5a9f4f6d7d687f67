"""Many mail clients of one mailbox, each saying what its lot draws, each holding every answer against what it knows.

A client knows what it was told: which message has which number, UID, flags. What it then hears must agree: numbers in
range, UIDs that rise and are never another message's, no EXPUNGE while numbers are being spoken of, counters that do
not fall. What all know together is the `World`: nothing that nobody threw away may be lost or doubled.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random

from tests.imap_oracle.normal import flags as sorted_flags
from tests.imap_oracle.normal import numbers
from tests.imap_oracle.reader import Value, fetched
from tests.imap_oracle.talk import Answer, Talk, Untagged

FOLDERS = ("INBOX", "INBOX", "INBOX", "Archive", "Trash", "Sent", "Drafts")  # INBOX is where most look
TARGETS = ("Archive", "Trash", "INBOX")
FLAGS = ("\\Seen", "\\Seen", "\\Flagged", "\\Answered", "\\Deleted", "$Forwarded", "Urgent")
LATE_S = 0.2  # how long a client idles at most
MOST_DRAFTS = 3  # of one client
FINE = {"EXPUNGEISSUED", "NONEXISTENT"}  # refusals of what another client took away


@dataclass(slots=True)
class World:
    """What all clients know. `faults`: where an answer did not agree, each a sentence."""

    faults: list[str] = field(default_factory=list)
    identity: dict[tuple[str, int], str] = field(default_factory=dict)  # (folder, UID) → EMAILID
    counters: dict[tuple[str, str], int] = field(default_factory=dict)  # (folder, UIDNEXT or HIGHESTMODSEQ)
    validity: dict[str, int] = field(default_factory=dict)
    thrown: set[str] = field(default_factory=set)  # EMAILIDs that somebody marked as deleted, wherever
    copied: Counter[str] = field(default_factory=Counter)  # times that an EMAILID was copied
    said: Counter[str] = field(default_factory=Counter)  # commands, by name
    refused: Counter[str] = field(default_factory=Counter)

    def rises(self, folder: str, name: str, value: int, least: int | None) -> None:
        """`value` was told by a command that was said when the counter was known to be `least`."""
        if least is not None and value < least:
            self.faults.append(f"{name} of {folder} fell from {least} to {value}")
        self.counters[folder, name] = max(value, self.counters.get((folder, name), 0))


@dataclass(slots=True)
class Row:
    """A message as a client was told; 0 and None: not yet."""

    uid: int = 0
    flags: list[str] | None = None
    modseq: int = 0


class Client:
    """One connection. `keeps`: it knows QRESYNC, and takes up a folder where it left it."""

    def __init__(self, name: str, talk: Talk, world: World, random: Random, *, keeps: bool) -> None:
        self.name = name
        self.folder = ""
        self.view: list[Row] = []
        self._talk, self._world, self._random = talk, world, random
        self._keeps = keeps
        self._highest: dict[str, int] = {}
        self._kept: dict[str, tuple[int, int, list[Row]]] = {}  # folder → validity, MODSEQ, rows
        self._drafts = 0
        self._read_only = False
        self._speaks_numbers = False
        self._resync: list[Row] | None = None
        self._acts: dict[Callable[[], Awaitable[None]], int] = {  # and how often, beside the others
            self._fetch: 12, self._store: 12, self._search: 6, self._noop: 6, self._move: 5, self._select: 4,
            self._copy: 4, self._idle: 4, self._expunge: 3, self._status: 3, self._append: 1, self._close: 1,
        }  # fmt: skip

    def fault(self, what: str) -> None:
        self._world.faults.append(f"{self.name} in {self.folder or 'no folder'}: {what}")

    async def start(self) -> None:
        if self._keeps:
            await self.say("ENABLE QRESYNC")
        await self._select("INBOX")

    async def act(self) -> None:
        """One command, by lot."""
        [act] = self._random.choices(list(self._acts), list(self._acts.values()))
        if self.folder or act in (self._select, self._status, self._append, self._noop):
            await act()

    # ---- saying, and taking in ----

    async def say(self, command: str, *literals: bytes) -> Answer:
        """A command that must be understood; what comes with it is held against what is known."""
        words = command.split(" ")
        name = words[0]
        self._world.said[" ".join(words[: 2 if name == "UID" else 1])] += 1
        self._speaks_numbers = name in ("FETCH", "STORE", "SEARCH")
        answer = await self._talk.say(command, *literals)
        self._take(answer)
        if answer.result == "NO":
            self._world.refused[f"{name} {answer.code}"] += 1
        if answer.result not in ("OK", "NO") or (answer.result == "NO" and answer.code.split(" ")[0] not in FINE):
            self.fault(f"{command[:80]} → {answer.text}")
        return answer

    def _take(self, answer: Answer) -> None:
        for one in answer.said:
            handler = getattr(self, f"_{one.name.lower()}_said", None)
            if handler is not None:
                handler(one)
            elif one.code:
                self._code(one.code)
        self._code(answer.code)

    def _exists_said(self, one: Untagged) -> None:
        count = one.number or 0
        if count < len(self.view):
            self.fault(f"EXISTS {count}, {len(self.view)} known")
        self.view += [Row() for _ in range(count - len(self.view))]

    def _expunge_said(self, one: Untagged) -> None:
        if self._keeps:
            self.fault("EXPUNGE after ENABLE QRESYNC")
        if self._speaks_numbers:
            self.fault("EXPUNGE while numbers are spoken of")
        if not one.number or one.number > len(self.view):
            self.fault(f"EXPUNGE {one.number} of {len(self.view)}")
        else:
            del self.view[one.number - 1]

    def _vanished_said(self, one: Untagged) -> None:
        earlier = one.values[0] == ["EARLIER"]
        gone = set(numbers(str(one.values[-1])))
        if self._resync is not None:
            self._resync[:] = [row for row in self._resync if row.uid not in gone]
        if earlier:
            return
        if self._speaks_numbers:
            self.fault("VANISHED while numbers are spoken of")
        for uid in gone:
            self._leaves(uid)

    def _leaves(self, uid: int) -> None:
        """Of a message that was announced and never looked at, only its place among the others is known."""
        for place, row in enumerate(self.view):
            after = next((other.uid for other in self.view[place:] if other.uid), 1 << 32)
            if row.uid == uid or (not row.uid and uid < after):
                del self.view[place]
                return
            if row.uid > uid:
                break
        self.fault(f"VANISHED {uid}, which it was not told of")

    def _fetch_said(self, one: Untagged) -> None:
        items = fetched(one.values[0])
        if not one.number or one.number > len(self.view):
            self.fault(f"FETCH {one.number} of {len(self.view)}")
            return
        row = self.view[one.number - 1]
        if "UID" in items:
            self._uid(one.number, row, int(str(items["UID"])))
        if "FLAGS" in items:
            row.flags = sorted_flags(items["FLAGS"])
        modseq = items.get("MODSEQ")
        if isinstance(modseq, list):
            if int(str(modseq[0])) < row.modseq:
                self.fault(f"MODSEQ of {row.uid} fell from {row.modseq} to {modseq[0]!r}")
            row.modseq = int(str(modseq[0]))
        if "EMAILID" in items and row.uid:
            self._identity(row.uid, items["EMAILID"])

    def _uid(self, number: int, row: Row, uid: int) -> None:
        if row.uid not in (0, uid):
            self.fault(f"message {number} had UID {row.uid}, and has {uid}")
        before = next((other.uid for other in reversed(self.view[: number - 1]) if other.uid), 0)
        after = next((other.uid for other in self.view[number:] if other.uid), 1 << 32)
        if not before < uid < after:
            self.fault(f"UID {uid} between {before} and {after}")
        row.uid = uid

    def _identity(self, uid: int, value: Value) -> None:
        known = self._world.identity.setdefault((self.folder, uid), str(value))
        if known != str(value):
            self.fault(f"UID {uid} was {known}, and is {value!r}")

    def _search_said(self, one: Untagged) -> None:
        found = [int(str(value)) for value in one.values if isinstance(value, str)]
        most = len(self.view) if self._speaks_numbers else 1 << 32
        if found != sorted(set(found)) or any(not 1 <= number <= most for number in found):
            self.fault(f"SEARCH {found[:9]} of {most}")

    def _code(self, code: str) -> None:
        name, _, value = code.partition(" ")
        if name == "HIGHESTMODSEQ" and value.isdigit() and self.folder:
            self._highest[self.folder] = int(value)
        elif name == "UIDVALIDITY" and self._world.validity.setdefault(self.folder, int(value)) != int(value):
            self.fault(f"UIDVALIDITY {value}")

    # ---- what a client does ----

    async def _select(self, folder: str = "") -> None:
        if self.folder and self._keeps and all(row.uid for row in self.view):
            self._kept[self.folder] = self._world.validity[self.folder], self._highest[self.folder], self.view
        folder = folder or self._random.choice(FOLDERS)
        self._read_only = self._random.random() < 0.2
        self.folder, self.view, kept, self._resync = folder, [], self._kept.get(folder), None
        least = self._world.counters.get((folder, "HIGHESTMODSEQ"))
        asked = f"{'EXAMINE' if self._read_only else 'SELECT'} {folder}"
        if kept is not None and kept[1] and self._random.random() < 0.8:
            self._resync = [Row(row.uid, row.flags) for row in kept[2]]
            asked += f" (QRESYNC ({kept[0]} {kept[1]}))"
        answer = await self.say(asked)
        told = {
            name: int(value) for name, _, value in (one.code.partition(" ") for one in answer.said) if value.isdigit()
        }
        self._world.rises(folder, "HIGHESTMODSEQ", told["HIGHESTMODSEQ"], least)
        known, self._resync = self._resync, None
        held = {row.uid for row in (*(known or ()), *self.view) if row.uid}
        if self.view:
            await self.say("FETCH 1:* (UID FLAGS EMAILID)")
        # What was kept, brought up to date by what QRESYNC told, is what the folder held then.
        here = {row.uid for row in self.view if row.uid < told["UIDNEXT"]}
        if known is not None and 0 not in here and held != here:
            self.fault(f"QRESYNC: too many {sorted(held - here)[:9]}, missing {sorted(here - held)[:9]}")

    def _some(self, most: int = 6) -> list[int]:
        """Numbers of messages next to each other."""
        if not self.view:
            return []
        first = self._random.randrange(len(self.view))
        return list(range(first + 1, min(len(self.view), first + self._random.randint(1, most)) + 1))

    def _set(self, some: list[int]) -> tuple[str, str]:
        """("UID " or "", the sequence set) of these."""
        uids = [self.view[number - 1].uid for number in some]
        if all(uids) and self._random.random() < 0.5:
            return "UID ", ",".join(map(str, uids))
        ends = [some[0], some[-1]]
        self._random.shuffle(ends)
        return "", f"{ends[0]}:{ends[1]}"

    async def _known(self, some: list[int]) -> list[str]:
        """Which messages these numbers are."""
        if some:
            await self.say(f"FETCH {some[0]}:{some[-1]} (UID EMAILID)")
        found = [self._world.identity.get((self.folder, self.view[number - 1].uid)) for number in some]
        return [one for one in found if one is not None]

    async def _fetch(self) -> None:
        if some := self._some(20):
            what = self._random.choice(
                ("(UID FLAGS)", "(UID FLAGS MODSEQ)", "(UID RFC822.SIZE ENVELOPE)", "(UID BODYSTRUCTURE)",
                 "(UID EMAILID)", "(UID BODY.PEEK[HEADER.FIELDS (Subject From Date)])", "(UID BODY[TEXT]<0.20>)")
            )  # fmt: skip
            by_uid, those = self._set(some)
            await self.say(f"{by_uid}FETCH {those} {what}")

    async def _store(self) -> None:
        some = self._some()
        if not some or self._read_only:
            return
        flag, sign = self._random.choice(FLAGS), self._random.choice(("+", "+", "-"))
        if flag == "\\Deleted" and sign == "+":
            self._world.thrown.update(await self._known(some))
        rows, silent = [self.view[number - 1] for number in some], self._random.choice(("", ".SILENT"))
        by_uid, those = self._set(some)
        await self.say(f"{by_uid}STORE {those} {sign}FLAGS{silent} ({flag})")
        for row in rows if silent else ():
            row.flags = None  # its own change, and maybe others' before it

    async def _search(self) -> None:
        key = self._random.choice(("ALL", "UNSEEN", "FLAGGED", "DELETED", "KEYWORD Urgent", "SUBJECT lettre", "1:10"))
        await self.say(f"{self._random.choice(('UID ', ''))}SEARCH {key}")

    async def _copy(self) -> None:
        await self._transfer("COPY")

    async def _move(self) -> None:
        await self._transfer("MOVE")

    async def _transfer(self, how: str) -> None:
        target = self._random.choice([one for one in TARGETS if one != self.folder])
        some = self._some(3)
        if not some or self.folder == "Drafts" or (self._read_only and how == "MOVE"):
            return
        await self._known(some)
        least = max((uid for folder, uid in self._world.identity if folder == target), default=0)
        by_uid, those = self._set(some)
        uids = {number: self.view[number - 1].uid for number in some}
        answer = await self.say(f"{by_uid}{how} {those} {target}")
        for code in (answer.code, *(one.code for one in answer.said)):
            if code.startswith("COPYUID"):
                *_, here, there = code.split(" ")
                self._transferred(how, target, least, set(uids.values()), numbers(here), numbers(there))

    def _transferred(
        self, how: str, target: str, least: int, asked: set[int], here: list[int], there: list[int]
    ) -> None:
        if not set(here) <= asked or len(here) != len(there) or there != sorted(there) or there[0] <= least:
            self.fault(f"{how} of {sorted(asked)} to {target} above {least}: COPYUID {here} {there}")
        for uid, new in zip(here, there, strict=False):
            identity = self._world.identity.get((self.folder, uid))
            if identity is None:
                continue
            if how == "COPY":
                self._world.copied[identity] += 1
            if self._world.identity.setdefault((target, new), identity) != identity:
                self.fault(f"{how}: UID {new} of {target} is another message")

    async def _expunge(self) -> None:
        if self._read_only:
            return
        uids = [row.uid for row in self.view if row.uid]
        if uids and self._random.random() < 0.5:
            await self.say(f"UID EXPUNGE {','.join(map(str, self._random.sample(uids, min(5, len(uids)))))}")
        else:
            await self.say("EXPUNGE")

    async def _append(self) -> None:
        if self._drafts >= MOST_DRAFTS:
            return
        self._drafts += 1
        text = (
            f"Message-ID: <{self.name}.{self._drafts}@client.example>\r\nSubject: brouillon\r\n\r\nde {self.name}\r\n"
        )
        least = self._world.counters.get(("Drafts", "APPENDUID"), 0)
        answer = await self.say("APPEND Drafts (\\Draft \\Seen) {}", text.encode())
        if answer.code.startswith("APPENDUID"):
            self._world.rises("Drafts", "APPENDUID", int(answer.code.split(" ")[2]), least + 1)

    async def _idle(self) -> None:
        self._speaks_numbers = False
        self._world.said["IDLE"] += 1
        self._take(await self._talk.say("IDLE"))
        answer = Answer()
        try:
            async with asyncio.timeout(self._random.random() * LATE_S):
                while not answer.result:
                    self._talk.take(await self._talk.response(), answer)
        except TimeoutError:
            self._talk.write(b"DONE\r\n")
        while not answer.result:
            self._talk.take(await self._talk.response(), answer)
        self._take(answer)
        if answer.result != "OK":
            self.fault(f"IDLE → {answer.text}")

    async def _noop(self) -> None:
        await self.say(self._random.choice(("NOOP", "CHECK")) if self.folder else "NOOP")

    async def _status(self) -> None:
        folder = self._random.choice([one for one in set(FOLDERS) if one != self.folder])
        least = {name: self._world.counters.get((folder, name)) for name in ("UIDNEXT", "HIGHESTMODSEQ")}
        answer = await self.say(f"STATUS {folder} (MESSAGES UNSEEN UIDNEXT UIDVALIDITY HIGHESTMODSEQ)")
        for one in answer.named("STATUS"):
            listed = one.values[1] if isinstance(one.values[1], list) else []
            found = {str(name): int(str(value)) for name, value in zip(listed[::2], listed[1::2], strict=True)}
            for name, value in least.items():
                self._world.rises(folder, name, found[name], value)
            if self._world.validity.setdefault(folder, found["UIDVALIDITY"]) != found["UIDVALIDITY"]:
                self.fault(f"UIDVALIDITY of {folder}")

    async def _close(self) -> None:
        await self.say(self._random.choice(("CLOSE", "UNSELECT")))
        self.folder, self.view = "", []

    # ---- when everybody is still ----

    async def agree(self, truth: dict[str, dict[int, list[str]]]) -> None:
        """Once nothing moves any more, one NOOP makes what this client was told what there is."""
        if not self.folder:
            return
        await self.say("NOOP")
        held = [(row.uid, row.flags) for row in self.view]
        there = truth[self.folder]
        if len(held) != len(there) or any(uid not in (0, real) for (uid, _), real in zip(held, there, strict=False)):
            self.fault(f"holds {[uid for uid, _ in held]}, and there is {list(there)}")
            return
        for (uid, known), (real, flags) in zip(held, there.items(), strict=True):
            if known is not None and known != flags:
                self.fault(f"holds {known} of {uid or real}, which has {flags}")
