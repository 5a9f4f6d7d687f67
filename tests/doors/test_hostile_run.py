"""Spoiled and costly letters through the MX door: each has its answer, and nobody waits for any of them.

The spoiled ones are real letters of ours, damaged by lot; the seed is in the failure, and `PLI_SEED` gives another.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from structlog.testing import capture_logs

from storage import quarantine
from tests import letters
from tests.letters import DOMINIQUE, MARCEL
from tests.mail_house import ELSEWHERE, FROM, TO_DOMINIQUE, MailHouse, open_mail_house, plain
from tests.support.heartbeat import heartbeat
from tests.support.hostile_mail import HOSTILE
from tests.wire import connected

SEED = int(os.environ.get("PLI_SEED", "20261123"))
LETTERS = 500
ANSWERS = {"250 2.0.0", "550 5.6.0", "550 5.7.1", "552 5.3.4", "554 5.4.6"}  # and none that puts the fault on us
BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

SOUND = (
    plain(),
    plain("Venez <à jeun>", html="<p>Venez <b>à jeun</b><img src='https://espion.example/1.gif'></p>"),
    letters.with_attachments(from_=ELSEWHERE),
    letters.with_attachments(("IHE_XDM.ZIP", "application/zip", letters.xdm_zip()), from_=ELSEWHERE),
    letters.with_attachments(("IHE_XDM.ZIP", "application/zip", letters.xdm_zip(ins=MARCEL)), from_=ELSEWHERE),
    letters.invitation(organizer=ELSEWHERE),
    letters.with_attachments(("x.eml", "application/octet-stream", plain()), from_=ELSEWHERE),
)
FIELDS = (
    b"From: <%b>" % FROM.encode(), b"From: agathe.morel@pli.example", b"Subject: =?utf-8?Q?=0D=0ABcc:_x?=",
    b"Subject: " + b"=?utf-8?B?w6k=?= " * 50, b"Content-Type: multipart/mixed; boundary=b", b"Message-ID: <>",
    b"Content-Type: text/html; charset=utf-7", b"Content-Type: message/rfc822",
    b"Content-Type: text/plain; charset=zlib",
    b"Content-Transfer-Encoding: base64", b"Content-Transfer-Encoding: x-uuencode", b"X-MSS-MES: FIN", b"Date: hier",
    b"Content-Disposition: attachment; filename*0*=utf-8''%E2%80%AEfdp.exe", b"References: " + b"<a@b> " * 100,
    b"To: " + b"a:" * 300 + b";", b"To: " + b"(" * 300, b"X: \xff\xfe\x00", b"Received: from a by b", b"no colon here",
    b"Disposition-Notification-To: <>", b"Content-Type: text/plain" + b"; a=b" * 210, b"Auto-Submitted: auto-generated",
    b"Content-Type: text/plain; format=flowed; delsp=yes", b"Reply-To: x@pli.example, y", b" continued from nothing",
    f"X-MSS-INS: {DOMINIQUE}".encode(),
)  # fmt: skip
BYTES = (
    b"\r\n",
    b"\n",
    b"\r",
    b"\x00",
    b"\xff",
    b"\xc3",
    b"--",
    b"=",
    b"<",
    b"\r\n\r\n",
    b".",
    b"\r\n.",
    b"&#x0;",
    b" ",
)

Spoil = Callable[[random.Random, bytes], bytes]


def add_field(lot: random.Random, letter: bytes) -> bytes:
    lines = letter.split(b"\r\n")
    lines.insert(lot.randrange(min(12, len(lines))), lot.choice(FIELDS))
    return b"\r\n".join(lines)


def lose_line(lot: random.Random, letter: bytes) -> bytes:
    lines = letter.split(b"\r\n")
    del lines[lot.randrange(len(lines))]
    return b"\r\n".join(lines)


def double_line(lot: random.Random, letter: bytes) -> bytes:
    lines = letter.split(b"\r\n")
    at = lot.randrange(len(lines))
    return b"\r\n".join(lines[:at] + [lines[at]] * lot.choice((2, 3, 60)) + lines[at + 1 :])


def change_byte(lot: random.Random, letter: bytes) -> bytes:
    at = lot.randrange(len(letter))
    return letter[:at] + lot.choice(BYTES) + letter[at + lot.randrange(3) :]


def cut(lot: random.Random, letter: bytes) -> bytes:
    return letter[: lot.randrange(len(letter))]


def splice(lot: random.Random, letter: bytes) -> bytes:
    other = lot.choice(SOUND)
    return letter[: lot.randrange(len(letter))] + other[lot.randrange(len(other)) :]


def nest(lot: random.Random, letter: bytes) -> bytes:
    head, _, _ = letter.partition(b"Content-Type:")
    times = lot.choice((1, 5, 120))
    return head + b"".join(
        b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n" % (n, n) for n in range(times)
    ) + letter  # fmt: skip


def other_boundary(lot: random.Random, letter: bytes) -> bytes:
    return letter.replace(b"----pli-", lot.choice((b"----pli-0", b"", b"----pli", b"=_")), lot.randrange(1, 3))


SPOILED: tuple[Spoil, ...] = (
    add_field,
    add_field,
    lose_line,
    double_line,
    change_byte,
    cut,
    splice,
    nest,
    other_boundary,
)


def spoiled(lot: random.Random, number: int) -> bytes:
    """A letter damaged one to four times, with a word that no other has; it ends as a letter must (RFC 5321)."""
    letter = lot.choice(SOUND)
    for _ in range(lot.randrange(1, 5)):
        letter = lot.choice(SPOILED)(lot, letter) or b"\r\n"
    return f"X-Number: {number}\r\n".encode() + letter + f"\r\n\r\nn° {number}\r\n".encode()


async def test_five_hundred_spoiled_letters_each_have_their_answer_and_nobody_waits(
    tmp_path: Path, sqlite_url: str
) -> None:
    lot, said = random.Random(SEED), list[str]()
    with capture_logs() as logged:
        async with open_mail_house(tmp_path, sqlite_url) as house:
            async with heartbeat() as heart:
                for first in range(0, LETTERS, 20):
                    said += await bring_some(house, [spoiled(lot, number) for number in range(first, first + 20)])
            entries = await house.entries("dominique")
            held = await house.app.db.read(quarantine.everything)
    count = Counter(reply[:9] for reply in said)
    assert set(count) <= ANSWERS, (SEED, count)
    assert count["250 2.0.0"] > LETTERS // 4, (SEED, count, "or they are too spoiled to say anything")
    assert count["550 5.6.0"] > 20, (SEED, count, "or not enough")
    assert count["250 2.0.0"] == len(entries) + len(held), SEED
    faults = [line for line in logged if line["event"] == "smtp.fault" or line.get("fault")]
    assert faults == [], SEED
    assert heart.longest < 2, (SEED, "nobody waits two seconds for somebody else's letter (item 59)")
    for entry in entries:  # item 28
        shown = [entry.message.subject, entry.message.author.name, *(file.name for file in entry.message.attachments)]
        assert all(line.isprintable() and not BIDI & set(line) for line in shown), (SEED, shown)


async def test_letters_made_to_cost_time_are_answered_at_once_and_the_next_one_too(
    tmp_path: Path, sqlite_url: str
) -> None:
    """Security item 59 through the door; lines too long for SMTP are folded, so that they get further than that."""
    known = {name: b"".join(folded(raw)) for name, raw in HOSTILE.items() if len(raw) < 2_000_000}
    assert len(known) > 25
    said = {}
    with capture_logs() as logged:
        async with open_mail_house(tmp_path, sqlite_url) as house:
            for name, raw in known.items():
                async with heartbeat() as heart:
                    (said[name],) = await bring_some(house, [raw])
                assert said[name][:9] in ANSWERS, (name, said[name])
                assert heart.longest < 2, name
                assert (await bring_some(house, [plain(name, message_id=f"<{len(said)}@x.example>")]))[0][:3] == "250"
            texts = await house.texts("dominique")
    assert set(known) <= set(texts)
    assert len(texts) > len(known), "and some of the costly ones are read"
    assert [line for line in logged if line["event"] == "smtp.fault" or line.get("fault")] == []


def folded(raw: bytes) -> Iterator[bytes]:
    """A letter by the operator, with lines that SMTP takes."""
    raw = raw.replace(b"agathe.morel@pli.example", FROM.encode()).replace(b"\r\n", b"\n")
    for line in raw.split(b"\n"):
        for at in range(0, len(line) or 1, 900):
            yield (b" " if at else b"") + line[at : at + 900] + b"\r\n"


async def bring_some(house: MailHouse, brought: list[bytes]) -> list[str]:
    """In one connection: a door that refused twenty letters hangs up."""
    said = []
    async with connected(house.app.ports["smtp"], house.peer()) as wire:
        for letter in brought:
            assert [reply[:3] for reply in await wire.envelope(FROM, TO_DOMINIQUE)] == ["250", "250"]
            said.append(await wire.data(letter))
    return said
