"""The chain over the audit: what was written there cannot be deleted, changed, moved or put in behind time unseen.

    rows without a block  →  blocks of rows that are kept equally long  →  chain = HMAC(key, chain before | block)
    the newest chain      →  a file on another mount, an address elsewhere: each 5 minutes at most

Promises: every row is in a block within half a minute or so of its commit, and at closing; nothing of it is done in the
transaction that writes the row, which pays one partial index. The key is the vault's: whoever has the database alone
can forge no block. What was cut off at the end is found by what was anchored outside. Purged rows leave their block.

Does not: see what somebody who has the database and the master key forges between two anchors, nor a row that is gone
before it was sealed. A failure to anchor is counted and said by `pli doctor`; it stops nobody (security item 51).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import structlog

from server import audit, gateways
from storage import accounts, audit_blocks
from storage.audit_blocks import Block, Overtaken
from storage.audit_rows import AuditRow
from storage.ids import now_ms

if TYPE_CHECKING:
    from server.app import App

log = structlog.get_logger()

KEY: Final = "audit"  # its name among the vault's keys
START: Final = "0" * 64  # the chain before the first block
SEAL_EVERY_S: Final = 30
LOOK_EVERY_S: Final = 10  # what is owed by rows of another process is found this often (`server.journal_notice`)
ANCHOR_EVERY_MS: Final = 4 * 60_000
ANCHOR_SECONDS: Final = 10
AT_ONCE: Final = 500  # rows of one transaction: others write too
LATE_MS: Final = 10 * 60_000  # no transaction lasts that long: an older row that comes now was put in behind time
PAGE: Final = 500  # blocks looked at in one go
PURGE_AT_ONCE: Final = 200


# ---- sealing ---------------------------------------------------------------------------------------------------------


def canonical(row: AuditRow) -> bytes:
    """A row as it is hashed: its columns in order, as JSON."""
    fields = (row.at, row.id, row.space_id, row.actor_id, row.actor_kind, row.act, row.ground, row.object, row.outcome,
              row.why)  # fmt: skip
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


def digest_of(rows: Iterable[AuditRow]) -> str:
    """SHA-256 over the rows in the order of their time."""
    return hashlib.sha256(b"\n".join(sorted(map(canonical, rows)))).hexdigest()


def chain_of(key: bytes, before: str, block: Block) -> str:
    """HMAC-SHA256 over the chain before and everything a block says; what is known only later is not in it."""
    said = (before, block.digest, block.number, block.count, block.from_at, block.until_at, block.months, block.at)
    return hmac.new(key, "|".join(map(str, said)).encode(), hashlib.sha256).hexdigest()


def blocks_of(key: bytes, last: Block | None, rows: Sequence[AuditRow], at: int) -> list[tuple[Block, list[str]]]:
    """The blocks that these rows make behind the last one, each with the ids of its rows."""
    classes: dict[int, list[AuditRow]] = {}
    for row in rows:
        classes.setdefault(audit.months_of(row.act), []).append(row)
    number, chain = (last.number, last.chain) if last else (0, START)
    made: list[tuple[Block, list[str]]] = []
    for months, kept in sorted(classes.items()):
        number += 1
        times = [row.at for row in kept]
        block = Block(number, months, min(times), max(times), len(kept), digest_of(kept), "", at)
        chain = chain_of(key, chain, block)
        made.append((replace(block, chain=chain), [row.id for row in kept]))
    return made


async def seal(app: App) -> int:
    """Seal every row that waits; how many. What is written meanwhile is the next block's."""
    key, sealed = await chain_key(app), 0
    while True:
        last, rows = await app.db.read(lambda tx: (audit_blocks.newest(tx), audit_blocks.unsealed(tx, AT_ONCE)))
        if not rows:
            return sealed
        made = blocks_of(key, last, rows, now_ms())
        with contextlib.suppress(Overtaken):  # another process did: look again
            await app.db.write(audit_blocks.add, last.number if last else 0, made)
            sealed += len(rows)


async def chain_key(app: App) -> bytes:
    """The key of the chain, made by the vault the first time. Raises `NoMasterKey`."""
    known = await app.db.read(accounts.vault_key, KEY)
    if known is None:
        await app.db.write(accounts.insert_vault_key, KEY, app.vault.new_wrapped_key())
        known = await app.db.read(accounts.vault_key, KEY)
    assert known is not None  # noqa: S101 - it was just made
    return app.vault.unwrap(known)


# ---- anchoring -------------------------------------------------------------------------------------------------------


async def anchor(app: App, *, now: bool = False) -> bool:
    """Tell the newest block outside, when its time has come or `now`; whether all that is told is told."""
    settings = app.settings
    if not (settings.audit_anchor_file or settings.audit_anchor_url):
        return True
    newest, told = await app.db.read(lambda tx: (audit_blocks.newest(tx), audit_blocks.last_anchored(tx)))
    if newest is None or (told is not None and told.number == newest.number):
        return True
    at = now_ms()
    if not now and told is not None and 0 <= at - (told.anchored_at or 0) < ANCHOR_EVERY_MS:
        return True
    line = {"number": newest.number, "chain": newest.chain, "at": _iso(at)}
    try:
        if settings.audit_anchor_file:
            await asyncio.to_thread(_append, Path(settings.audit_anchor_file), line)
        if settings.audit_anchor_url:
            await _post(app, line)
    except (OSError, ValueError, aiohttp.ClientError, TimeoutError) as error:
        app.metrics.anchor_failed()
        log.warning("audit.not_anchored", error=type(error).__name__)
        return False
    await app.db.write(audit_blocks.anchored, newest.number, at)
    return True


