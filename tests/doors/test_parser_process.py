"""Documents are read apart: what is read is the same, and whatever happens to the reader, the letter arrives."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.formats import parser_process
from server.formats.package import Parcel, unpack
from server.formats.parser_process import Parsers
from tests import letters
from tests.mail_house import ELSEWHERE, MailHouse, bring, open_mail_house

REPORT = Parcel("archive", "", letters.xdm_zip())


@pytest.fixture
def parsers() -> Iterator[Parsers]:
    """One worker, which is given a second."""
    opened = Parsers(1, wait_s=10)
    yield opened
    opened.close()


@pytest.fixture
async def house(tmp_path: Path, sqlite_url: str) -> AsyncIterator[MailHouse]:
    async with open_mail_house(tmp_path, sqlite_url) as opened:
        yield opened


@pytest.mark.parametrize(
    "parcel",
    [
        REPORT,
        Parcel("document", "", letters.cda(body=b"")),
        Parcel("archive", "base64", b"UEsDBA=="),
        Parcel("document", "quoted-printable", b"=3C?xml version=3D'1.0'?><autre/>"),
    ],
    ids=["archive", "document", "no archive", "other XML"],
)
def test_what_is_read_apart_is_what_is_read_here(parcel: Parcel, parsers: Parsers) -> None:
    assert parsers.unpack(parcel) == unpack(parcel)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_damage_makes_reading_fail(data: st.DataObject) -> None:
    """Whatever comes is a package: a worker is not lost to every broken file."""
    kind: Literal["archive", "document"] = data.draw(st.sampled_from(("archive", "document")))
    raw = bytearray(letters.xdm_zip(body=b"") if kind == "archive" else letters.cda(body=b""))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(raw) - 1))
        put = data.draw(st.sampled_from((b"", b"<", b"\xff", b"&#0;", b"/>", b"\0")))
        raw[at : at + data.draw(st.integers(0, 9))] = put
    package = unpack(Parcel(kind, "", bytes(raw)))
    assert package.papers or package.damaged or package.foreign


def test_one_reader_serves_many_letters(parsers: Parsers) -> None:
    parsers.unpack(REPORT)
    before = parsers.pids()
    assert [parsers.unpack(REPORT).damaged for _ in range(5)] == [""] * 5
    assert parsers.pids() == before


def test_a_reader_that_was_ended_while_it_waited_is_replaced_and_nobody_notices(parsers: Parsers) -> None:
    parsers.unpack(REPORT)
    (gone,) = parsers.pids()
    os.kill(gone, signal.SIGKILL)
    assert not parsers.unpack(REPORT).damaged
    assert gone not in parsers.pids()


def test_a_reader_that_does_not_answer_is_ended_and_its_archive_stays_a_file(parsers: Parsers) -> None:
    parsers.unpack(REPORT)
    (stopped,) = parsers.pids()
    os.kill(stopped, signal.SIGSTOP)
    parsers.wait_s = 0.2
    assert parsers.unpack(REPORT).damaged == "Cette archive n’a pas pu être lue."
    assert not Path(f"/proc/{stopped}").exists()
    parsers.wait_s = 10
    assert not parsers.unpack(REPORT).damaged


def test_a_reader_whose_processor_time_is_up_is_not_followed_by_another(parsers: Parsers) -> None:
    """The kernel says so by a signal; what made it go over would make the next one too."""
    parsers.unpack(REPORT)
    os.kill(parsers.pids()[0], signal.SIGXCPU)
    assert parsers.unpack(REPORT).damaged
    assert parsers.pids() == []


def test_a_document_that_takes_too_much_memory_is_unreadable_and_the_next_one_is_read(parsers: Parsers) -> None:
    package = parsers.unpack(Parcel("document", "", letters.cda(body=b"%PDF-" + bytes(43_000_000))))
    assert package.damaged
    assert not package.papers
    assert not parsers.unpack(REPORT).damaged


def test_a_reader_has_its_measure_of_everything_and_none_of_our_secrets(
    parsers: Parsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLI_DATABASE_URL", "postgresql://pli:secret@localhost/pli")
    parsers.unpack(REPORT)
    process = Path(f"/proc/{parsers.pids()[0]}")
    limits = {line[:26].strip(): line[26:].split()[0] for line in (process / "limits").read_text().splitlines()[1:]}
    assert (limits["Max file size"], limits["Max open files"], limits["Max processes"]) == ("0", "0", "0")
    assert 0 < int(limits["Max cpu time"]) <= 10
    assert 0 < int(limits["Max address space"]) < 512 * 1024 * 1024
    assert b"PLI_" not in (process / "environ").read_bytes()
    opened = [os.readlink(descriptor) for descriptor in (process / "fd").iterdir()]
    assert {name.partition(":")[0] for name in opened} == {"socket", "/dev/null"}


def test_readers_end_with_whoever_asked_them(parsers: Parsers) -> None:
    parsers.unpack(REPORT)
    (pid,) = parsers.pids()
    parsers.close()
    assert parsers.pids() == []
    assert not Path(f"/proc/{pid}").exists()
    assert not parsers.unpack(REPORT).damaged, "another is started when it is needed"


def test_readers_end_with_a_server_that_is_killed() -> None:
    """Nothing but their socket tells them."""
    server = (
        "from server.formats.parser_process import PARSERS as p; from tests.doors.test_parser_process import REPORT;"
        "p.unpack(REPORT); print(*p.pids(), flush=True); input()"
    )
    with subprocess.Popen([sys.executable, "-c", server], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        reader = os.pidfd_open(int(running.stdout.readline()))
        running.kill()
    assert select.select([reader], [], [], 30)[0], "it ended"
    os.close(reader)


async def test_a_letter_whose_archive_cannot_be_read_in_time_is_read_all_the_same(
    house: MailHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def letter(number: int) -> bytes:
        archive = ("IHE_XDM.ZIP", "application/zip", letters.xdm_zip(document_id=f"1.2.{number}"))
        return letters.with_attachments(archive, from_=ELSEWHERE, message_id=f"<{number}@operator.example>")

    shared = parser_process.PARSERS
    assert (await bring(house, letter(1))).startswith("250")
    for pid in shared.pids():
        os.kill(pid, signal.SIGSTOP)
        await asyncio.to_thread(os.waitpid, pid, os.WUNTRACED)  # it stands still from here on
    with monkeypatch.context() as hurried:
        hurried.setattr(shared, "wait_s", 0.2)
        while any("T" in Path(f"/proc/{pid}/stat").read_text().split(")")[1][:3] for pid in shared.pids()):
            assert (await bring(house, letter(2 + len(await house.entries("dominique"))))).startswith("250")
    assert (await bring(house, letter(99))).startswith("250")
    first, *stopped, last = (entry.message.attachments for entry in await house.entries("dominique"))
    assert (len(first), len(last)) == (2, 2)
    for files in stopped:
        assert [(file.name, file.damaged) for file in files if file.damaged] in (
            [("IHE_XDM.ZIP", "Cette archive n’a pas pu être lue.")],
            [],
        )
    assert any(len(files) == 1 for files in stopped)
