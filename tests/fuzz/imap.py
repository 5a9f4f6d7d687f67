"""The IMAP grammar against mutated commands: `python -m tests.fuzz.imap [seconds]`.

With atheris (`pip install atheris`) the mutations follow the lines that are reached; without it our own follow the
answers, which finds less in the same time. Either way every input must be a command or a `BadCommand`, in
little time, and what is read must hold what `parser`, `names`, `fetch` and `search` promise. Says how many were tried,
the slowest, and by how much the process grew; ends with the input that broke a promise, when there is one.
"""

from __future__ import annotations

import importlib
import importlib.util
import random
import re
import resource
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from mail_gateway import describe
from mail_gateway.imap import names
from mail_gateway.imap.commands import Append, Command, Copy, Fetch, Folder, Listing, Search, Select, Status, Store
from mail_gateway.imap.fetch import ITEMS, UnknownEncoding, cut, opening
from mail_gateway.imap.mailboxes import MAX_NAME
from mail_gateway.imap.parser import parse, tag_of
from mail_gateway.imap.search import Subject
from mail_gateway.imap.syntax import BadCommand, Ids, Literal, Part

SLOW_S = 0.5  # for one input, of 64 KiB at most
MAX_INPUT = 64 * 1024
SEEDS = [
    b"a LOGIN morel {6+}\r\nsecret",
    b"a AUTHENTICATE PLAIN =",
    b'a ID ("name" "x" "version" NIL)',
    b"a ENABLE CONDSTORE UTF8=ACCEPT",
    b"a SELECT INBOX (QRESYNC (67 8 41,43:211 (1:2 3:4)) CONDSTORE)",
    b'a LIST (SUBSCRIBED RECURSIVEMATCH) "" ("INBOX" &AMk-quipes/%) RETURN (CHILDREN STATUS (SIZE MESSAGES))',
    b"a STATUS INBOX (MESSAGES SIZE DELETED HIGHESTMODSEQ MAILBOXID APPENDLIMIT)",
    b'a APPEND Sent (\\Seen $Label1) "17-Jul-2026 02:44:25 -0730" UTF8 (~{10+}\r\nA: b\r\n\r\nxy)',
    b'a UID SEARCH RETURN (MIN SAVE) CHARSET UTF-8 OR (MODSEQ "/flags/\\\\a" all 6 $) NOT HEADER To "x" YOUNGER 60',
    b"a SEARCH 1:*,4 KEYWORD x ON 1-Feb-2026 LARGER 5 SUBJECT {2+}\r\n\xc3\xa9 THREADID ab BODY y",
    b"a UID FETCH 1:* (FLAGS PREVIEW (LAZY) BODY.PEEK[1.2.HEADER.FIELDS (To)]<0.5> BINARY.SIZE[2]) (CHANGEDSINCE 4)",
    b"a UID FETCH 1 FLAGS (CHANGEDSINCE 4 VANISHED)",
    b"a FETCH $ (BODY[TEXT] BODY[1.MIME] BINARY[1]<3.9> RFC822.HEADER)",
    b"a STORE 1,$ (UNCHANGEDSINCE 9) +FLAGS.SILENT (\\Seen Pris-camille)",
    b"a UID MOVE 4:2 {6+}\r\nArchive",
    b"a CREATE x (USE (\\Sent))",
    b"a RENAME a&AOk- b",
    b"a GETQUOTAROOT INBOX",
]
WORDS = sorted({word for seed in SEEDS for word in re.findall(rb"[A-Za-z.0-9=\\$-]+|[^A-Za-z]", seed)})
MAIL = (
    b"Subject: =?utf-8?Q?Op=C3=A9ration?=\r\nTo: a@b.fr\r\nDate: Fri, 6 Mar 2026 23:50:00 -0500\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n"
    b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\nContent-Transfer-Encoding: x-odd\r\n\r\ny\r\n--b--\r\n"
)
ROOT = describe.tree(MAIL)
SUBJECT = Subject(0, 4, 5, at=1_772_927_400_000, size=99, header=MAIL[: ROOT.header_end], text="Le genou", modseq=7)
_LITERAL = re.compile(rb"(~?)\{([0-9]{1,5})\+?\}\r\n")


