"""Mail clients that people have, as Debian ships them, run for real against the doors of a house: mbsync and
offlineimap, which keep a copy of the mailbox on a disk, and neomutt on a terminal of its own.
"""

from __future__ import annotations

import asyncio
import os
import pty
import re
import select
import subprocess
import time
from pathlib import Path

from tests.house import PASSWORD, House
from tests.imap_client import MOREL
from tests.support.programs import program

PATIENCE = 60.0
FOLDERS = ("INBOX", "Sent", "Archive", "Trash", "Drafts")


def authority(house: House) -> Path:
    return Path(house.app.settings.tls_certificate).with_name("authority.pem")


def environment(folder: Path) -> dict[str, str]:
    """Of a person who has nothing but this folder."""
    return {**os.environ, "HOME": str(folder), "TERM": "xterm", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "LINES": "24"}


# ---- a copy on the disk ----------------------------------------------------------------------------------------------


class Copy:
    """A copy of Dr Morel's mailbox, a Maildir for each folder, kept by the program that `command` runs. `doing`: the
    program while it runs, so that a test can end it at the worst moment.
    """

    def __init__(self, place: Path) -> None:
        self.home = place / "morel"
        self.folder = self.home / "copy"
        self.folder.mkdir(parents=True)
        self.doing: subprocess.Popen[str] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    async def sync(self) -> None:
        """Both ways, until nothing is left to do; nothing may be said to be wrong."""
        ended, said = await self.run()
        assert ended == 0, said
        assert not re.search(r"(?i)error|warning|traceback", said), said

    async def run(self) -> tuple[int, str]:
        """Once; how it ended and what it said."""
        return await asyncio.to_thread(self._run)

    def _run(self) -> tuple[int, str]:
        for folder in (path for path in self.folder.rglob("*") if path.is_dir()):
            os.utime(folder, (1, 1))  # mbsync waits a second beside a folder that somebody may be writing to
        self.doing = subprocess.Popen(
            self.command(), env=environment(self.home), text=True, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            said, _ = self.doing.communicate(timeout=PATIENCE)
        finally:
            self.doing.kill()
        return self.doing.returncode, said

    def kill(self) -> None:
        """As when the power goes."""
        assert self.doing is not None
        self.doing.kill()

    def mails(self, folder: str) -> dict[str, Path]:
        """The mails of a folder by file name, which ends in their flags: `…:2,FS`."""
        return {path.name: path for where in ("cur", "new") for path in (self.folder / folder / where).iterdir()}

    def one(self, folder: str, words: bytes) -> Path:
        """The mail of a folder that holds these words."""
        [found] = [path for path in self.mails(folder).values() if words in path.read_bytes()]
        return found

    def flags(self, folder: str) -> list[str]:
        return sorted(name.partition(":2,")[2] for name in self.mails(folder))

    def counts(self) -> dict[str, int]:
        return {folder: len(self.mails(folder)) for folder in FOLDERS}

    def mark(self, mail: Path, flags: str) -> None:
        """As a program that reads the Maildir does."""
        mail.rename(mail.parent.with_name("cur") / f"{mail.name.partition(':')[0]}:2,{flags}")

    def delete(self, mail: Path) -> None:
        """For good."""
        mail.unlink()

    def move(self, mail: Path, folder: str) -> None:
        """The same: under a name of its own there, so that nobody takes it for what stood there before."""
        name = f"{time.time_ns()}.moved.here:2,{mail.name.partition(':2,')[2]}"
        mail.rename(self.folder / folder / "cur" / name)

    def state(self) -> dict[str, bytes]:
        """Everything that is on the disk, names and octets."""
        return {
            str(path.relative_to(self.home)): path.read_bytes()
            for path in sorted(self.home.rglob("*"))
            if path.is_file() and not path.name.endswith((".lock", ".journal"))
        }


class Mbsync(Copy):
    """isync's."""

    def __init__(self, house: House, place: Path, password: str = PASSWORD) -> None:
        super().__init__(place)
        self._house = house
        self._password = password
        self._program = program("mbsync", "isync")
        self._config = self.home / "mbsyncrc"

    def delete(self, mail: Path) -> None:
        """Marked so; the program takes it away on both sides."""
        self.mark(mail, "T")

    def command(self) -> list[str]:
        near = self.folder
        self._config.write_text(
            f"IMAPAccount pli\nHost localhost\nPort {self._house.app.ports['imap']}\nUser {MOREL}\n"
            f'Pass "{self._password}"\nSSLType STARTTLS\nCertificateFile {authority(self._house)}\n\n'
            "IMAPStore far\nAccount pli\n\n"
            f"MaildirStore near\nPath {near}/\nInbox {near}/INBOX\nSubFolders Verbatim\n\n"
            "Channel pli\nFar :far:\nNear :near:\nPatterns *\n"
            "Create Near\nExpunge Both\nSync All\nSyncState *\n"
        )
        return [self._program, "-c", str(self._config), "-a"]


class Offlineimap(Copy):
    """offlineimap3, on the Python that Debian made it for; by TLS from the first octet: by STARTTLS its library waits
    for ever now and then, when the thread that is to hear the answer has stopped after the answer before it.
    """

    def __init__(self, house: House, place: Path) -> None:
        super().__init__(place)
        self._program = program("offlineimap", "offlineimap3")
        self._config = self.home / "offlineimaprc"
        self._config.write_text(
            f"[general]\naccounts = pli\nmetadata = {self.home}/metadata\nui = basic\nmaxsyncaccounts = 1\n\n"
            "[Account pli]\nlocalrepository = near\nremoterepository = far\n\n"
            f"[Repository near]\ntype = Maildir\nlocalfolders = {self.folder}\nsync_deletes = yes\n\n"
            f"[Repository far]\ntype = IMAP\nremotehost = localhost\nremoteport = {house.app.ports['imaps']}\n"
            f"remoteuser = {MOREL}\nremotepass = {PASSWORD}\nssl = yes\n"
            f"sslcacertfile = {authority(house)}\nmaxconnections = 1\nexpunge = yes\ncreatefolders = False\n"
        )

    def command(self) -> list[str]:
        return [self._program, "-c", str(self._config), "-o"]


# ---- a terminal ------------------------------------------------------------------------------------------------------


class Neomutt:
    """Dr Morel's, set up as she would. Her editor writes `words` under whatever it is given."""

    def __init__(self, house: House, home: Path, words: str = "") -> None:
        self._program = program("neomutt")
        self._home = home
        editor = home / "editor"
        editor.write_text(f"#!/bin/sh\necho '{words}' >> \"$1\"\n")
        editor.chmod(0o755)
        account, ports = MOREL.replace("@", "%40"), house.app.ports
        self._config = home / "muttrc"
        self._config.write_text(
            f"set folder = 'imap://{account}@localhost:{ports['imap']}/'\n"
            f"set imap_pass = '{PASSWORD}'\nset smtp_pass = '{PASSWORD}'\n"
            f"set smtp_url = 'smtp://{account}@localhost:{ports['submission']}/'\n"
            f"set ssl_starttls = yes\nset ssl_force_tls = yes\nset ssl_ca_certificates_file = '{authority(house)}'\n"
            f"set certificate_file = '{home / 'certificates.accepted'}'\n"
            "set spoolfile = '+INBOX'\nset record = '+Sent'\nset postponed = '+Drafts'\nset trash = '+Trash'\n"
            "set copy = yes\nset imap_check_subscribed = no\n"
            f"set realname = 'Dr Agathe MOREL'\nset from = '{MOREL}'\nset use_domain = no\nset editor = '{editor}'\n"
            "set fast_reply = yes\nset reply_to = yes\nset include = no\nset recall = no\nset postpone = yes\n"
            "set confirmappend = no\nset delete = yes\nset resolve = no\n"
            "set sort = threads\nset ascii_chars = yes\nset index_format = '%4C %Z %s'\n"
            "set wait_key = no\nset quit = yes\n"
            "set sleep_time = 0\nset header_cache = ''\n"
            "set sendmail_wait = 0\nset imap_idle = yes\nset help = no\nset tmpdir = '/tmp'\n"
        )

    def command(self, *more: str) -> list[str]:
        return [self._program, "-n", "-F", str(self._config), *more]

    async def press(self, keys: str) -> str:
        """Open the mailbox, press these keys (`<function>` by name) and leave; what was shown."""
        return await self.look("", keys=keys)

    async def look(self, until: str, *, keys: str = "") -> str:
        """Open the mailbox and leave once it shows `until`; what was shown, without a terminal's escapes."""
        pushed = ("-e", f"push '{keys}<quit>'") if keys else ()
        return await asyncio.to_thread(self._on_a_terminal, self.command(*pushed), until)

    def _on_a_terminal(self, command: list[str], until: str) -> str:
        terminal, theirs = pty.openpty()
        child = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment(self._home), start_new_session=True
        )
        os.close(theirs)
        shown, pressed, deadline = b"", not until, time.monotonic() + PATIENCE
        try:
            while time.monotonic() < deadline and (piece := _read(terminal)) is not None:
                shown += piece
                if not pressed and re.search(until, _plain(shown)):
                    pressed = True
                    os.write(terminal, b"q")
            assert pressed, _plain(shown)
            assert time.monotonic() < deadline, _plain(shown)
        finally:
            os.close(terminal)
            child.kill()
            child.wait()
        return _plain(shown)


def _read(terminal: int) -> bytes | None:
    """What was shown since; b"" when nothing was for a second, None when the program has ended."""
    if not select.select([terminal], [], [], 1)[0]:
        return b""
    try:
        return os.read(terminal, 65536) or None
    except OSError:
        return None


def _plain(shown: bytes) -> str:
    """What is read on a terminal, roughly: its escapes turned to line ends."""
    return re.sub(r"\x1b(?:\[[0-9;?]*[A-Za-z]|[()][A-Z0-9]|[=>78])|\x0f", "\n", shown.decode("utf-8", "replace"))
