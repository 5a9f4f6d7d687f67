"""What goes wrong while mail comes in, and what must hold all the same: taken is kept, and kept is whole, once."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from mail_gateway.inbound import RESERVE
from storage.database import SqliteDatabase, Tx
from tests import letters
from tests.certificates import Certificates
from tests.house import check
from tests.mail_house import ELSEWHERE, FROM, TO_DOMINIQUE, TO_MARCEL, MailHouse, bring, open_mail_house, plain
from tests.support.heartbeat import heartbeat
from tests.wire import Wire, connected

HANG_UPS = 500


@pytest.fixture
async def house(tmp_path: Path, sqlite_url: str) -> AsyncIterator[MailHouse]:
    async with open_mail_house(tmp_path, sqlite_url) as opened:
        yield opened


async def secured(house: MailHouse) -> Wire:
    wire = Wire(*await asyncio.open_connection("127.0.0.1", house.app.ports["smtp"]))
    await wire.hear()
    await wire.say("EHLO a.example")
    await wire.secure(house.peer())
    return wire


async def message_ids(house: MailHouse, name: str) -> list[str]:
    """The subjects of somebody's messages: each letter of these tests has its own."""
    return [entry.message.subject for entry in await house.entries(name) if entry.kind == "message"]


# ---- the peer goes away ----------------------------------------------------------------------------------------------


@pytest.mark.timeout(300)
async def test_a_peer_that_hangs_up_after_the_dot_leaves_nothing_half_stored(house: MailHouse) -> None:
    """500 times, between 0 and 4 ms after the final dot, by a reset or politely; some letters have files."""
    chance = random.Random(1)
    sent = []

    async def one(number: int) -> None:
        wire = await secured(house)
        files = [] if number % 5 else [("a.pdf", "application/pdf", letters.pdf() * 300)]
        letter = plain("Bonjour", subject=f"n° {number}", message_id=f"<{number}@operator.example>", files=files)
        await wire.envelope(FROM, TO_DOMINIQUE, *([TO_MARCEL] if number % 3 == 0 else []))
        await wire.say("DATA")
        await wire.send(letter + b".\r\n")
        sent.append(number)
        if pause := chance.choice((0, 0, 0.001, 0.002, 0.004)):
            await asyncio.sleep(pause)
        if chance.random() < 0.5:
            wire.hang_up()
        else:
            wire.writer.close()

    for start in range(0, HANG_UPS, 10):
        await asyncio.gather(*(one(start + step) for step in range(10)))
    assert (await bring(house, plain(subject="après", message_id="<z@operator.example>"))).startswith("250")
    sessions = [task for task in asyncio.all_tasks() if task.get_name() == "smtp-session"]
    if sessions:
        await asyncio.wait(sessions, timeout=30)
    await check(house.app)  # each message has its entries, each blob its file, each count is right
    stored = await message_ids(house, "dominique")
    assert len(stored) == len(set(stored)), "none is shown twice"
    assert len(sent) == HANG_UPS
    assert "après" in stored, "the queue flows on"
    both = {subject for subject in stored if subject != "après" and int(subject[3:]) % 3 == 0}
    assert both == set(await message_ids(house, "marcel")), "for both of its patients or for none"


async def test_a_peer_that_hangs_up_before_the_dot_leaves_nothing(house: MailHouse) -> None:
    for cut in range(0, 400, 40):
        wire = await secured(house)
        await wire.envelope(FROM, TO_DOMINIQUE)
        await wire.say("DATA")
        await wire.send((plain() + b".\r\n")[: -1 - cut])
        wire.hang_up()
    assert (await bring(house, plain("la bonne"))).startswith("250")
    assert await house.texts("dominique") == ["la bonne"]


# ---- the same letter again -------------------------------------------------------------------------------------------


async def test_a_letter_brought_again_after_a_lost_250_is_shown_once(house: MailHouse) -> None:
    letter = plain("une seule fois")
    said = await asyncio.gather(*(bring(house, letter) for _ in range(10)))
    said += [await bring(house, b"Received: from elsewhere by another road\r\n" + letter)]
    assert {reply[:9] for reply in said} == {"250 2.0.0"}
    assert await house.texts("dominique") == ["une seule fois"]


