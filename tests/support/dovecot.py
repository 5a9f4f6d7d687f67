"""A private Dovecot: configuration, mailboxes and log in a folder of its own, on a loopback port, gone after the test.

Promises: nothing in /etc is read or written and no system service is touched; every extension that it has is said
(RFC 5464's annotations excepted); it speaks in clear, to this machine alone. As root its mailboxes belong to Debian's
user `mail`, since Dovecot opens none as root; otherwise everything is ours.
Folders are named and marked as Pli's are.
"""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.programs import free_port, missing, program, running

IMAP = Path("/usr/lib/dovecot/imap")
USER, PASSWORD = "morel", "assez-long"
FOLDERS = ("Archive", "Drafts", "Sent", "Trash")  # beside INBOX, each of its own special use (RFC 6154)

_CONF = """\
protocols = imap
listen = 127.0.0.1
base_dir = {folder}/run
state_dir = {folder}/run
log_path = /dev/stderr
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain
default_internal_user = {internal}
default_internal_group = {internal_group}
default_login_user = {login}
first_valid_uid = 1
import_environment = TZ=UTC
mail_fsync = never
mail_location = {store}:{folder}/mail
mail_plugins = quota
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail allow_all_users=yes
}}
protocol imap {{
  mail_plugins = quota imap_quota
  mail_max_userip_connections = 100
}}
plugin {{
  quota = count:User quota
  quota_vsizes = yes
  quota_rule = *:storage=1G
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox INBOX {{
    auto = subscribe
  }}
{special}}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


@dataclass(frozen=True, slots=True)
class Dovecot:
    """Where it listens. Whoever says PASSWORD is let in; they are all one user."""

    port: int


@contextmanager
def dovecot(store: str = "sdbox") -> Iterator[Dovecot]:
    """Running while the block lasts. `store`: sdbox or maildir."""
    if not IMAP.exists():
        missing("dovecot, of Debian's dovecot-imapd")
    with tempfile.TemporaryDirectory(prefix="pli-dovecot-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # its unprivileged processes reach what is in it
        owner = pwd.getpwnam("mail") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        (folder / "mail").mkdir()
        os.chown(folder / "mail", owner.pw_uid, owner.pw_gid)
        port = free_port()
        configured = folder / "dovecot.conf"
        configured.write_text(_configuration(folder, store, owner, port))
        command = [program("dovecot", "dovecot-core"), "-F", "-c", str(configured)]
        with running(command, ready="starting up"):
            yield Dovecot(port)
        shutil.rmtree(folder / "mail", ignore_errors=True)


def _configuration(folder: Path, store: str, owner: pwd.struct_passwd, port: int) -> str:
    root = os.geteuid() == 0
    special = "".join(
        f"  mailbox {name} {{\n    special_use = \\{name}\n    auto = subscribe\n  }}\n" for name in FOLDERS
    )
    return _CONF.format(
        folder=folder, store=store, port=port, password=PASSWORD, uid=owner.pw_uid, gid=owner.pw_gid, special=special,
        internal="dovecot" if root else owner.pw_name, login="dovenull" if root else owner.pw_name,
        internal_group="dovecot" if root else owner.pw_gid,
    )  # fmt: skip
