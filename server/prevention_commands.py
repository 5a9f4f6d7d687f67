"""`pli prevention …`: is a file of rules fit, and which rows speak here. Needs no database."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click

from server.prevention import rules as reading
from server.prevention.rules import BadRules, Rule, Rules
from server.settings import Settings


@click.group("prevention")
def prevention_group() -> None:
    """The rules of prevention: vaccines, screenings, examinations, and the dates of campaigns."""


@prevention_group.command("check")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--seasons",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    default=reading.DATA / "seasons.json",
    help="A file of dates of campaigns, checked against FILE; the one shipped otherwise.",
)
def check(file: Path, seasons: Path) -> None:
    """Look for faults in FILE before it is put in `prevention_rules`: a line each, with its row and field; exit 1."""
    try:
        found = reading.load(file, seasons)
    except BadRules as error:
        click.echo(str(error))
        sys.exit(1)
    click.echo(
        f"{file}: {len(found.by_id)} rows, {len(found.active)} on; {len(found.seasons)} seasons with their dates."
    )


@prevention_group.command("show")
@click.option("--off", is_flag=True, help="Only the rows that say nothing here.")
@click.pass_obj
def show(settings_of: Callable[[], Settings], off: bool) -> None:
    """Each row: on or off, its level, whether it is verified, what conflicts, and what no source gives."""
    try:
        found = reading.of_settings(settings_of())
    except BadRules as error:
        raise click.UsageError(str(error).splitlines()[0]) from None
    click.echo(f"version {found.book.version}. {found.book.basis}")
    for row in found.book.rules:
        if not (off and found.is_active(row)):
            click.echo(line(found, row))
    for season in found.calendar:
        state = "on " if season.verified else "off"
        click.echo(f"{state} season {season.season}: {season.opens} to {season.closes}")


def line(found: Rules, row: Rule) -> str:
    """One row, in words."""
    said = ["" if row.verified else "unverified", f"conflict: {row.conflict}" if row.conflict else ""]
    said += [f"assumed: {', '.join(row.assumed)}" if row.assumed else "", row.note]
    if row.id in found.switches:
        said.append("switched by the operator")
    if row.season and not any(one.season == row.season for one in found.seasons):
        said.append("no dates known")
    state = "on " if found.is_active(row) else "off"
    head = f"{state} {row.id:<32} {row.level:<12} [{']['.join(row.sources)}]"
    return " · ".join([head, *filter(None, said)])
