"""Postfix and Dovecot beside us: a private instance of each, on loopback ports, that leaves nothing behind.

Postfix takes mail on a TLS door that asks for a client certificate, as our own MX door does, writes its queue file
with fsync as it always does, and hands every letter to Dovecot by LMTP over a local socket; Dovecot files it in a
Maildir (`mail_fsync` at its default, which fsyncs what LMTP saves) and announces it to IMAP IDLE. Dovecot's LMTP door
is also open by itself.

Nothing in /etc is read or written, no system service is touched: configuration, queue and mailboxes live in one
folder given by the caller. Both need root to start, Postfix's master and Dovecot's both drop their rights for the
work. Settings depart from Debian's defaults only where a default would hold the peer back in a benchmark, and each
line says why.

`missing()` says in words why they cannot run here; then the table carries our own figures alone.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.speed.load import Target
from tests.speed.sink import certificate
from tests.support import postfix
from tests.support.postfix import Postfix, call, free_ports, wait_open

DOVECOT = Path("/usr/sbin/dovecot")
DOMAIN = "patient.pli.example"
PASSWORD = "speed"

_DOVECOT_CONF = """\
protocols = imap lmtp
listen = 127.0.0.1
base_dir = {run}
state_dir = {run}
log_path = {log}
auth_mechanisms = plain
mail_location = maildir:{mail}/%u
first_valid_uid = 1
ssl = required
ssl_cert = <{certificate}
ssl_key = <{key}
ssl_client_ca_file = {certificate}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={mail}/%u allow_all_users=yes
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp_port}
  }}
  unix_listener lmtp-postfix {{
    mode = 0666
  }}
}}
service anvil {{
  # the default of 1024 sockets for all services is below what 100 letters in flight open
  client_limit = 4096
}}
"""


def missing() -> str | None:
    """Why the peers cannot run here, as half a sentence; None when they can."""
    absent = [path.name for path in (DOVECOT, Path("/usr/lib/dovecot/lmtp")) if not path.exists()]
    if absent:
        return f"{' and '.join(absent)} not installed (dovecot-imapd, dovecot-lmtpd)"
    if (why := postfix.missing()) is not None:
        return why
    if not dovecot_version().startswith("2.3"):
        return f"Dovecot {dovecot_version()} reads another configuration than the 2.3 this benchmark writes"
    return None


def postfix_version() -> str:
    return _output("postconf", "-dh", "mail_version")


def dovecot_version() -> str:
    return _output(str(DOVECOT), "--version").partition(" ")[0]


class Peers:
    """Postfix and Dovecot, running, between `open` and `close`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.smtp_port, self.lmtp_port, self.imap_port = free_ports(3)
        self._stack = ExitStack()
        self._mail = folder / "mail"

    def __enter__(self) -> Peers:
        try:
            self._open()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def smtp(self) -> Target:
        """Postfix's door, with the client certificate it asks for."""
        certificate, key = self._client
        return Target(port=self.smtp_port, certificate=certificate, key=key)

    def lmtp(self) -> Target:
        """Dovecot's LMTP door."""
        return Target(port=self.lmtp_port, protocol="lmtp")

    def delivered(self, recipients: Sequence[str]) -> int:
        """Letters filed in the recipients' mailboxes."""
        total = 0
        for recipient in recipients:
            for part in ("new", "cur"):
                try:
                    total += len(os.listdir(self._mail / recipient / part))
                except FileNotFoundError:
                    continue
        return total

    def wait_delivered(self, recipients: Sequence[str], count: int, patience: float) -> float:
        """When the last of `count` letters was filed (`perf_counter`), looking every 20 ms; TimeoutError after
        `patience` s.
        """
        until = time.perf_counter() + patience
        while time.perf_counter() < until:
            if self.delivered(recipients) >= count:
                return time.perf_counter()
            time.sleep(0.02)
        raise TimeoutError(f"{self.delivered(recipients)} of {count} letters delivered after {patience:.0f} s")

    def clear(self) -> None:
        """Empty the queue and every mailbox, so that each measurement starts from the same place."""
        self._postfix.command("postsuper", "-d", "ALL")
        for mailbox in self._mail.iterdir():
            shutil.rmtree(mailbox, ignore_errors=True)

    def _open(self) -> None:
        self.folder.chmod(0o755)  # their unprivileged processes must reach their own folders
        certificate_, key = certificate(self.folder, "mx.peer.example")
        self._client = certificate(self.folder, "operator.example")
        who = pwd.getpwnam("mail")
        self._mail.mkdir()
        os.chown(self._mail, who.pw_uid, who.pw_gid)
        run = self.folder / "dovecot"
        run.mkdir()
        lmtp = run / "lmtp-postfix"
        conf = self.folder / "dovecot.conf"
        conf.write_text(
            _DOVECOT_CONF.format(
                run=run, log=self.folder / "dovecot.log", mail=self._mail, certificate=certificate_, key=key,
                password=PASSWORD, uid=who.pw_uid, gid=who.pw_gid, imap=self.imap_port, lmtp=lmtp,
                lmtp_port=self.lmtp_port,
            )
        )  # fmt: skip
        call(str(DOVECOT), "-c", str(conf))
        self._stack.callback(call, "doveadm", "-c", str(conf), "stop")
        settings = _settings(certificate_, key, self._client[0], lmtp)
        self._postfix = self._stack.enter_context(Postfix(self.folder / "postfix", settings, {self.smtp_port: {}}))
        for port in (self.smtp_port, self.lmtp_port, self.imap_port):
            wait_open(port)


def _settings(certificate_: str, key: str, client: str, lmtp: Path) -> dict[str, str]:
    """Rows of Postfix's main.cf: a door like our MX door, and everything on to Dovecot."""
    return {
        "myhostname": "mx.peer.example",
        "smtpd_recipient_restrictions": "reject_unauth_destination",
        "virtual_mailbox_domains": DOMAIN,
        "virtual_mailbox_maps": "static:all",
        "virtual_transport": f"lmtp:unix:{lmtp}",
        "smtpd_tls_security_level": "encrypt",
        "smtpd_tls_cert_file": certificate_,
        "smtpd_tls_key_file": key,
        "smtpd_tls_CAfile": client,
        "smtpd_tls_ask_ccert": "yes",
        "message_size_limit": "26214400",
        # The default of 50 is below the 100 letters in flight of one measurement.
        "smtpd_client_connection_count_limit": "0",
    }


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
