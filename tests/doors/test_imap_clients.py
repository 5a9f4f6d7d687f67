"""The IMAP door with the mail clients people have: mbsync and neomutt, as Debian ships them, run for real."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import select
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mail_gateway.inbound import submission_door
from server import attachments, reading
from storage import entries
from tests.house import PASSWORD, House
from tests.imap_client import MOREL, client, exchange, imap_house, in_the_chat
from tests.support.programs import program

PATIENCE = 60.0


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """The IMAP and the submission door."""
    async with imap_house(tmp_path / "pli") as opened, submission_door(opened.app):
        yield opened


def authority(house: House) -> Path:
    return Path(house.app.settings.tls_certificate).with_name("authority.pem")


# ---- mbsync ----------------------------------------------------------------------------------------------------------


class Maildir:
    """A copy of the mailbox on Dr Morel's disk, kept by mbsync."""

    def __init__(self, house: House, folder: Path) -> None:
        self.folder = folder / "copy"
        self.folder.mkdir()
        self._program = program("mbsync", "isync")
        self._config = folder / "mbsyncrc"
        self._config.write_text(
            f'IMAPAccount pli\nHost localhost\nPort {house.app.ports["imap"]}\nUser {MOREL}\nPass "{PASSWORD}"\n'
            f"SSLType STARTTLS\nCertificateFile {authority(house)}\n\n"
            "IMAPStore far\nAccount pli\n\n"
            f"MaildirStore near\nPath {self.folder}/\nInbox {self.folder}/INBOX\nSubFolders Verbatim\n\n"
            "Channel pli\nFar :far:\nNear :near:\nPatterns INBOX Sent\n"
            "Create Near\nExpunge Both\nSync All\nSyncState *\n"
        )

    async def sync(self) -> None:
        """Both ways, until nothing is left to do."""
        done = await asyncio.to_thread(
            subprocess.run,
            [self._program, "-c", str(self._config), "-a"],
            capture_output=True, text=True, timeout=PATIENCE, check=False, env={**os.environ, "HOME": str(self.folder)},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert not re.search(r"(?i)error|warning", done.stderr), done.stderr

    def mails(self, folder: str) -> dict[str, Path]:
        """The mails of a folder by file name, which ends in their flags: `…:2,FS`."""
        return {path.name: path for where in ("cur", "new") for path in (self.folder / folder / where).iterdir()}

    def state(self) -> dict[str, bytes]:
        """Everything that mbsync keeps, names and octets."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and not path.name.endswith((".lock", ".journal"))
        }


async def test_mbsync_copies_the_mailbox_and_the_second_time_there_is_nothing_to_do(
    house: House, tmp_path: Path
) -> None:
    copy = Maildir(house, tmp_path)
    conversation = await exchange(house)
    upload = await attachments.upload(house.app, house.dominique, "bilan.pdf", "application/pdf", os.urandom(200_000))
    await house.answer("dominique", conversation, "Voici mon bilan.", uploads=(upload,))
    await copy.sync()
    assert len(copy.mails("INBOX")) == 2
    assert len(copy.mails("Sent")) == 1
    before, last = copy.state(), await house.app.db.read(entries.last_seq, house.morel.mailbox_id)
    await copy.sync()
    assert copy.state() == before
    assert await house.app.db.read(entries.last_seq, house.morel.mailbox_id) == last
    async with client(house) as morel:
        for uid in await morel.uids("ALL"):
            _, mail = await morel.fetch(uid)
            text = mail.replace(b"\r\n", b"\n")
            kept = [re.sub(rb"X-TUID: .*\n", b"", path.read_bytes()) for path in copy.mails("INBOX").values()]
            assert text in kept  # but for the mark by which mbsync knows its own


async def test_what_is_done_on_either_side_reaches_the_other_by_mbsync(house: House, tmp_path: Path) -> None:
    copy = Maildir(house, tmp_path)
    conversation = await exchange(house)
    await house.answer("dominique", conversation, "Encore une question.")
    await copy.sync()
    first, second = sorted(copy.mails("INBOX").values(), key=lambda path: b"Encore" in path.read_bytes())
    # On the disk: the first was read and flagged, the second thrown away.
    first.rename(first.parent.with_name("cur") / f"{first.name.partition(':')[0]}:2,FS")
    second.rename(second.parent.with_name("cur") / f"{second.name.partition(':')[0]}:2,T")
    await copy.sync()
    async with client(house) as morel:
        assert await morel.uids("ALL") == [2]
        assert await morel.uids("SEEN", "FLAGGED") == [2]
        # On the server: no longer flagged, but answered, and there is a new one.
        await morel.do("uid", "STORE", "2", "FLAGS", "(\\Seen \\Answered)")
    await house.answer("dominique", conversation, "Une dernière.")
    await copy.sync()
    flags = sorted(name.partition(":2,")[2] for name in copy.mails("INBOX"))
    assert flags == ["", "RS"]
    before = copy.state()
    await copy.sync()
    assert copy.state() == before
    page = await reading.thread(house.app, await in_the_chat(house, "dominique", conversation))
    assert len(page.entries) == 4  # what was thrown away left the mailbox, not the conversation


# ---- neomutt ---------------------------------------------------------------------------------------------------------


def muttrc(house: House, folder: Path) -> Path:
    """Dr Morel's settings."""
    config = folder / "muttrc"
    account = MOREL.replace("@", "%40")
    config.write_text(
        f"set folder = 'imap://{account}@localhost:{house.app.ports['imap']}/'\n"
        f"set imap_pass = '{PASSWORD}'\nset smtp_pass = '{PASSWORD}'\n"
        f"set smtp_url = 'smtp://{account}@localhost:{house.app.ports['submission']}/'\n"
        f"set ssl_starttls = yes\nset ssl_force_tls = yes\nset ssl_ca_certificates_file = '{authority(house)}'\n"
        f"set certificate_file = '{folder / 'certificates.accepted'}'\n"
        "set spoolfile = '+INBOX'\nset record = '+Sent'\nset copy = yes\nset imap_check_subscribed = no\n"
        f"set realname = 'Dr Agathe MOREL'\nset from = '{MOREL}'\nset use_domain = no\n"
        "set sort = threads\nset ascii_chars = yes\nset index_format = '%4C %Z %s'\nset wait_key = no\nset quit = yes\n"
        "set header_cache = ''\nset sendmail_wait = 0\nset imap_idle = yes\nset help = no\nset tmpdir = '/tmp'\n"
    )
    return config


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "HOME": str(folder), "TERM": "xterm", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "LINES": "24"}


