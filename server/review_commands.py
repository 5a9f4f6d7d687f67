"""`pli reviews …`: what an operator has to look at, and what is decided."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable

import click

from server.command_line import do
from server.settings import Settings


@click.group("reviews")
def reviews_group() -> None:
    """Emergencies, accounts that open too many dossiers, people a patient does not know: what is decided of each."""


@reviews_group.command("list")
@click.option("--all", "everything", is_flag=True, help="Also those decided.")
@click.pass_obj
def reviews_list(settings_of: Callable[[], Settings], everything: bool) -> None:
    """What waits for a decision, oldest first, a JSON object a line. No patient's name, and nothing of a dossier."""
    do(settings_of(), "reviews.list", everything=everything)


@reviews_group.command("close")
@click.argument("review")
@click.option("--decision", required=True, help="What is decided, and why: kept with your name.")
@click.pass_obj
def reviews_close(settings_of: Callable[[], Settings], review: str, decision: str) -> None:
    """Decide. An account that was stopped for opening too many dossiers goes on from then."""
    by = os.environ.get("SUDO_USER") or getpass.getuser()  # the person behind sudo, when there is one
    do(settings_of(), "reviews.close", review_id=review, by=by, decision=decision)