async def test_a_letter_half_delivered_to_two_patients_is_completed_when_it_comes_again(house: MailHouse) -> None:
    letter = plain("aux deux")
    assert (await bring(house, letter, TO_DOMINIQUE)).startswith("250")
    assert (await bring(house, letter, TO_DOMINIQUE, TO_MARCEL)).startswith("250")
    assert (await house.texts("dominique"), await house.texts("marcel")) == (["aux deux"], ["aux deux"])


async def test_another_content_under_the_same_identifier_is_another_letter(house: MailHouse) -> None:
    for text in ("un", "deux"):
        assert (await bring(house, plain(text))).startswith("250")
    assert await house.texts("dominique") == ["un", "deux"]


async def test_two_letters_without_identifier_are_two(house: MailHouse) -> None:
    for text in ("un", "deux", "deux"):
        assert (await bring(house, plain(text, message_id=""))).startswith("250")
    assert await house.texts("dominique") == ["un", "deux"], "and the same octets are the same letter"


# ---- our own faults --------------------------------------------------------------------------------------------------


async def test_a_fault_of_ours_is_a_451_without_a_word_of_what_it_was(house: MailHouse) -> None:
    """The blobs' folder vanishes under a letter with a file."""
    big = letters.with_attachments(("a.pdf", "application/pdf", letters.pdf() * 400), from_=ELSEWHERE)
    folder = house.app.settings.blob_dir
    aside = folder.with_name("aside")
    folder.rename(aside)
    said = await bring(house, big)
    assert said == "451 4.3.0 Try again later"
    assert (await bring(house, plain("petite"))).startswith("250"), "what needs no file is taken"
    aside.rename(folder)
    assert (await bring(house, big)).startswith("250")
    assert len(await house.entries("dominique")) == 2


async def test_a_locked_database_is_a_451_and_other_peers_are_greeted_meanwhile(house: MailHouse) -> None:
    import sqlite3

    assert isinstance(house.app.db, SqliteDatabase)
    other = sqlite3.connect(house.app.db.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    stuck = asyncio.create_task(bring(house, plain("plus tard")))
    async with asyncio.timeout(2):
        async with connected(house.app.ports["smtp"]):
            pass
    assert (await stuck).startswith("451 4.3.0")
    other.execute("ROLLBACK")
    other.close()
    assert (await bring(house, plain("plus tard"))).startswith("250")
    assert await house.texts("dominique") == ["plus tard"]


async def test_a_database_that_is_gone_is_a_451(house: MailHouse) -> None:
    def broken(tx: Tx) -> None:
        tx.run("ALTER TABLE messages RENAME TO elsewhere")

    def mended(tx: Tx) -> None:
        tx.run("ALTER TABLE elsewhere RENAME TO messages")

    await house.app.db.write(broken)
    assert (await bring(house, plain())).startswith("451 4.3.0")
    await house.app.db.write(mended)
    assert (await bring(house, plain())).startswith("250")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 60 MB, when we may mount one."""
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("only root can mount a small file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=60m", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"cannot mount a tmpfs here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


async def fill(house: MailHouse, disk: Path) -> tuple[list[str], str]:
    """Letters until one is refused; the subjects taken, and the refusal."""
    taken: list[str] = []
    for number in range(200):
        letter = letters.with_attachments(
            ("a.bin", "application/octet-stream", random.Random(number).randbytes(400_000)), from_=ELSEWHERE,
            subject=f"n° {number}", message_id=f"<{number}@operator.example>",
        )  # fmt: skip
        said = await bring(house, letter)
        if not said.startswith("250"):
            return taken, said
        taken.append(f"n° {number}")
    pytest.fail(f"{shutil.disk_usage(disk).free} octets are still free")


def take_all(disk: Path, but: int = 0) -> Path:
    """Something else fills the disk, but for so many octets."""
    ballast = disk / "ballast"
    descriptor = os.open(ballast, os.O_WRONLY | os.O_CREAT)
    with pytest.raises(OSError, match="No space"):
        while True:
            os.write(descriptor, bytes(4096))
    if but:
        os.truncate(ballast, os.fstat(descriptor).st_size - but)
    os.close(descriptor)
    return ballast


async def test_a_disk_that_fills_is_said_so_before_the_letter_is_sent_and_reading_goes_on(
    small_disk: Path, sqlite_template: Path
) -> None:
    shutil.copy(sqlite_template, small_disk / "pli.sqlite")
    async with open_mail_house(small_disk, f"sqlite:///{small_disk / 'pli.sqlite'}") as house:
        taken, refused = await fill(house, small_disk)
        assert refused.startswith("452 4.3.1")
        assert len(taken) > 3
        assert shutil.disk_usage(small_disk).free > RESERVE - 3_000_000
        assert await message_ids(house, "dominique") == taken, "what was taken is there, and can be read"
        subprocess.run(["mount", "-o", "remount,size=120m", str(small_disk)], check=True)
        assert (await bring(house, plain("petite"))).startswith("250"), "without a restart"
        assert (await house.texts("dominique"))[-1] == "petite"


async def test_a_disk_that_somebody_else_fills_at_once_loses_nothing(small_disk: Path, sqlite_template: Path) -> None:
    """Between the look at the disk and the commit there is nothing left: blob files, journal and database in turn."""
    shutil.copy(sqlite_template, small_disk / "pli.sqlite")
    async with open_mail_house(small_disk, f"sqlite:///{small_disk / 'pli.sqlite'}") as house:
        acknowledged, refusals = [], set()
        for number, but in enumerate((0, 8_192, 40_000, 200_000, 700_000)):
            for files in ([], [("a.bin", "application/octet-stream", random.Random(number).randbytes(300_000))]):
                name = f"{but} {len(files)}"
                letter = plain("x", subject=name, message_id=f"<{but}.{len(files)}@operator.example>", files=files)
                async with connected(house.app.ports["smtp"], house.peer()) as wire:
                    await wire.envelope(FROM, TO_DOMINIQUE)
                    ballast = take_all(small_disk, but)
                    said = await wire.data(letter)
                    ballast.unlink()
                if said.startswith("250"):
                    acknowledged.append(name)
                else:
                    refusals.add(said)
                    assert said[:9] in ("452 4.3.1", "451 4.3.0"), said
        await check(house.app)
        assert refusals
        assert await message_ids(house, "dominique") == acknowledged
        assert (await bring(house, plain("petite"))).startswith("250"), "without a restart"


LIMITED = """
import asyncio, resource, signal, sys
from pathlib import Path
from tests.mail_house import open_mail_house, bring, plain
from tests import letters

async def main(folder, url):
    async with open_mail_house(Path(folder), url) as house:
        file = ("a.bin", "application/octet-stream", bytes(3_000_000))
        big = letters.with_attachments(file, from_="paul.bertin@operator.example")
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, resource.RLIM_INFINITY))
        print(await bring(house, big))
        print(await bring(house, plain("petite")))
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print(await bring(house, big))
        print(len(await house.entries("dominique")))