def on_a_terminal(command: list[str], env: dict[str, str], until: str, leave: bytes) -> str:
    """Run on a terminal until it has shown `until`, then press `leave`; everything it showed, without its escapes."""
    terminal, theirs = pty.openpty()
    child = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=env, start_new_session=True)
    os.close(theirs)
    shown = b""
    pressed = False
    deadline = time.monotonic() + PATIENCE
    try:
        while time.monotonic() < deadline:
            if not select.select([terminal], [], [], 1)[0]:
                continue
            try:
                piece = os.read(terminal, 65536)
            except OSError:  # it has ended
                break
            if not piece:
                break
            shown += piece
            if not pressed and re.search(until, plain(shown)):
                pressed = True
                os.write(terminal, leave)
    finally:
        os.close(terminal)
        child.kill()
        child.wait()
    assert pressed, plain(shown)
    return plain(shown)


def plain(shown: bytes) -> str:
    """What is read on a terminal, roughly: its escapes turned to line ends."""
    return re.sub(r"\x1b(?:\[[0-9;?]*[A-Za-z]|[()][A-Z0-9]|[=>78])|\x0f", "\n", shown.decode("utf-8", "replace"))


async def test_neomutt_shows_the_exchange_as_one_thread(house: House, tmp_path: Path) -> None:
    neomutt = program("neomutt")
    conversation = await exchange(house)
    await house.answer("dominique", conversation, "Et mon traitement ?")
    await house.letter("morel", "marcel", "Bonjour")  # another thread
    command = [neomutt, "-n", "-F", str(muttrc(house, tmp_path))]
    shown = await asyncio.to_thread(on_a_terminal, command, environment(tmp_path), r"2 N", b"q")
    # Her own letter, which both answer, is in Sent: the first is drawn under its absence, the second beside it.
    assert re.search(r"1 N \W*-->Re: Consignes", shown), shown
    assert re.search(r"2 N \W*`->Re: Consignes", shown), shown


async def test_the_copy_neomutt_files_in_sent_is_not_a_second_one(house: House, tmp_path: Path) -> None:
    neomutt = program("neomutt")
    sent = await asyncio.to_thread(
        subprocess.run,
        [neomutt, "-n", "-F", str(muttrc(house, tmp_path)), "-s", "Votre admission", house.address("dominique")],
        input="Venez à jeun.\n",
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env=environment(tmp_path),
    )
    assert sent.returncode == 0, sent.stdout + sent.stderr
    async with client(house, folder="Sent") as morel:
        [uid] = await morel.uids("ALL")
        mail = await morel.mail(uid)
    assert mail["Subject"] == "Votre admission"
    page = await reading.since(house.app, await house.mailbox("dominique"), 0)
    assert [entry.message.text.strip() for entry in page.entries] == ["Venez à jeun."]
