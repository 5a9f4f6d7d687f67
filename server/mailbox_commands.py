"""`pli mailboxes …`: what an operator does to all mailboxes at once."""

from __future__ import annotations

from collections.abc import Callable

import click

from server.command_line import do
from server.settings import Settings


@click.group("mailboxes")
def mailboxes_group() -> None:
    """All mailboxes at once, as mail programs know them."""


@mailboxes_group.command("restored")
@click.pass_obj
def mailboxes_restored(settings_of: Callable[[], Settings]) -> None:
    """After a backup was restored that is older than the last state, and before the IMAP door opens: mail programs read
    every mailbox anew. Without it they would take new messages for those that had the same number (UIDVALIDITY, RFC
    9051 § 2.3.1.1).
    """
    do(settings_of(), "mailboxes.restored")
