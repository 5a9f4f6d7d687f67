r"""One answer in a form in which two servers can be compared: what may differ without meaning is taken out.

Which is, and by which clause (RFC 9051 unless said): numbers become the messages they stand for, since UIDs, validity
and MODSEQ are each server's own (§ 2.3.1, RFC 7162 § 3.1); the text of a status (§ 7.1); \Recent and RECENT, dropped
by § 2.3.2; the order of flags, of items (§ 7.5.2), of untagged responses, and of EXPUNGE, whose numbers shift; a UID
or FLAGS said unasked (§ 7.5.2: "servers may also send unilaterally"), and attributes of a folder that LIST was not
asked for (RFC 5258 § 3.2, RFC 6154 § 2); case where the grammar has none; how an instant is written (§ 2.3.3);
which keywords of the registry a folder names before they are used (§ 2.3.2); what a PREVIEW says (RFC 8970 § 3.1).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.imap_oracle.reader import Value, fetched
from tests.imap_oracle.talk import Answer, Untagged

SPECIAL = {"\\archive", "\\drafts", "\\sent", "\\trash"}


class Folder:
    """The messages that a folder ever had, in the order of their UIDs: `names` of the first ones, then #n."""

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        self.uids: list[int] = []
        self._names = names

    def learn(self, uids: list[int]) -> None:
        self.uids = sorted({*self.uids, *uids})

    def name(self, uid: int) -> str:
        if uid not in self.uids:
            return f"unknown uid {uid}"
        place = self.uids.index(uid)
        return self._names[place] if place < len(self._names) else f"#{place + 1}"

    def uid(self, name: str) -> int:
        """Raises KeyError for a name that no message of it has."""
        for uid in self.uids:
            if self.name(uid) == name:
                return uid
        raise KeyError(name)


def numbers(text: str) -> list[int]:
    """1:3,7 → 1, 2, 3, 7."""
    found: list[int] = []
    for piece in text.split(","):
        low, _, high = piece.partition(":")
        ends = sorted((int(low), int(high or low)))
        found += range(ends[0], ends[1] + 1)
    return found


class Normal:
    """`view`: UIDs by message number, as the client was told; it is brought up to date as an answer is read."""

    def __init__(self, folder: Folder, view: list[int], command: str) -> None:
        self.folder, self.view = folder, view
        self.command = command.upper()
        self.found: dict[str, Any] = {}
        self._after: list[int] = []
        self._into: Folder | None = None

    def answer(self, answer: Answer, after: list[int], into: Folder | None) -> dict[str, Any]:
        """`after`: the UIDs that the folder has once the command is done; `into`: where it copied to."""
        self._after, self._into = after, into
        self.found = {"result": answer.result, "code": self._code(answer.code)}
        for one in answer.said:
            getattr(self, f"_{one.name.lower()}", self._other)(one)
        for key in ("expunged", "earlier", "other"):
            if key in self.found:
                self.found[key].sort(key=repr)
        return {key: value for key, value in self.found.items() if value not in ("", [])}

    def _message(self, number: int) -> str:
        if not 1 <= number <= len(self.view):
            return f"no message {number}"
        return self.folder.name(self.view[number - 1])

    # ---- untagged ----

    def _exists(self, one: Untagged) -> None:
        count = one.number or 0
        self.found["exists"] = count
        self.view += [uid for uid in self._after if not self.view or uid > self.view[-1]][: count - len(self.view)]

    def _expunge(self, one: Untagged) -> None:
        self.found.setdefault("expunged", []).append(self._message(one.number or 0))
        if one.number and one.number <= len(self.view):
            del self.view[one.number - 1]

    def _vanished(self, one: Untagged) -> None:
        earlier = one.values[0] == ["EARLIER"]
        uids = numbers(str(one.values[-1]))
        known = [self.folder.name(uid) for uid in uids if uid in self.folder.uids]
        self.found.setdefault("earlier" if earlier else "expunged", []).extend(sorted(known))
        if not earlier:
            self.view[:] = [uid for uid in self.view if uid not in uids]

    def _recent(self, one: Untagged) -> None:
        pass

    def _flags(self, one: Untagged) -> None:
        self.found["flags"] = own(flags(one.values[0]))

    def _fetch(self, one: Untagged) -> None:
        items = self.found.setdefault("fetch", {}).setdefault(self._message(one.number or 0), {})
        for name, value in fetched(one.values[0]).items():
            if name == "UID":
                if "UID" in self.command:
                    items["UID"] = self.folder.name(int(str(value)))
            else:
                items[name.replace('"', "")] = item(name, value)

    def _search(self, one: Untagged) -> None:
        found = [value for value in one.values if isinstance(value, str)]
        if len(found) != len(one.values):
            self.found["search modseq"] = True
        self.found["search"] = sorted(self._named(found))

    def _named(self, found: list[str]) -> list[str]:
        by_uid = self.command.startswith("UID")
        return [self.folder.name(int(each)) if by_uid else self._message(int(each)) for each in found]

    def _esearch(self, one: Untagged) -> None:
        said = [value for value in one.values if not isinstance(value, list)]
        found = {"uid": "UID" in said}
        words = [str(value) for value in said if value != "UID"]
        for name, value in zip(words[::2], words[1::2], strict=True):
            if name.upper() in ("ALL", "MIN", "MAX"):
                listed = [str(number) for number in numbers(value)]
                found[name.upper()] = sorted(self._named(listed))  # type: ignore[assignment]
            else:
                found[name.upper()] = value if name.upper() == "COUNT" else True  # type: ignore[assignment]
        self.found["esearch"] = found

    def _other(self, one: Untagged) -> None:
        if one.name in ("OK", "NO"):
            code, _, rest = self._code(one.code).partition(" ")
            if code:
                self.found.setdefault("codes", {})[code] = rest
        elif one.name == "STATUS":
            listed = one.values[1] if isinstance(one.values[1], list) else []
            masked = ("UIDNEXT", "UIDVALIDITY", "HIGHESTMODSEQ", "RECENT", "MAILBOXID")
            items = {str(name): "a value" if name in masked else value
                     for name, value in zip(listed[::2], listed[1::2], strict=True)}  # fmt: skip
            folder = text(one.values[0])
            self.found.setdefault("status", {})["INBOX" if folder.upper() == "INBOX" else folder] = items
        elif one.name in ("LIST", "LSUB"):
            attributes, separator, name, *more = one.values
            row = {"attributes": self._asked(flags(attributes)), "separator": separator, "more": more}
            self.found.setdefault(one.name.lower(), {})[text(name)] = row
        elif one.name == "ID":
            self.found["id"] = True
        else:
            self.found.setdefault("other", []).append([one.name, *(plain(value) for value in one.values)])

    def _asked(self, attributes: list[str]) -> list[str]:
        """Of a folder's attributes, those that were asked for. Ours say that they are fixed (RFC 9051 § 7.3.1)."""
        attributes = [one for one in attributes if one != "\\noinferiors"]
        extended = self.command.startswith("LIST (") or '("' in self.command or "RETURN" in self.command
        if self.command.startswith("LSUB") or (extended and "CHILDREN" not in self.command):
            attributes = [one for one in attributes if one not in ("\\haschildren", "\\hasnochildren")]
        if extended and "SPECIAL-USE" not in self.command:
            attributes = [one for one in attributes if one not in SPECIAL]
        if extended and "SUBSCRIBED" not in self.command:
            attributes = [one for one in attributes if one != "\\subscribed"]
        return attributes

    # ---- codes ----

    def _code(self, code: str) -> str:
        name, _, rest = code.partition(" ")
        name, into = name.upper(), self._into
        if name in ("UIDVALIDITY", "UIDNEXT", "HIGHESTMODSEQ", "MAILBOXID", "CAPABILITY"):
            return f"{name} a value"
        if name == "APPENDUID" and into is not None:
            return f"{name} {into.name(int(rest.split()[1]))}"
        if name == "COPYUID" and into is not None:
            _, here, there = rest.split()
            gone = {uid: self.folder.name(uid) for uid in numbers(here)}
            pairs = zip(gone.values(), map(into.name, numbers(there)), strict=True)
            return f"{name} {sorted(pairs)}"
        if name == "MODIFIED":
            by_uid = self.command.startswith("UID")
            return f"{name} {sorted(self.folder.name(n) if by_uid else self._message(n) for n in numbers(rest))}"
        if name == "PERMANENTFLAGS":
            return f"{name} {own(flags(rest.strip('()').split()))}"
        return f"{name} {rest}".strip()