class Broken(Exception):
    """A promise of the grammar does not hold for this input."""


@dataclass
class Tally:
    """What was seen so far."""

    tried: int = 0
    commands: int = 0
    slowest: float = 0.0
    answers: set[str] = field(default_factory=set)


TALLY = Tally()


def one(data: bytes) -> str:
    """Read one input and hold it to the promises. Returns what sort of answer it had. Raises Broken."""
    parts = framed(data[:MAX_INPUT])
    utf8 = len(data) % 2 == 0
    started = time.process_time()
    try:
        found: Command | None = parse(parts, utf8=utf8)
        answer = f"{found.name} {type(found.what).__name__}" if found is not None else ""
    except BadCommand as bad:
        found, answer = None, bad.text
        need(
            bad.text.isascii() and bad.tag.isascii() and "\n" not in bad.text + bad.tag, "a refusal that cannot be said"
        )
    spent = time.process_time() - started
    need(spent < SLOW_S, f"{spent:.1f} s")
    if found is not None:
        held_to(found, utf8=utf8)
    need(tag_of(data).isascii(), "a tag that cannot be said")
    TALLY.tried += 1
    TALLY.commands += found is not None
    TALLY.slowest = max(TALLY.slowest, spent)
    return answer


def framed(data: bytes) -> list[Part]:
    """As the wire would cut it: text, literal, text, …"""
    parts: list[Part] = []
    at = 0
    while announced := _LITERAL.search(data, at):
        size = int(announced[2])
        kept = data[announced.end() : announced.end() + size]
        parts += [data[at : announced.start()], Literal(kept, size, bool(announced[1]))]
        at = announced.end() + len(kept)
    return [*parts, data[at:]]


def need(holds: bool, words: str) -> None:
    if not holds:
        raise Broken(words)


def held_to(command: Command, *, utf8: bool) -> None:
    """What is promised of each sort of command."""
    what = command.what
    need(command.tag.isascii() and not re.search(r"[\s{]", command.tag), "a tag that cannot be said")
    if isinstance(what, Folder | Select | Status | Append | Copy) and command.name != "GETQUOTA":
        name = what.mailbox
        need(names.fit(name), "a name with a control character")
        need(names.decode(names.encode(name)) == name, "a name that does not come back")
        said = names.said(name, utf8=utf8)
        again = parse([b"a DELETE " + said], utf8=utf8).what if len(said) < MAX_NAME else what
        need(isinstance(again, type(what)) or again == Folder(name), "another name")
    if isinstance(what, Append) and what.at is not None:
        need(0 <= what.at < 253_402_300_800_000, "a date out of this world")
    if isinstance(what, Fetch | Store | Copy):
        resolved(what.ids)
    if isinstance(what, Fetch):
        need(what.wanted.names <= frozenset(ITEMS), "an unknown data item")
        need(not what.vanished or (command.uid and what.changed_since is not None), "VANISHED alone")
        for section in what.wanted.sections:
            try:
                octets = cut(section, MAIL[: ROOT.header_end], MAIL, ROOT)
                need(opening(section, octets).startswith(section.label), "an answer by another name")
            except UnknownEncoding:
                need(section.decoded, "an encoding that was not to be undone")
    if isinstance(what, Search):
        for numbers, chosen in what.numbers:
            resolved(numbers.ids)
            chosen.add(4)
        for key in what.keys:
            need(key.matches(SUBJECT) in (True, False), "neither found nor missed")
    if isinstance(what, Listing):
        need(bool(what.patterns), "no pattern")


def resolved(ids: Ids) -> None:
    uids = [1, 4, 9]
    for uid in (True, False):
        places = ids.places(uids, uid=uid, saved=[9])
        need(places == sorted(set(places)) and set(places) <= {0, 1, 2}, "places that are not there")


# ---- without atheris -------------------------------------------------------------------------------------------------


