"""Mail is scanned by clamd before it is taken: infected is refused, not scanned is never delivered when it must be."""

from __future__ import annotations

import base64
import json
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from server.doctor import examine
from server.settings import Settings, problems
from tests import letters
from tests.house import PASSWORD, settings_for
from tests.letters import DOMINIQUE, MOREL
from tests.mail_house import ELSEWHERE, FROM, TO_DOMINIQUE, MailHouse, bring, open_mail_house, plain
from tests.support.clamav import EICAR, Clamd, clamd
from tests.support.envelopes import envelope
from tests.support.programs import free_port
from tests.wire import connected

REFUSED = "550 5.7.1 Message refuse : un virus"
LATER = "451 4.7.1"


@pytest.fixture(scope="module")
def scanner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clamd]:
    with clamd(tmp_path_factory.mktemp("clamd")) as running:
        yield running


@pytest.fixture
async def house(tmp_path: Path, sqlite_url: str, scanner: Clamd) -> AsyncIterator[MailHouse]:
    async with open_mail_house(tmp_path, sqlite_url, clamd=scanner.where) as opened:
        yield opened


def disguised() -> bytes:
    """A boundary in two pieces (RFC 2231 § 3): clamd, shown the mail alone, finds nothing in it; Outlook does."""
    return (
        f"From: {FROM}\r\nTo: {TO_DOMINIQUE}\r\nSubject: x\r\nMIME-Version: 1.0\r\n".encode()
        + b"Content-Type: multipart/mixed; boundary*0=x; boundary*1=y\r\n\r\n--xy\r\n"
        + b"Content-Type: application/octet-stream; name=a.com\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(EICAR).replace(b"\n", b"\r\n")
        + b"--xy--\r\n"
    )


def signed() -> bytes:
    """A letter in an envelope of S/MIME, of which clamd reads nothing and we do."""
    inner = letters.with_attachments(("a.pdf", "application/pdf", EICAR))
    piece = base64.encodebytes(envelope(inner)).replace(b"\n", b"\r\n")
    head = f"From: {FROM}\r\nTo: {TO_DOMINIQUE}\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
    kind = "Content-Type: application/pkcs7-mime; smime-type=signed-data\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return f"{head}{kind}".encode() + piece


INFECTED = {
    "an attachment": plain(files=[("notice.pdf", "application/pdf", EICAR)]),
    "an archive": plain(
        files=[("a.zip", "application/zip", letters.archive([("b.zip", letters.archive([("c.com", EICAR)]))]))]
    ),
    "a forwarded letter": plain(
        files=[("x.eml", "application/octet-stream", letters.with_attachments(("c.com", "image/png", EICAR)))]
    ),
    "a disguise": disguised(),
    "an envelope": signed(),
}


@pytest.mark.parametrize("letter", INFECTED.values(), ids=INFECTED.keys())
async def test_an_infected_letter_is_refused_and_names_nobody(letter: bytes, house: MailHouse) -> None:
    async with connected(house.app.ports["smtp"], house.peer()) as wire:
        await wire.envelope(FROM, TO_DOMINIQUE)
        said = await wire.data(letter)
        assert said.startswith(REFUSED)
        assert DOMINIQUE not in said
        await wire.envelope(FROM, TO_DOMINIQUE)
        assert (await wire.data(plain("la suivante"))).startswith("250")
    assert await house.texts("dominique") == ["la suivante"]


async def test_dr_morel_is_told_at_once_that_her_file_is_infected(house: MailHouse) -> None:
    with capture_logs() as said:
        async with connected(house.app.ports["submission"], house.client()) as wire:
            await wire.say("AUTH PLAIN " + base64.b64encode(f"\0{MOREL[1]}\0{PASSWORD}".encode()).decode())
            await wire.envelope(MOREL[1], TO_DOMINIQUE)
            assert (await wire.data(letters.with_attachments(("a.pdf", "application/pdf", EICAR)))).startswith(REFUSED)
            await wire.envelope(MOREL[1], TO_DOMINIQUE)
            assert (await wire.data(letters.with_attachments())).startswith("250")
    assert len(await house.entries("dominique")) == 1
    assert "clamd.infected" in [line["event"] for line in said]
    assert not any(word in json.dumps(said) for word in (DOMINIQUE, MOREL[1], "a.pdf"))


async def test_a_large_letter_without_a_virus_is_taken(house: MailHouse) -> None:
    assert (await bring(house, plain(files=[("x.bin", "application/octet-stream", bytes(9_000_000))]))).startswith(
        "250"
    )
    assert unscanned(house) == 0


