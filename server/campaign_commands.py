"""`pli campaign …`: what is said to a part of the population, by the operator."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable
from pathlib import Path

import click

from server.command_line import do
from server.settings import Settings

MAX_FILE = 100_000  # octets


@click.group("campaign")
def campaign_group() -> None:
    """Campaigns: gathered, paced, paused, counted. No command shows a person."""


def _who() -> str:
    return os.environ.get("SUDO_USER") or getpass.getuser()  # the person behind sudo, when there is one


@campaign_group.command("add")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.pass_obj
def campaign_add(settings_of: Callable[[], Settings], file: Path) -> None:
    """Add the campaign of FILE (JSON: name, rule or words, population, starts, ends, pace), as a draft."""
    with file.open("rb") as opened:
        text = opened.read(MAX_FILE + 1).decode(errors="replace")
    do(settings_of(), "campaign.add", text=text, by=_who())


@campaign_group.command("list")
@click.pass_obj
def campaign_list(settings_of: Callable[[], Settings]) -> None:
    """Every campaign with its state and its counts, a JSON object a line."""
    do(settings_of(), "campaign.list")


@campaign_group.command("show")
@click.argument("campaign")
@click.pass_obj
def campaign_show(settings_of: Callable[[], Settings], campaign: str) -> None:
    """One campaign: what it says, to whom, what became of it, who changed it."""
    do(settings_of(), "campaign.show", campaign=campaign)


def _move(what: str, sentence: str) -> None:
    @campaign_group.command(what, help=sentence)
    @click.argument("campaign")
    @click.pass_obj
    def moved(settings_of: Callable[[], Settings], campaign: str) -> None:
        do(settings_of(), "campaign.move", campaign=campaign, what=what, by=_who())


_move("start", "Gather whom it is for, then write to them at its pace.")
_move("pause", "Nothing more leaves, at once; who waits, waits.")
_move("resume", "Go on where it was.")
_move("stop", "For good: who still waits is not written to.")
