"""One of the two servers under the script: its connections, its folders' messages, and its answers in normal form.

A step is a command, with what each server numbers in its own way in braces: {m:NAME} and {u:NAME} the number and the
UID of a message, {high} the last HIGHESTMODSEQ that was told ({high:NAME} the one marked by a step `mark NAME`),
{validity} the folder's UIDVALIDITY. `b:` before it: said by another client of the same mailbox.
"""

from __future__ import annotations

import re
from typing import Any

from tests.imap_oracle.normal import Folder, Normal
from tests.imap_oracle.reader import fetched
from tests.imap_oracle.talk import Answer, Talk

_PLACE = re.compile(r"\{(m|u|high|validity|q)(?::([^}]*))?\}")
_WHERE = re.compile(r'(?:COPY|MOVE) \S+ "?([\w/]+)|APPEND "?([\w/]+)')


class Client:
    """A connection and the folder it has open, as it was told."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.folder = ""
        self.view: list[int] = []


class Side:
    """`eye` looks at folders beside the clients, so that looking tells them nothing."""

    def __init__(self, talks: dict[str, Talk], eye: Talk, names: tuple[str, ...]) -> None:
        self._clients = {name: Client(talk) for name, talk in talks.items()}
        self._eye = eye
        self._folders: dict[str, Folder] = {"INBOX": Folder(names)}
        self._told: dict[str, str] = {"high": "1", "validity": "1"}
        self.last = Answer()
        self.said = ""

    async def do(self, step: str, *literals: bytes) -> dict[str, Any]:
        """The answer to a step, in normal form."""
        if step.startswith("mark "):
            self._told["high:" + step[5:]] = self._told["high"]
            return {}
        who, _, command = step.partition(": ") if step[1:3] == ": " else ("a", "", step)
        client = self._clients[who]
        folder = self._folders.setdefault(client.folder, Folder())
        line = self.said = _PLACE.sub(lambda match: self._place(match, client, folder), command)
        answer = self.last = await client.talk.say(line, *literals)
        self._note(answer)
        return await self._normal(client, command, answer)

    def _place(self, match: re.Match[str], client: Client, folder: Folder) -> str:
        kind, name = match[1], match[2] or ""
        if kind in ("high", "validity"):
            return self._told[f"{kind}:{name}" if name else kind]
        uid = folder.uid(name)
        return str(uid) if kind == "u" else str(client.view.index(uid) + 1)

    def _note(self, answer: Answer) -> None:
        for code in (answer.code, *(one.code for one in answer.said)):
            name, _, value = code.partition(" ")
            if name in ("HIGHESTMODSEQ", "UIDVALIDITY"):
                self._told["high" if name == "HIGHESTMODSEQ" else "validity"] = value
        for one in answer.named("FETCH"):
            modseq = fetched(one.values[0]).get("MODSEQ")
            if isinstance(modseq, list) and int(str(modseq[0])) > int(self._told["high"]):
                self._told["high"] = str(modseq[0])

    async def _normal(self, client: Client, command: str, answer: Answer) -> dict[str, Any]:
        opened = re.match(r'(?:SELECT|EXAMINE) "?([\w/]+)', command, re.IGNORECASE)
        if opened is not None:
            client.folder, client.view = "", []
            if answer.result == "OK":
                client.folder = "INBOX" if opened[1].upper() == "INBOX" else opened[1]
                client.view = await self._look(client.folder)
        elif command.upper() in ("CLOSE", "UNSELECT") and answer.result == "OK":
            client.folder, client.view = "", []
        where = _WHERE.search(command)
        into = where and (where[1] or where[2])
        if into and answer.result == "OK":
            await self._look(into)
        after = await self._look(client.folder) if client.folder and answer.named("EXISTS") else []
        folder = self._folders.setdefault(client.folder, Folder())
        target = self._folders.get(into) if into else None
        return Normal(folder, client.view, command).answer(answer, after, target)

    async def _look(self, name: str) -> list[int]:
        """The UIDs of a folder now; whoever has them keeps their place."""
        await self._eye.say(f'EXAMINE "{name}"')
        found = await self._eye.say("UID SEARCH ALL")
        uids = [int(str(uid)) for one in found.named("SEARCH") for uid in one.values]
        folder = self._folders.setdefault(name, Folder())
        folder.learn(uids)
        return uids