def _append(path: Path, line: Mapping[str, Any]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, json.dumps(line).encode() + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


async def _post(app: App, line: Mapping[str, Any]) -> None:
    settings = app.settings
    async with (
        gateways.http_session(ANCHOR_SECONDS, private=settings.audit_anchor_private) as session,
        session.post(settings.audit_anchor_url, json=line, allow_redirects=False) as answer,
    ):
        if not 200 <= answer.status < 300:
            raise OSError("refused")


# ---- the job ---------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def kept_whole(app: App) -> AsyncIterator[None]:
    """While open, what is written is sealed and anchored; at closing, once more."""
    task = asyncio.create_task(_forever(app), name="audit-chain")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await _once(app, now=True)


async def _forever(app: App) -> None:
    while True:
        await _once(app)
        for _ in range(SEAL_EVERY_S // LOOK_EVERY_S):
            await asyncio.sleep(LOOK_EVERY_S)
            app.delivery.wake()


async def _once(app: App, *, now: bool = False) -> None:
    try:
        await seal(app)
        await anchor(app, now=now)
    except Exception as error:  # noqa: BLE001 - what was not sealed now is sealed the next time
        app.metrics.anchor_failed()
        log.warning("audit.not_sealed", error=type(error).__name__)


# ---- purging ---------------------------------------------------------------------------------------------------------


def months_before(at: int, months: int) -> int:
    """The instant (ms) that many calendar months before; the last day of a shorter month."""
    then = datetime.fromtimestamp(at / 1000, UTC)
    year, month = divmod(then.year * 12 + then.month - 1 - months, 12)
    for day in range(then.day, then.day - 4, -1):
        with contextlib.suppress(ValueError):
            return int(then.replace(year=year, month=month + 1, day=day).timestamp() * 1000)
    raise AssertionError("every month has 28 days")


async def purge(app: App) -> int:
    """Delete the rows whose time is over, block by block; how many blocks. Part of the hourly sweep."""
    purged, at = 0, now_ms()
    for months in await app.db.read(audit_blocks.kept_for):
        before = months_before(at, months)
        while count := await app.db.write(audit_blocks.purge, months, before, at, PURGE_AT_ONCE):
            purged += count
    return purged


# ---- verifying -------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Verified:
    """What was looked at, and what is wrong, a sentence each; whole when nothing is."""

    blocks: int
    rows: int
    waiting: int
    anchors: int
    faults: list[str]


async def verify(app: App, anchors: str = "") -> Verified:
    """Look at every block and every row. `anchors`: what the anchor file says (a JSON object a line)."""
    key = await chain_key(app)
    told, faults = _told(anchors)
    found = Verified(0, 0, 0, len(told), faults)
    before, newest, frontier = START, [0, 0], 0  # newest row of the batches before; of this batch
    batch, number = -1, 0
    while page := await app.db.read(audit_blocks.after, number, PAGE):
        for block in page:
            if block.number != number + 1:
                found.faults.append(f"blocks {number + 1} to {block.number - 1} are missing")
            if not hmac.compare_digest(block.chain, chain_of(key, before, block)):
                found.faults.append(
                    f"block {block.number} does not follow from the one before: changed, moved or forged"
                )
            if block.number in told and told.pop(block.number) != block.chain:
                found.faults.append(f"block {block.number} is not the one that was anchored")
            if block.at != batch:
                batch, newest[0] = block.at, max(newest)
            newest[1] = max(newest[1], block.until_at)
            if block.from_at < newest[0] - LATE_MS:
                late = f"block {block.number} holds rows of {_iso(block.from_at)}, behind what was sealed before"
                found.faults.append(f"{late}: put in behind time, or the clock was set back")
            found.faults += await _rows(app, block, found)
            before, number = block.chain, block.number
            frontier = max(newest)
        found.blocks = number
    for missing in sorted(told):
        found.faults.append(f"block {missing} was anchored and is not there: the end was cut off")
    for stray, count in await app.db.read(audit_blocks.strays):
        found.faults.append(f"{count} rows name block {stray}, which is not there")
    found.waiting, oldest = await app.db.read(audit_blocks.waiting)
    if found.waiting and oldest < frontier - LATE_MS:
        found.faults.append(f"a row of {_iso(oldest)} stands in no block, behind what was sealed: put in behind time")
    return found


async def _rows(app: App, block: Block, found: Verified) -> list[str]:
    """What is wrong with the rows of a block."""
    rows = await app.db.read(audit_blocks.rows_of, block.number)
    if block.purged_at is not None:
        early = block.until_at >= months_before(block.purged_at, block.months) or block.purged_at > now_ms()
        faults = [f"block {block.number} was purged before its time"] if early else []
        return faults + ([f"block {block.number} was purged and still has {len(rows)} rows"] if rows else [])
    if len(rows) != block.count:
        again = await app.db.read(audit_blocks.after, block.number - 1, 1)
        if again and again[0].number == block.number and again[0].purged_at is not None:  # meanwhile
            return await _rows(app, again[0], found)
        return [f"block {block.number} has {len(rows)} rows instead of {block.count}"]
    found.rows += len(rows)
    if await asyncio.to_thread(digest_of, rows) != block.digest:
        return [f"block {block.number}: a row was changed, or put in the place of another"]
    return []


def _told(text: str) -> tuple[dict[int, str], list[str]]:
    """The anchors by block number, and what is wrong with them."""
    told, faults = {}, []
    for place, line in enumerate(text.splitlines(), 1):
        try:
            said = json.loads(line)
            told[int(said["number"])] = str(said["chain"])
        except (ValueError, KeyError, TypeError):
            faults.append(f"anchors, line {place}: not an anchor")
    return told, faults


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