def mutate(data: bytes, pool: list[bytes], dice: random.Random) -> bytes:
    """A few changes: a word, an octet, a piece of another, a piece taken out, a piece many times."""
    out = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 3, 6))):
        at, to = sorted((dice.randint(0, len(out)), dice.randint(0, len(out))))
        match dice.randrange(6):
            case 0:
                out[at:at] = dice.choice(WORDS)
            case 1:
                out[at:to] = dice.choice(WORDS)
            case 2:
                out[at : at + 1] = bytes([dice.randrange(256)])
            case 3:
                other = dice.choice(pool)
                start = dice.randint(0, len(other))
                out[at:to] = other[start : start + dice.randint(0, 40)]
            case 4:
                del out[at : at + dice.randint(1, 12)]
            case _:
                out[at:at] = bytes(out[at : at + 20]) * dice.choice((1, 2, 9, 400))
    return bytes(out[:MAX_INPUT])


def by_ourselves(seconds: float, seed: int) -> None:
    """Mutates what had an answer not seen before, what was a command more often than what was refused."""
    dice = random.Random(seed)
    pool, read = list(SEEDS), list(SEEDS)
    shapes: set[str] = set()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        data = mutate(dice.choice(dice.choice((read, read, pool))), pool, dice)
        commands = TALLY.commands
        try:
            answer = one(data)
        except Exception:
            sys.stderr.write(f"broken by {data!r}\n")
            raise
        shape = f"{answer} {len(data).bit_length()} {data.count(b' ').bit_length()}"
        if shape not in shapes:
            shapes.add(shape)
            pool.append(data)
            read += [data] * (TALLY.commands - commands)
        TALLY.answers.add(answer)


# ---- with atheris ----------------------------------------------------------------------------------------------------


def by_atheris(seconds: float) -> None:
    """Coverage-guided, in libFuzzer's loop, which ends the process: what was seen is said at each doubling."""
    atheris = importlib.import_module("atheris")
    for module in ("names", "syntax", "search", "fetch", "items", "mailboxes", "parser"):
        loaded = importlib.import_module(f"mail_gateway.imap.{module}")
        for thing in list(vars(loaded).values()):
            if getattr(thing, "__module__", "") == loaded.__name__:
                for code in (thing, *vars(thing).values()):
                    if hasattr(code, "__code__"):
                        atheris.instrument_func(code)
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(SEEDS):
            Path(folder, str(number)).write_bytes(seed)
        dictionary = Path(folder, "words.dict")
        dictionary.write_text("".join(map(_entry, WORDS)))
        limits = [f"-max_total_time={int(seconds)}", "-max_len=4096", f"-dict={dictionary}"]
        started, kept = time.monotonic(), _kept()

        def tried(data: bytes) -> None:
            TALLY.answers.add(one(data))
            if TALLY.tried >= 4096 and TALLY.tried & (TALLY.tried - 1) == 0:
                report(started, kept)

        atheris.Setup([sys.argv[0], *limits, folder], tried)
        atheris.Fuzz()


def _entry(word: bytes) -> str:
    """A line of libFuzzer's dictionary."""
    return '"' + "".join(f"\\x{octet:02x}" for octet in word) + '"\n'


def report(started: float, kept: int) -> None:
    print(  # noqa: T201 - a program for a person
        f"{TALLY.tried} inputs in {time.monotonic() - started:.0f} s, {TALLY.commands} of them commands, "
        f"{len(TALLY.answers)} sorts of answer; slowest {TALLY.slowest * 1000:.1f} ms; grown by {_kept() - kept} KiB",
        flush=True,
    )


def _kept() -> int:
    """The most memory this process ever had, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(seconds: float) -> None:
    for seed in SEEDS:
        need(one(seed).split()[-1] != "expected", "a seed that is refused")
    if importlib.util.find_spec("atheris") is not None:
        by_atheris(seconds)
    else:
        sys.stderr.write("atheris is not here (pip install atheris): mutating by ourselves\n")
        started, kept = time.monotonic(), _kept()
        by_ourselves(seconds, seed=random.SystemRandom().randrange(2**32))
        report(started, kept)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 60)
