"""`pli people …`: holders, professionals, teams, bots, operators."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click

from server.command_line import do
from server.settings import Settings


@click.group("people")
def people_group() -> None:
    """Holders, professionals, teams, bots, operators."""


@people_group.command("add")
@click.argument("kind", type=click.Choice(["professional", "team", "bot", "operator"]))
@click.argument("address")
@click.option("--name", required=True, help="As shown: « Dr Agathe MOREL ».")
@click.option("--role", default="", help="In plain words: « Chirurgienne ».")
@click.option("--organisation", default="", help="As shown: « CHU de Pli ».")
@click.option("--organisation-id", default="", help="FINESS with its prefix (IDNST).")
@click.option("--profession", default="", help="TRE_G15 code.")
@click.option("--national-id", default="", help="RPPS with its prefix (IDNPS).")
@click.option(
    "--password-file", type=click.File(), help="Mail password, on its first line; « - » reads standard input."
)
@click.pass_obj
def people_add(
    settings_of: Callable[[], Settings], /, kind: str, address: str, password_file: Any, **facts: str
) -> None:
    """Add somebody who writes to patients. Teams, bots and operators get a token, shown once."""
    password = password_file.readline().rstrip("\n") if password_file else ""
    do(settings_of(), "people.add-writer", kind=kind, address=address, password=password, **facts)


@people_group.command("open-space")
@click.option(
    "--traits-file", type=click.File(), required=True, help="JSON with the INS traits; « - » reads standard input."
)
@click.pass_obj
def people_open_space(settings_of: Callable[[], Settings], traits_file: Any) -> None:
    """Open a holder's space. The traits come in a file, so that no INS stands in a shell history."""
    try:
        traits = json.load(traits_file)
    except ValueError as error:
        raise click.UsageError(f"traits: {error}") from error
    do(settings_of(), "people.add-holder", **traits)


@people_group.command("list")
@click.pass_obj
def people_list(settings_of: Callable[[], Settings]) -> None:
    """Every account, a JSON object a line; holders without their names."""
    do(settings_of(), "people.list")


@people_group.command("sign-in-link")
@click.argument("who")
@click.pass_obj
def people_link(settings_of: Callable[[], Settings], who: str) -> None:
    """A one-use sign-in link, good for ten minutes, for an address or an account."""
    do(settings_of(), "people.sign-in-link", who=who)


@people_group.command("space")
@click.argument("who")
@click.argument("what", type=click.Choice(["opposed", "closed", "suspended", "died", "open"]))
@click.option("--reason", required=True, help="Why, in words: it is kept, sealed, with the record.")
@click.option("--on", default="", help="The day it happened (AAAA-MM-JJ), when that is not today.")
@click.pass_obj
def people_space(settings_of: Callable[[], Settings], who: str, what: str, reason: str, on: str) -> None:
    """Record what happens to a holder's space: it is opposed to, closed, suspended, its holder died; or open it
    again. WHO is an account. A space that is not open is kept ten years out of everybody's reach, then destroyed.
    """
    do(settings_of(), "people.space", who=who, what=what, reason=reason, on=on)


@people_group.command("reset-sign-in")
@click.argument("who")
@click.pass_obj
def people_reset_sign_in(settings_of: Callable[[], Settings], who: str) -> None:
    """Somebody lost everything, and you checked who they are: forget their identifier, password and second factors.
    They are told; their next sign-in link lets them choose again.
    """
    do(settings_of(), "people.reset-sign-in", who=who)


@people_group.command("password")
@click.argument("who")
@click.option(
    "--password-file", type=click.File(), required=True, help="On its first line; « - » reads standard input."
)
@click.pass_obj
def people_password(settings_of: Callable[[], Settings], who: str, password_file: Any) -> None:
    """Set the mail password of a professional or a team: they are signed out everywhere."""
    do(settings_of(), "people.password", who=who, password=password_file.readline().rstrip("\n"))


@people_group.command("absence")
@click.argument("who")
@click.option("--from", "start", default="", help="First instant, 2026-12-24 or 2026-12-24T08:00; now when absent.")
@click.option("--until", "end", default="", help="When they are back.")
@click.option("--text-file", type=click.File(), help="What patients are told, once each; « - » reads standard input.")
@click.option("--end", "back", is_flag=True, help="They are back: no more notes.")
@click.pass_obj
def people_absence(
    settings_of: Callable[[], Settings], who: str, start: str, end: str, text_file: Any, back: bool
) -> None:
    """Declare that a professional or a team is away. Hours are those of Paris."""
    if not back and (not end or text_file is None):
        raise click.UsageError("say --until and --text-file, or --end")
    text = "" if back else text_file.read(4000)
    do(settings_of(), "people.absence", who=who, start=start, end="" if back else end, text=text)


@people_group.command("sign-out")
@click.argument("who")
@click.pass_obj
def people_sign_out(settings_of: Callable[[], Settings], who: str) -> None:
    """Sign an address or an account out everywhere: sessions, tokens, mail clients, remembered devices."""
    do(settings_of(), "people.sign-out", who=who)


@people_group.command("end")
@click.argument("who")
@click.pass_obj
def people_end(settings_of: Callable[[], Settings], who: str) -> None:
    """End an account: its sessions, tokens and mail access end with it."""
    do(settings_of(), "people.end", who=who)


@people_group.command("represent")
@click.argument("child")
@click.argument("representative")
@click.option("--until", default="", help="Last day, 2031-12-24; a child's majority when absent, and at the latest.")
@click.pass_obj
def people_represent(settings_of: Callable[[], Settings], child: str, representative: str, until: str) -> None:
    """Let REPRESENTATIVE act for CHILD by law: parental authority, or a guardian's. INS numbers, or accounts as
    `pli people list` shows them: those leave no INS in a shell history.
    """
    do(settings_of(), "people.represent", child=child, representative=representative, until=until)


@people_group.command("unrepresent")
@click.argument("child")
@click.argument("representative")
@click.pass_obj
def people_unrepresent(settings_of: Callable[[], Settings], child: str, representative: str) -> None:
    """REPRESENTATIVE acts for CHILD no longer, from now on."""
    do(settings_of(), "people.unrepresent", child=child, representative=representative)


@people_group.command("team")
@click.argument("team")
@click.argument("member")
@click.option("--manager", is_flag=True, help="Settles the team's hours, texts and absences too.")
@click.option("--remove", is_flag=True, help="They work there no longer.")
@click.pass_obj
def people_team(settings_of: Callable[[], Settings], team: str, member: str, manager: bool, remove: bool) -> None:
    """Let a professional work in a team: they read its mailbox on the web, and write in its name."""
    do(settings_of(), "people.team", team=team, member=member, manager=manager, remove=remove)