asyncio.run(main(*sys.argv[1:]))
"""


def test_a_file_that_may_not_grow_is_no_reason_to_lose_the_letter(tmp_path: Path, sqlite_url: str) -> None:
    """The same without root: a quota on the size of files, in a process of its own."""
    Certificates.at(tmp_path / "certificates").operator()
    ran = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path), sqlite_url], cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": "."}, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    said = [line for line in ran.stdout.splitlines() if not line.startswith("{")]
    assert [line[:9] for line in said] == ["452 4.3.1", "250 2.0.0", "250 2.0.0", "2"], ran.stderr[-2000:]


# ---- one hostile letter among others ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "letter",
    [
        b"To: " + b",".join([b"a@b.example"] * 7000) + b"\r\n" + plain("x"),
        plain("x").replace(b"text/plain;", b"text/plain;" + b"; a=b" * 180),
        b"".join(b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (n, n) for n in range(90))
        + plain("x"),
        plain("x", message_id="").replace(b"MIME-Version", b"Message-ID: <>\r\nMIME-Version"),
        plain("x").replace(b"To: ", b"To: a@[1.2, "),
        plain("x", html="<div>" * 20_000),
        plain("x").replace(b"x\r\n", b"x\r\n" + b"\r\n" * 300_000),
    ],
    ids=["commas", "parameters", "nested", "empty id", "bad literal", "deep html", "empty lines"],
)
async def test_a_hostile_letter_neither_stops_the_others_nor_gets_a_wrong_kind_of_answer(
    letter: bytes, house: MailHouse
) -> None:
    with_from = letter if b"From: " in letter.partition(b"\r\n\r\n")[0] else b"From: <%b>\r\n" % FROM.encode() + letter
    async with heartbeat() as heart:
        said = await bring(house, with_from)
    assert said[:9] in ("250 2.0.0", "550 5.6.0"), said
    assert heart.longest < 2, "nobody waits two seconds for somebody else's letter (item 59)"
    assert (await bring(house, plain("la suivante", message_id="<n@operator.example>"))).startswith("250")