def flags(value: Value | list[str]) -> list[str]:
    r"""Sorted, system flags in one case, without \Recent."""
    words = value if isinstance(value, list) else []
    found = [str(flag).lower() if str(flag).startswith(("\\", "$")) else str(flag) for flag in words]
    return sorted({flag for flag in found if flag != "\\recent"})


def own(found: list[str]) -> list[str]:
    """Of the flags of a folder, those that it has anywhere (§ 2.3.2) or that were made there."""
    return [flag for flag in found if not flag.startswith("$")]


def item(name: str, value: Value) -> Any:
    """A data item of a FETCH."""
    if name == "FLAGS":
        return flags(value)
    if name == "INTERNALDATE":
        return datetime.strptime(text(value).strip(), "%d-%b-%Y %H:%M:%S %z").timestamp()
    if name == "PREVIEW" and value is not None:
        return "a text"
    if name in ("MODSEQ", "EMAILID", "THREADID", "SAVEDATE"):
        return "a value"
    if name in ("BODY", "BODYSTRUCTURE"):
        return structure(value)
    return plain(value)


def structure(value: Value) -> Any:
    """As a tree of words; types, encodings, the names of parameters and dispositions in capitals."""
    if not isinstance(value, list):
        return plain(value)
    if value and isinstance(value[0], list):
        count = next((place for place, part in enumerate(value) if not isinstance(part, list)), len(value))
        rest = value[count:]
        names = ["subtype", "parameters", "disposition", "language", "location", "extension"]
        return {"parts": [structure(part) for part in value[:count]], **_named(names, rest)}
    names = ["type", "subtype", "parameters", "id", "description", "encoding", "size"]
    kind = f"{text(value[0])}/{text(value[1])}".upper() if len(value) > 1 else ""
    if kind in ("MESSAGE/RFC822", "MESSAGE/GLOBAL"):
        names += ["envelope", "structure", "lines"]
    elif kind.startswith("TEXT/"):
        names += ["lines"]
    return _named([*names, "md5", "disposition", "language", "location", "extension"], value)


def _named(names: list[str], values: list[Value]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in zip(names, values, strict=False):
        if name in ("type", "subtype", "encoding"):
            found[name] = text(value).upper()
        elif name == "parameters":
            found[name] = parameters(value)
        elif name == "disposition" and isinstance(value, list):
            found[name] = [text(value[0]).upper(), parameters(value[1])]
        else:
            found[name] = structure(value) if name == "structure" else plain(value)
    if len(values) > len(names):
        found["too much"] = plain(list(values[len(names) :]))
    return found


def parameters(value: Value) -> Any:
    if not isinstance(value, list):
        return plain(value)
    return {text(name).upper(): plain(found) for name, found in zip(value[::2], value[1::2], strict=True)}


def text(value: Value) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def plain(value: Value) -> Any:
    """Strings as text, whether they came quoted, as a literal or as an atom (§ 9, string)."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    return None if value is None else text(value)
