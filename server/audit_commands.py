"""`pli audit …`: whether the journal is whole, and whose records an account touched."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click

from server.command_line import ask, do
from server.settings import Settings


@click.group("audit")
def audit_group() -> None:
    """The journal of who did what: is it whole, and whom did an account touch."""


@audit_group.command("verify")
@click.option(
    "--anchors",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="What was told outside: the copy of audit_anchor_file, or what audit_anchor_url was sent, an object a line.",
)
@click.pass_obj
def audit_verify(settings_of: Callable[[], Settings], anchors: Path | None) -> None:
    """Look for rows that were deleted, changed, moved, put in behind time or cut off; a line each, exit status 1.

    Without --anchors, those of audit_anchor_file are taken when it is set: keep a copy where this machine cannot write.
    """
    settings = settings_of()
    own = Path(settings.audit_anchor_file) if settings.audit_anchor_file else None
    place = anchors or (own if own is not None and own.is_file() else None)
    found = ask(settings, "audit.verify", anchors=place.read_text(errors="replace") if place else "")
    for fault in found["faults"]:
        click.echo(fault)
    if found["faults"]:
        sys.exit(1)
    looked = f"{found['rows']} rows in {found['blocks']} blocks, {found['anchors']} anchors"
    click.echo(f"whole: {looked}; {found['waiting']} rows not sealed yet")


@audit_group.command("touched")
@click.argument("account")
@click.option("--from", "since", required=True, help="2026-11-23 or 2026-11-23T08:00, in Paris.")
@click.option("--until", required=True, help="Likewise; that instant is not included.")
@click.pass_obj
def audit_touched(settings_of: Callable[[], Settings], account: str, since: str, until: str) -> None:
    """The patients whose record ACCOUNT (its id, or its address) touched in that time, a JSON object a line: the id of
    the space, and how many acts. For telling them of a breach (GDPR article 34).
    """
    do(settings_of(), "audit.touched", who=account, since=since, until=until)
