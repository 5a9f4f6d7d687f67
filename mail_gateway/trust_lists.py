"""The published lists that trust stands on, kept fresh: the white list of operators, and lists of revocations.

    file or https → `whitelist.read` → rules below → one transaction replaces what was listed → counts at once
    http(s)       → signed by an authority of `tls_ca`, newer, not expired → a file in the data folder

Promises: a list is taken whole or not at all; what is broken, empty, older than the list in force or shorter by more
than half changes nothing, and the last good copy stays in force; operators trusted by hand are untouched; our own
domains are never taken from a list. A failure is logged, counted, shown by `pli doctor`, and tried again after
`RETRY_S`. Does not verify an XML signature: none is published; the checksum and the server's TLS stand for it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import structlog

from mail_gateway import revocation, trust, whitelist
from mail_gateway.fetch import NotFetched, fetch
from mail_gateway.trust import LIST
from mail_gateway.whitelist import WhiteList
from server.errors import Conflict, Invalid, PliError, Unavailable
from server.formats.malformed import Malformed
from server.settings import Settings, crl_urls
from storage import operators as rows
from storage.database import Database, DatabaseDown, Tx
from storage.ids import now_ms
from storage.operators import Entry, ListInForce

if TYPE_CHECKING:
    from server.app import App

log = structlog.get_logger()

RETRY_S = 900
CRL_EVERY_S = 3600
_AHEAD = timedelta(days=1)  # a list from further in the future would make every true one look old


@dataclass(frozen=True, slots=True)
class Taken:
    """What a list changed. `ours`: entries about our own domains, passed over."""

    generated: str
    added: int = 0
    removed: int = 0
    kept: int = 0
    skipped: int = 0
    ours: int = 0


# ---- the white list --------------------------------------------------------------------------------------------------


async def take(app: App, data: bytes, *, older: bool = False, shrinking: bool = False) -> Taken:
    """Replace the listed operators by those of this file. Raises `Invalid`, `Conflict` with a sentence for operators.

    `older`, `shrinking`: take it even though it is older than the one in force, or drops more than half of it.
    """
    try:
        read = await asyncio.to_thread(whitelist.read, data)
    except Malformed as error:
        raise Invalid(error.code, error.detail) from None
    if read.at > datetime.now(UTC) + _AHEAD and not older:
        raise Invalid("white_list_date", f"La liste est datée du futur ({read.generated}) : elle n’est pas prise.")
    ours = trust.own_domains(app.settings)
    wanted = frozenset(entry for entry in read.entries if entry[0] not in ours)
    if not wanted:
        raise Invalid("white_list_empty", "La liste blanche est vide : elle n’est pas prise.")
    change = await app.db.write(_replace, read, wanted, older, shrinking)
    taken = Taken(read.generated, *change, skipped=read.skipped, ours=len(read.entries) - len(wanted))
    log.info("trust.list_taken", added=taken.added, removed=taken.removed, kept=taken.kept, skipped=taken.skipped)
    await trust.changed(app)
    return taken


def _replace(tx: Tx, read: WhiteList, wanted: frozenset[Entry], older: bool, shrinking: bool) -> tuple[int, int, int]:
    """(added, removed, kept). The rules are applied where the list in force cannot change meanwhile."""
    in_force = rows.hold_list(tx, LIST)
    if in_force is not None and not older and read.at < datetime.fromisoformat(in_force.generated):
        raise Conflict(
            "older_list",
            f"La liste ({read.generated}) est plus ancienne que celle en vigueur ({in_force.generated}) ;"
            " --older la prend quand même.",
        )
    before = frozenset(rows.listed(tx, LIST))
    added, removed = wanted - before, before - wanted
    if 2 * len(removed) > len(before) and not shrinking:
        raise Conflict(
            "shrinking_list",
            f"La liste retirerait {len(removed)} entrées sur {len(before)} ; --shrinking la prend quand même.",
        )
    rows.delete_listed(tx, LIST, removed)
    rows.insert_listed(tx, LIST, added)
    rows.set_list(tx, LIST, ListInForce(read.digest, read.generated, now_ms(), len(wanted)))
    return len(added), len(removed), len(before) - len(removed)


async def refresh(app: App) -> Taken:
    """Fetch the list and take it. Raises `Invalid`, `Conflict`, `Unavailable`; the list in force then stays."""
    settings = app.settings
    if not settings.trust_list_url:
        raise Invalid("no_list_url", "Le réglage trust_list_url est vide : aucune liste à chercher.")
    try:
        data = await fetch(settings.trust_list_url, whitelist.MAX_BYTES, settings.trust_list_ca)
        if settings.trust_list_checksum_url:
            _check_sum(data, await fetch(settings.trust_list_checksum_url, 4096, settings.trust_list_ca))
    except NotFetched as error:
        raise Unavailable(error.code, f"La liste blanche n’a pas pu être téléchargée ({error.code}).") from None
    return await take(app, data)


def _check_sum(data: bytes, published: bytes) -> None:
    """SHA-256, hexadecimal; a file name may follow it, as `sha256sum` writes."""
    words = published.decode("ascii", "replace").split()
    if not words or words[0].lower() != hashlib.sha256(data).hexdigest():
        raise Invalid("checksum", "La liste blanche ne correspond pas à sa somme de contrôle : elle n’est pas prise.")


# ---- lists of revocations --------------------------------------------------------------------------------------------


async def fetch_revocations(app: App, url: str) -> None:
    """Fetch one list of revocations and keep it when it is good. Raises `Invalid`, `Unavailable`."""
    try:
        data = await fetch(url, revocation.MAX_BYTES)
    except NotFetched as error:
        raise Unavailable(error.code, f"La liste de révocation n’a pas pu être téléchargée ({error.code}).") from None
    if await asyncio.to_thread(_keep_revocations, app.settings, url, data):
        await trust.changed(app)


def _keep_revocations(settings: Settings, url: str, data: bytes) -> bool:
    """False when it is the one that was kept. Whole or absent, by a name that says nothing."""
    authorities = trust.read_authorities(settings)
    found = revocation.parse(data)
    if not found or not all(revocation.issuers_of(crl, authorities) for crl in found):
        raise Invalid("bad_crl", "La liste de révocation n’est pas signée par une autorité de tls_ca.")
    if not all(revocation.in_force(crl, datetime.now(UTC)) for crl in found):
        raise Invalid("expired_crl", "La liste de révocation est expirée : la précédente est gardée.")
    path = revocation.folder(settings) / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.crl"
    before = revocation.parse(path.read_bytes()) if path.exists() else []
    if data and before and max(crl.last_update_utc for crl in before) > max(crl.last_update_utc for crl in found):
        raise Invalid("older_crl", "La liste de révocation est plus ancienne que celle qui est gardée.")
    if path.exists() and path.read_bytes() == data:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    pending = path.with_suffix(".new")
    with pending.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    pending.rename(path)
    return True


# ---- kept fresh ------------------------------------------------------------------------------------------------------

_failures: WeakKeyDictionary[App, dict[str, str]] = WeakKeyDictionary()


@dataclass
class Keeper:
    """Fetches each list when it is due, and again sooner when that failed."""

    app: App
    _due: dict[str, float] = field(default_factory=dict)  # seconds since 1970

    async def round(self) -> float:
        """Fetch what is due. Returns the seconds until something is again."""
        settings = self.app.settings
        waits = [
            await self._fetch(url, "revocations", CRL_EVERY_S, partial(fetch_revocations, self.app, url))
            for url in crl_urls(settings)
        ]
        if settings.trust_list_url and settings.trust_list_hours:
            every = settings.trust_list_hours * 3600
            in_force = await self.app.db.read(rows.list_in_force, LIST)
            if LIST not in self._due and in_force is not None:
                self._due[LIST] = in_force.taken_at / 1000 + every
            waits.append(await self._fetch(LIST, "white_list", every, partial(refresh, self.app)))
        return min(waits, default=RETRY_S)

    async def _fetch(self, name: str, kind: str, every: float, what: Callable[[], Awaitable[object]]) -> float:
        if self._due.get(name, 0.0) > time.time():
            return self._due[name] - time.time()
        wait, failures = every, _failures.setdefault(self.app, {})
        try:
            await what()
            failures.pop(name, None)
        except Exception as error:  # noqa: BLE001 - whatever it is, the last good copy stays and it is tried again
            failures[name] = error.code if isinstance(error, PliError) else type(error).__name__
            log.warning("trust.refresh_failed", list=kind, code=failures[name])
            self.app.metrics.trust_refresh_failed(kind)
            wait = min(every, RETRY_S)
        self._due[name] = time.time() + wait
        return wait


@asynccontextmanager
async def kept_fresh(app: App, on_round: Callable[[], None] = lambda: None) -> AsyncIterator[None]:
    """While the block lasts, the lists whose address is set are fetched by themselves."""

    async def forever() -> None:
        keeper = Keeper(app)
        while True:
            try:
                wait = await keeper.round()
            except DatabaseDown:
                wait = RETRY_S
            on_round()
            await asyncio.sleep(wait)

    task = asyncio.create_task(forever(), name="trust-lists")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def refresh_all(app: App) -> dict[str, Any]:
    """Everything that has an address, now. Raises as `refresh`."""
    urls = crl_urls(app.settings)
    for url in urls:
        await fetch_revocations(app, url)
    taken = asdict(await refresh(app)) if app.settings.trust_list_url or not urls else {}
    return taken | {"revocation_lists": len(urls)}


async def status(settings: Settings, db: Database, app: App | None = None) -> dict[str, Any]:
    """What is in force: `list` (None when there is none), `by_hand`, `revocations`, `failures` of the last fetches of
    the running server. Raises `BadSettings`, `DatabaseDown`.
    """
    in_force = await db.read(rows.list_in_force, LIST)
    held = trust.revocations(app) if app is not None else None
    if held is None:
        held = await asyncio.to_thread(revocation.load, settings, trust.read_authorities(settings))
    return {
        "list": asdict(in_force) if in_force is not None else None,
        "by_hand": len(await db.read(rows.every)),
        "revocations": held.facts(),
        "failures": dict(_failures.get(app, {})) if app is not None else {},
    }
