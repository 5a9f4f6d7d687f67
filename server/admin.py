"""What operators do by command, run where the database is.

On SQLite one process writes. So a command first looks for a running server in the same data folder and asks it over a
Unix socket that only the same user can open; when there is none, it opens the storage itself, under the lock, and does
the work.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog

from mail_gateway import trust, trust_lists
from server import absence, audit_chain, campaign_tasks, delegates, doctor, logins, people, sessions, teams
from server.app import App, open_core
from server.bots import households
from server.dossier import operating
from server.enrolment import lifecycle
from server.errors import Invalid, PliError
from server.people import Traits
from server.settings import PLACE, Settings
from storage import accounts, audit_rows, entries, operators
from storage.accounts import Account
from storage.database import DatabaseDown, Tx, open_database
from storage.ids import now_ms

log = structlog.get_logger()

MAX_REQUEST = 40 * 1024 * 1024  # octets of one command; a white list is the largest, in base64


async def _add_writer(app: App, kind: str, name: str, address: str, password: str, **facts: str) -> dict[str, Any]:
    actor = await people.add_writer(app, kind, name, address, password, **facts)
    token = await sessions.new_token(app, actor.account_id) if kind in {"team", "bot", "operator"} else ""
    return {"account": actor.account_id, "address": actor.address, "token": token}


async def _add_holder(app: App, **traits: str) -> dict[str, Any]:
    actor = await people.open_space(app, Traits(**traits))
    return {"account": actor.account_id, "name": actor.name}


async def _list_people(app: App) -> list[dict[str, Any]]:
    """Holders without their names: an operator has no business with them."""

    def shown(account: Account) -> dict[str, Any]:
        return {"account": account.id, "kind": account.kind, "name": account.name, "address": account.address or ""}

    return [shown(account) for account in await app.db.read(accounts.everybody)]


async def _find(app: App, who: str) -> Account:
    account = await app.db.read(accounts.by_address, who.lower()) or await app.db.read(accounts.by_id, who)
    if account is None:
        raise Invalid("nobody", f"Aucun compte « {who} ».")
    return account


async def _sign_in_link(app: App, who: str) -> dict[str, Any]:
    account = await _find(app, who)
    secret = await sessions.new_link(app, account.id)
    base = app.settings.public_url or f"http://{app.settings.host}:{app.ports.get('http', app.settings.http_port)}"
    return {"link": f"{base}/sign-in/{secret}", "minutes": sessions.LINK_MINUTES}


async def _reset_sign_in(app: App, who: str) -> dict[str, Any]:
    account = await _find(app, who)
    if account.kind != "holder":
        raise Invalid("not_a_holder", "Seul un titulaire a un identifiant et des façons de confirmer.")
    return {"account": account.id, "had_login": await logins.reset(app, account.id)}


async def _space(app: App, who: str, what: str, reason: str, on: str) -> dict[str, Any]:
    account = await _find(app, who)
    if account.kind != "holder" or not reason.strip():
        raise Invalid("not_a_holder", "Il faut le compte d’un titulaire, et un motif.")
    await lifecycle.by_operator(app, account.space_id, what, reason, _past_day(on))
    return {"account": account.id, "space": what}


def _past_day(on: str) -> str:
    try:
        if on and datetime.fromisoformat(on).date() > datetime.now(PLACE).date():
            raise ValueError
    except ValueError:
        raise Invalid("bad_day", "Le jour s’écrit AAAA-MM-JJ, et n’est pas à venir.") from None
    return on


async def _password(app: App, who: str, password: str) -> dict[str, Any]:
    if len(password) < people.MIN_PASSWORD:
        raise Invalid("short_password", f"Le mot de passe doit avoir au moins {people.MIN_PASSWORD} caractères.")
    account, hashed = await _find(app, who), await app.passwords.hash(password)

    def change(tx: Tx) -> None:
        accounts.set_password(tx, account.id, hashed)
        sessions.end_all(app, tx, account.id)

    await app.db.write(change)
    return {"account": account.id}


async def _sign_out(app: App, who: str) -> dict[str, Any]:
    account = await _find(app, who)
    await sessions.sign_out_everywhere(app, account.id)
    return {"account": account.id}


async def _holder(app: App, who: str) -> Account:
    """By INS, or by account: the one that leaves no INS in a shell history."""
    space = await app.db.read(accounts.space_by_ins, app.vault.lookup("ins", who))
    found = await app.db.read(accounts.holder_of, space.id) if space else await app.db.read(accounts.by_id, who)
    if found is None or found.kind != "holder":
        raise Invalid("nobody", "Aucun titulaire à ce numéro.")
    return found


async def _represent(app: App, child: str, representative: str, until: str) -> dict[str, Any]:
    try:
        last = datetime.fromisoformat(until) if until else None
    except ValueError as error:
        raise Invalid("bad_date", "Une date s’écrit 2031-12-24.") from error
    after = int((last.replace(tzinfo=PLACE) + timedelta(days=1)).timestamp() * 1000) if last else None
    whose, who = await _holder(app, child), await _holder(app, representative)
    return {"account": who.id, "until": await delegates.represent(app, whose.space_id, who.id, after)}


async def _unrepresent(app: App, child: str, representative: str) -> dict[str, Any]:
    whose, who = await _holder(app, child), await _holder(app, representative)
    await delegates.unrepresent(app, whose.space_id, who.id)
    return {"account": who.id}


async def _end(app: App, who: str) -> dict[str, Any]:
    account = await _find(app, who)
    await app.db.write(accounts.end, account.id)
    return {"account": account.id}


async def _absence(app: App, who: str, start: str, end: str, text: str) -> dict[str, Any]:
    account = await _find(app, who)
    if not end:
        return {"ended": await absence.end(app, account.id)}
    try:
        told = [datetime.fromisoformat(moment) if moment else datetime.now(PLACE) for moment in (start, end)]
    except ValueError as error:
        raise Invalid("bad_date", "Une date s’écrit 2026-12-24 ou 2026-12-24T08:00.") from error
    first, last = (moment if moment.tzinfo else moment.replace(tzinfo=PLACE) for moment in told)
    await absence.declare(app, account.id, first, last, text)
    return {"account": account.id, "from": first.isoformat(), "until": last.isoformat()}


async def _team(app: App, team: str, member: str, manager: bool, remove: bool) -> dict[str, Any]:
    office, who = await _find(app, team), await _find(app, member)
    if remove:
        return {"left": await teams.leave(app, office.id, who.id)}
    await teams.join(app, office.id, who.id, "manager" if manager else "member", "operator")
    return {"team": office.id, "member": who.id}


async def _remind(app: App) -> dict[str, Any]:
    return {"posted": await households.remind_everybody(app)}


async def _trust_add(app: App, domain: str, pem: str, subject: str = "") -> dict[str, Any]:
    return asdict(await trust.add(app, domain, pem.encode(), subject))


async def _trust_remove(app: App, domain: str) -> dict[str, Any]:
    """`listed`: the white list trusts the domain all the same."""
    listed = {name for name, _ in await app.db.read(operators.listed, trust.LIST)}
    return {"removed": await trust.remove(app, domain), "listed": domain.strip().lower() in listed}


async def _trust_list(app: App) -> list[dict[str, Any]]:
    """By hand first, then what the white list says."""
    by_hand = [asdict(operator) for operator in await trust.operators(app)]
    listed = sorted(await app.db.read(operators.listed, trust.LIST))
    return by_hand + [{"domain": domain, "subject": subject, "list": trust.LIST} for domain, subject in listed]


async def _trust_import(app: App, file: str, older: bool, shrinking: bool) -> dict[str, Any]:
    return asdict(await trust_lists.take(app, base64.b64decode(file), older=older, shrinking=shrinking))


async def _trust_refresh(app: App) -> dict[str, Any]:
    return await trust_lists.refresh_all(app)


async def _trust_status(app: App) -> dict[str, Any]:
    return await trust_lists.status(app.settings, app.db, app)


async def _audit_verify(app: App, anchors: str) -> dict[str, Any]:
    return asdict(await audit_chain.verify(app, anchors))


async def _audit_touched(app: App, who: str, since: str, until: str) -> list[dict[str, Any]]:
    """Also of an account that ended: who is no longer here may have to be answered for."""
    known = await app.db.read(accounts.even_ended, who)
    account = known[0] if known else await _find(app, who)
    try:
        first, last = (datetime.fromisoformat(moment) for moment in (since, until))
    except ValueError as error:
        raise Invalid("bad_date", "Une date s’écrit 2026-12-24 ou 2026-12-24T08:00.") from error
    start, end = (moment if moment.tzinfo else moment.replace(tzinfo=PLACE) for moment in (first, last))
    found = await app.db.read(
        audit_rows.touched, account.id, int(start.timestamp() * 1000), int(end.timestamp() * 1000)
    )
    return [{"space": space, "acts": count} for space, count in sorted(found.items())]


async def _look(app: App) -> dict[str, Any]:
    return {"doors": app.ports, "found": [asdict(finding) for finding in await doctor.look(app.db, app.settings)]}


async def _quarantine_list(app: App, everything: bool) -> list[dict[str, Any]]:
    from mail_gateway import verdict  # it reads mail: a process without a mail door never loads it

    return await verdict.listed(app, everything=everything)


async def _quarantine_show(app: App, mail: str, by: str) -> dict[str, Any]:
    from mail_gateway import verdict

    return await verdict.show(app, mail, by)


async def _quarantine_release(app: App, mail: str, by: str, despite_identity: bool) -> dict[str, Any]:
    from mail_gateway import verdict

    await verdict.release(app, mail, by, despite_identity=despite_identity)
    return {"released": mail}


async def _quarantine_drop(app: App, mail: str, by: str) -> dict[str, Any]:
    from mail_gateway import verdict

    await verdict.drop(app, mail, by)
    return {"dropped": mail}


async def _restored(app: App) -> dict[str, Any]:
    return {"mailboxes": await app.db.write(entries.renumbered, now_ms() // 1000)}


COMMANDS: dict[str, Callable[..., Awaitable[Any]]] = {
    "audit.touched": _audit_touched,
    "audit.verify": _audit_verify,
    **campaign_tasks.COMMANDS,
    "doctor.look": _look,
    "mailboxes.restored": _restored,
    "people.add-writer": _add_writer,
    "people.add-holder": _add_holder,
    "people.list": _list_people,
    "people.sign-in-link": _sign_in_link,
    "people.reset-sign-in": _reset_sign_in,
    "people.space": _space,
    "people.password": _password,
    "people.absence": _absence,
    "people.team": _team,
    "people.end": _end,
    "people.represent": _represent,
    "people.unrepresent": _unrepresent,
    "people.sign-out": _sign_out,
    "quarantine.list": _quarantine_list,
    "quarantine.show": _quarantine_show,
    "quarantine.release": _quarantine_release,
    "quarantine.drop": _quarantine_drop,
    "reminders.round": _remind,
    "reviews.close": operating.close,
    "reviews.list": operating.listed,
    "trust.add": _trust_add,
    "trust.remove": _trust_remove,
    "trust.list": _trust_list,
    "trust.import": _trust_import,
    "trust.refresh": _trust_refresh,
    "trust.status": _trust_status,
}


def _socket(settings: Settings) -> Path:
    return settings.data_dir / "pli.sock"


async def _answer(app: App, request: dict[str, Any]) -> dict[str, Any]:
    command = COMMANDS.get(str(request.get("command")))
    if command is None:
        return {"error": "commande inconnue"}
    try:
        return {"result": await command(app, **request.get("arguments", {}))}
    except PliError as error:
        return {"error": error.detail}
    except TypeError:
        return {"error": "arguments inattendus"}


@asynccontextmanager
async def admin_door(app: App) -> AsyncIterator[None]:
    """Listen for commands while the server runs."""
    path = _socket(app.settings)
    path.unlink(missing_ok=True)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = json.loads(await asyncio.wait_for(reader.readline(), 10))
            writer.write(json.dumps(await _answer(app, request), ensure_ascii=False).encode() + b"\n")
            await writer.drain()
        except (ValueError, TimeoutError, OSError) as error:
            log.warning("admin.bad_request", error=type(error).__name__)
        finally:
            writer.close()

    mask = os.umask(0o177)
    try:
        door = await asyncio.start_unix_server(serve, path, limit=MAX_REQUEST)
    finally:
        os.umask(mask)
    try:
        yield
    finally:
        door.close()
        path.unlink(missing_ok=True)


async def run(settings: Settings, command: str, **arguments: Any) -> Any:
    """Do a command, in the running server or here. Raises `Invalid` with what to tell the operator."""
    request = {"command": command, "arguments": arguments}
    answer = await _ask_running(settings, request)
    if answer is None:
        async with open_core(settings) as app:
            answer = await _answer(app, request)
    if "error" in answer:
        raise Invalid("refused", answer["error"])
    return answer["result"]


async def trust_status(settings: Settings) -> dict[str, Any] | None:
    """As the command, but only looking: nothing is made or migrated. None when nothing can be looked at."""
    answer = await _ask_running(settings, {"command": "trust.status"})
    if answer is not None:
        return answer.get("result")
    try:
        database = await open_database(settings.database)
    except (DatabaseDown, OSError):
        return None
    try:
        return await trust_lists.status(settings, database)
    except Exception:  # noqa: BLE001 - no tables yet, or settings that are no good: other findings say so
        return None
    finally:
        await database.close()


async def look(settings: Settings) -> dict[str, Any] | None:
    """What the running server sees of itself; None when there is none."""
    answer = await _ask_running(settings, {"command": "doctor.look"})
    return None if answer is None else answer.get("result")


async def _ask_running(settings: Settings, request: dict[str, Any]) -> dict[str, Any] | None:
    """The answer of the running server; None when there is none."""
    try:
        reader, writer = await asyncio.open_unix_connection(_socket(settings), limit=16 * 1024 * 1024)
    except OSError:
        return None
    writer.write(json.dumps(request).encode() + b"\n")
    await writer.drain()
    answer = json.loads(await reader.readline() or '{"error": "le serveur n’a pas répondu"}')
    writer.close()
    return dict(answer)
