"""The command line `pli`. Every command has --help; a mistake gets one clear line on stderr and exit status 2."""

from __future__ import annotations

import asyncio
import base64
import getpass
import os
import shutil
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from mail_gateway import dkim, whitelist
from server import admin, demo, dns_records, doctor
from server.app import open_app, seldom_collected
from server.audit_commands import audit_group
from server.campaign_commands import campaign_group
from server.command_line import do, run
from server.errors import PliError
from server.inspecting import inspect_command
from server.mailbox_commands import mailboxes_group
from server.people_commands import people_group
from server.prevention_commands import prevention_group
from server.review_commands import reviews_group
from server.settings import BadSettings, Settings, load, problems
from storage.database import DatabaseDown, hold
from storage.migrate import migrate as migrate_database
from storage.vault import NoMasterKey


@click.group()
@click.option("--config", type=click.Path(path_type=Path), help="TOML file of settings; pli.toml when present.")
@click.version_option(package_name="pli")
@click.pass_context
def cli(context: click.Context, config: Path | None) -> None:
    """Pli: sous pli confidentiel. A secure health mailbox for a whole country."""
    context.obj = lambda: load(config)


async def _until_stopped(settings: Settings, on_open: Callable[..., Coroutine[Any, Any, None]]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(open_app(settings, demo.add_sign_in if settings.demo else None))
        await stack.enter_async_context(admin.admin_door(app))
        seldom_collected()
        await on_open(app)
        await stop.wait()


@cli.command("demo")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where the demonstration keeps its data.")
@click.option("--reset", is_flag=True, help="Start again from nothing.")
@click.pass_obj
def demo_command(settings_of: Callable[[], Settings], data_dir: Path | None, reset: bool) -> None:
    """The whole system on this machine, with invented people."""
    settings = settings_of()
    settings = replace(settings, data_dir=(data_dir or settings.data_dir).absolute())
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    if settings.database.startswith("sqlite:///"):
        hold(Path(settings.database.removeprefix("sqlite:///"))).close()  # a running one keeps what it has
    if reset:
        strangers = {path.name for path in settings.data_dir.iterdir()} - {"pli.lock"}
        if strangers and not (settings.data_dir / "cast.json").exists():
            raise click.UsageError(f"{settings.data_dir} holds something else than a demonstration; it was left alone.")
        shutil.rmtree(settings.data_dir)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    (settings.data_dir / "demo.json").unlink(missing_ok=True)
    settings = demo.demo_settings(settings)

    async def on_open(app: Any) -> None:
        path = await demo.tell(app, await demo.seed(app), await demo.trusted_operator(app))
        base = f"http://{settings.host}:{app.ports['http']}"
        click.echo(f"Pli est ouvert.\n\n  Dominique, patiente          {base}/demo/sign-in/dominique")
        click.echo(f"  Marcel, 76 ans               {base}/demo/sign-in/marcel")
        click.echo(f"  Dr Morel                     {base}/demo/sign-in/morel")
        click.echo(f"\nTout le reste (adresses, mots de passe, ports) : {path}\nCtrl-C pour arrêter.")

    run(_until_stopped(settings, on_open))


@cli.command()
@click.pass_obj
def serve(settings_of: Callable[[], Settings]) -> None:
    """Open the doors for real people. Refuses settings that are not safe."""
    settings = settings_of()
    wrong = problems(settings)
    if wrong:
        raise click.UsageError("cannot serve with these settings:\n" + "\n".join(f"  - {line}" for line in wrong))

    async def on_open(_app: Any) -> None:
        return

    run(_until_stopped(settings, on_open))


@cli.command()
@click.pass_obj
def migrate(settings_of: Callable[[], Settings]) -> None:
    """Bring the database up to this version."""
    migrate_database(settings_of().database)
    click.echo("The database is up to date.")


@cli.command("doctor")
@click.option("--dns", "zone", is_flag=True, help="Print the records to paste into the zones of the domains.")
@click.option("--check", is_flag=True, help="With --dns: compare them with what the DNS answers.")
@click.pass_obj
def doctor_command(settings_of: Callable[[], Settings], zone: bool, check: bool) -> None:
    """Check the settings and the machine, and say what is wrong."""
    if check and not zone:
        raise click.UsageError("--check goes with --dns.")
    if zone:
        _zone(settings_of(), check)
        return
    findings = run(doctor.examine(settings_of(), admin.trust_status, admin.look))
    findings += [doctor.Finding(good, text) for good, text in dkim.said(settings_of())]
    for finding in findings:
        mark = "ok   " if finding.good else "warn " if finding.warning else "WRONG"
        click.echo(f"{mark} {finding.text}")
    if any(not finding.good and not finding.warning for finding in findings):
        sys.exit(2)


def _zone(settings: Settings, check: bool) -> None:
    """`pli doctor --dns`: the lines to paste; with --check, how each stands, and status 2 when one is missing."""
    keys = [key.record() for ours in dkim.load(settings).values() for key in ours]
    if not check:
        click.echo("\n".join(dns_records.lines(settings, keys)))
        return
    found = run(dns_records.differences(dns_records.records(settings, keys)))
    for wanted, instead in found:
        click.echo(f"{'WRONG' if instead else 'ok   '} {wanted.line()}" + (f" ; found: {instead}" if instead else ""))
    if any(instead for _, instead in found):
        sys.exit(2)


@people_group.command("remind")
@click.pass_obj
def people_remind(settings_of: Callable[[], Settings]) -> None:
    """One round of prevention reminders over all holders."""
    do(settings_of(), "reminders.round")


cli.add_command(people_group)
cli.add_command(reviews_group)
cli.add_command(mailboxes_group)
cli.add_command(audit_group)
cli.add_command(campaign_group)
cli.add_command(inspect_command)
cli.add_command(prevention_group)


@cli.group("trust")
def trust_group() -> None:
    """The operators whose mail is taken."""


@trust_group.command("add")
@click.argument("domain")
@click.option("--certificate", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="PEM file.")
@click.option("--subject", default="", help="Of a certificate that tls_ca issued: « CN=mx.example,O=GIP,C=FR ».")
@click.pass_obj
def trust_add(settings_of: Callable[[], Settings], domain: str, certificate: Path | None, subject: str) -> None:
    """Take mail of DOMAIN from the peer that shows this certificate, or one of this subject."""
    pem = certificate.read_text(errors="replace") if certificate else ""
    do(settings_of(), "trust.add", domain=domain, pem=pem, subject=subject)


@trust_group.command("remove")
@click.argument("domain")
@click.pass_obj
def trust_remove(settings_of: Callable[[], Settings], domain: str) -> None:
    """Take no more mail of DOMAIN from those trusted by hand; a domain of the white list stays trusted by it."""
    do(settings_of(), "trust.remove", domain=domain)


@trust_group.command("list")
@click.pass_obj
def trust_list(settings_of: Callable[[], Settings]) -> None:
    """Every trusted operator, a JSON object a line: by hand first, then the white list's."""
    do(settings_of(), "trust.list")


@trust_group.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--older", is_flag=True, help="Even when it is older than the list in force.")
@click.option("--shrinking", is_flag=True, help="Even when it drops more than half of the list in force.")
@click.pass_obj
def trust_import(settings_of: Callable[[], Settings], file: Path, older: bool, shrinking: bool) -> None:
    """Trust the operators of the MSSanté white list FILE, instead of those listed before. Whole or not at all."""
    with file.open("rb") as opened:
        data = opened.read(whitelist.MAX_BYTES + 1)
    text = base64.b64encode(data).decode("ascii")
    do(settings_of(), "trust.import", file=text, older=older, shrinking=shrinking)


@trust_group.command("refresh")
@click.pass_obj
def trust_refresh(settings_of: Callable[[], Settings]) -> None:
    """Fetch the white list and the revocation lists whose addresses are set, now."""
    do(settings_of(), "trust.refresh")


@trust_group.command("status")
@click.pass_obj
def trust_status(settings_of: Callable[[], Settings]) -> None:
    """Which lists are in force, since when, and what failed last."""
    do(settings_of(), "trust.status")


@cli.group("quarantine")
def quarantine_group() -> None:
    """Mail that was accepted and that nobody sees: what is done about it."""


def _who() -> str:
    """Who gives this command, for the audit: the person behind sudo, when there is one."""
    return os.environ.get("SUDO_USER") or getpass.getuser()


@quarantine_group.command("list")
@click.option("--all", "everything", is_flag=True, help="Also what was released or dropped.")
@click.pass_obj
def quarantine_list(settings_of: Callable[[], Settings], everything: bool) -> None:
    """What waits or is held, oldest first, a JSON object a line."""
    do(settings_of(), "quarantine.list", everything=everything)


@quarantine_group.command("show")
@click.argument("mail")
@click.pass_obj
def quarantine_show(settings_of: Callable[[], Settings], mail: str) -> None:
    """Why a letter is held, and who sent it. Neither its patient nor a word of it."""
    do(settings_of(), "quarantine.show", mail=mail, by=_who())


@quarantine_group.command("release")
@click.argument("mail", nargs=-1, required=True)
@click.option(
    "--despite-identity",
    is_flag=True,
    help="You established that its documents are about the patient it is for. Recorded with your name.",
)
@click.pass_obj
def quarantine_release(settings_of: Callable[[], Settings], mail: tuple[str, ...], despite_identity: bool) -> None:
    """Give letters to their patients after all: all of them, once a fault of ours is mended."""
    for one in mail:
        do(settings_of(), "quarantine.release", mail=one, by=_who(), despite_identity=despite_identity)


@quarantine_group.command("drop")
@click.argument("mail")
@click.pass_obj
def quarantine_drop(settings_of: Callable[[], Settings], mail: str) -> None:
    """Give a letter up: nothing of it is kept, and its sender is told."""
    do(settings_of(), "quarantine.drop", mail=mail, by=_who())


def main() -> None:
    """The entry point: our errors in one line, never a traceback. What is written is its owner's alone."""
    os.umask(0o077)
    try:
        cli(standalone_mode=False)
    except click.exceptions.Exit as leave:
        sys.exit(leave.exit_code)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        click.echo(f"pli: {error.format_message()}", err=True)
    except PliError as error:
        click.echo(f"pli: {error.detail}", err=True)
    except (BadSettings, DatabaseDown, NoMasterKey, OSError) as error:
        click.echo(f"pli: {error}", err=True)
    else:
        return
    sys.exit(2)


if __name__ == "__main__":
    main()