def unscanned(house: MailHouse) -> float:
    value = house.app.metrics.registry.get_sample_value("pli_unscanned_total")
    assert value is not None
    return value


@asynccontextmanager
async def one_that_cannot(
    how: str, folder: Path, scanner: Clamd, url: str, *, required: bool
) -> AsyncIterator[MailHouse]:
    """A house whose clamd is down, silent or too small for a letter of 2 MB, which it may be told in two ways."""
    options = {"small": {"StreamMaxLength": "1M"}, "shallow": {"MaxFileSize": "1M", "AlertExceedsMax": "yes"}}
    changes: dict[str, Any] = {"clamd_required": required, "clamd_seconds": 1 if how == "silent" else 30}
    if how in options:
        with clamd(folder / "clamd", **options[how]) as other:
            async with open_mail_house(folder, url, clamd=other.where, **changes) as house:
                yield house
        return
    where = {"down": f"unix:{folder}/nobody", "closed": f"127.0.0.1:{free_port()}"}.get(how, scanner.where)
    if how == "silent":
        scanner.process.process.send_signal(signal.SIGSTOP)
    try:
        async with open_mail_house(folder, url, clamd=where, **changes) as house:
            yield house
    finally:
        scanner.process.process.send_signal(signal.SIGCONT)


LARGE = plain("lourd", files=[("x.bin", "application/octet-stream", bytes(2_000_000))])
WAYS = ["down", "closed", "silent", "small", "shallow"]


@pytest.mark.parametrize("how", WAYS)
async def test_what_must_be_scanned_and_cannot_waits_with_its_sender(
    how: str, tmp_path: Path, sqlite_url: str, scanner: Clamd
) -> None:
    async with one_that_cannot(how, tmp_path, scanner, sqlite_url, required=True) as house:
        assert (await bring(house, LARGE)).startswith(LATER)
        assert await house.entries("dominique") == []
        assert unscanned(house) == 1
        if how == "silent":  # and once it answers again, the same letter is taken
            scanner.process.process.send_signal(signal.SIGCONT)
            assert (await bring(house, LARGE)).startswith("250")


@pytest.mark.parametrize("how", WAYS)
async def test_where_scanning_is_not_required_the_letter_is_taken_counted_and_logged(
    how: str, tmp_path: Path, sqlite_url: str, scanner: Clamd
) -> None:
    async with one_that_cannot(how, tmp_path, scanner, sqlite_url, required=False) as house:
        with capture_logs() as said:
            assert (await bring(house, LARGE)).startswith("250")
        assert await house.texts("dominique") == ["lourd"]
        assert unscanned(house) == 1
    assert [line["taken"] for line in said if line["event"] == "clamd.unscanned"] == [True]
    assert not any(word in json.dumps(said) for word in (DOMINIQUE, ELSEWHERE[1]))


async def test_clamd_may_be_reached_by_the_network(tmp_path: Path, sqlite_url: str) -> None:
    port = str(free_port())
    with clamd(tmp_path / "clamd", TCPSocket=port, TCPAddr="127.0.0.1"):
        async with open_mail_house(tmp_path, sqlite_url, clamd=f"127.0.0.1:{port}") as house:
            assert (await bring(house, INFECTED["an attachment"])).startswith(REFUSED)
            assert (await bring(house, plain())).startswith("250")


async def test_an_operator_learns_whether_clamd_answers(tmp_path: Path, sqlite_url: str, scanner: Clamd) -> None:
    for where, said, required in (
        (scanner.where, "answers", True),
        (f"unix:{tmp_path}/nobody", "does not answer", True),
        (f"127.0.0.1:{free_port()}", "does not answer", False),
        ("nonsense", "does not answer", True),
    ):
        settings = settings_for(tmp_path, database_url=sqlite_url, clamd=where, clamd_required=required)
        (found,) = [one for one in await examine(settings) if one.text.startswith(f"clamd: {where} ")]
        assert (found.text, found.good) == (f"clamd: {where} {said}", said == "answers")
        assert found.warning is (not required and not found.good)


@pytest.mark.parametrize(
    ("where", "good"),
    [
        ("", True),
        ("unix:/run/clamav/clamd.ctl", True),
        ("127.0.0.1:3310", True),
        ("[::1]:3310", True),
        ("/run/clamav/clamd.ctl", False),
        ("clamd", False),
        ("clamd:", False),
    ],
)
def test_a_wrong_address_of_clamd_is_said_before_a_letter_comes(where: str, good: bool) -> None:
    said = [line for line in problems(Settings(clamd=where)) if line.startswith("clamd:")]
    assert (said == []) == good
