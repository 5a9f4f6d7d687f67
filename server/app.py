"""Opens and closes everything, in one place, on one exit stack.

    settings → database (migrated) → vault → blobs → hub → delivery worker → the doors of this role → ready

Closing runs the same list backwards: doors first, so that nothing new comes in while what is in flight ends.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
from aiohttp import web

from server import audit_chain, journal_notice, keeping, logs, notices
from server.absence import AbsenceNotes
from server.agenda.notices import AppointmentNotices
from server.bots import campaigner, households
from server.bots.assistant.answering import Assistant
from server.bots.reminders import ReminderChannel
from server.contacts import AccountMail
from server.copies import exporting, importing
from server.delegates import DelegationEnds
from server.delivery import DeliveryWorker
from server.dossier import habilitation
from server.dossier.announcing import UntoldDocuments
from server.dossier.emergencies import EmergencyTold
from server.enrolment import endings
from server.handles import DossierHandle
from server.hub import Hub, RedisHub
from server.journeys import evening
from server.journeys import sending as journeys
from server.lookups import LookUps
from server.metrics import Metrics
from server.passwords import Passwords
from server.settings import Settings
from server.thumbnails import Thumbnails
from storage import accounts, blobs, brakes, drafts, messages, proofs, uploads
from storage.blobs import BlobStore
from storage.database import Database, Tx, open_database
from storage.ids import now_ms
from storage.migrate import migrate
from storage.vault import Vault

log = structlog.get_logger()

SWEEP_EVERY_S = 3600
RETRY_KEYS_KEPT_MS = 30 * 86_400_000


class App:
    """What is open: handed to every door and every function that needs it."""

    def __init__(self, settings: Settings, db: Database, vault: Vault, store: BlobStore, hub: Hub) -> None:
        self.settings = settings
        self.db = db
        self.vault = vault
        self.blobs = store
        self.hub = hub
        self.metrics = Metrics()
        self.lookups = LookUps()
        self.passwords = Passwords()
        self.thumbnails = Thumbnails()
        self.delivery = DeliveryWorker(self)
        self.ports: dict[str, int] = {}
        self.ready = False


def _lookup_key(tx: Tx, vault: Vault) -> bytes:
    known = accounts.vault_key(tx, "lookup")
    if known is None:
        known = vault.new_wrapped_key()
        accounts.insert_vault_key(tx, "lookup", known)
    return known


@asynccontextmanager
async def open_core(settings: Settings) -> AsyncIterator[App]:
    """Storage, vault, hub and delivery, without a door. Raises `DatabaseDown`, `NoMasterKey`."""
    logs.set_up()
    habilitation.use(settings.habilitation_file)
    async with AsyncExitStack() as stack:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(migrate, settings.database)
        db = await open_database(settings.database, strict=not settings.demo)
        stack.push_async_callback(db.close)
        fresh = await db.read(lambda tx: accounts.vault_key(tx, "lookup") is None)
        vault = Vault.from_file(settings.key_file, create=fresh)
        vault.use_lookup_key(await db.write(_lookup_key, vault))
        store = BlobStore(settings.blob_dir)
        stack.callback(store.close)
        hub = RedisHub(settings.redis_url) if settings.redis_url else Hub()
        await hub.open()
        stack.push_async_callback(hub.close)
        app = App(settings, db, vault, store, hub)
        await endings.apply(app)
        stack.callback(app.passwords.close)
        stack.callback(app.thumbnails.close)
        stack.push_async_callback(app.delivery.close)
        yield app


@asynccontextmanager
async def open_app(
    settings: Settings, more_routes: Callable[[App, web.Application], None] | None = None
) -> AsyncIterator[App]:
    """Everything of this process's role, and `more_routes` beside the pages. All of it is closed on the way out."""
    async with open_core(settings) as app, AsyncExitStack() as doors:
        # A process loads the doors of its role only: a worker needs no web framework, a web node no MIME.
        role = settings.role
        if role in {"all", "worker"}:
            import mail_gateway.outbound
            import mail_gateway.rendition
            import mail_gateway.verdict

            for channel in mail_gateway.outbound.channels(app):
                app.delivery.add(channel)
            app.delivery.add(mail_gateway.verdict.QuarantineChannel(app))
            app.delivery.add(ReminderChannel(app))
            app.delivery.add(Assistant(app))
            app.delivery.add(AbsenceNotes(app))
            app.delivery.add(AppointmentNotices(app))
            for channel in journeys.channels(app):
                app.delivery.add(channel)
            app.delivery.add(AccountMail(app))
            app.delivery.add(DelegationEnds(app))
            app.delivery.add(UntoldDocuments(app))
            app.delivery.add(EmergencyTold(app))
            app.delivery.add(journal_notice.AccessTold(app))
            app.delivery.add(endings.Endings(app))
            app.delivery.add(exporting.Exports(app, mail_gateway.rendition.copied, _as_fhir))
            app.delivery.add(importing.Imports(app))
            for channel in notices.channels(app):
                app.delivery.add(channel)
            app.delivery.start()
            await doors.enter_async_context(audit_chain.kept_whole(app))
            await doors.enter_async_context(households.kept_round(app))
            await doors.enter_async_context(campaigner.kept_running(app))
            await doors.enter_async_context(evening.told_each_evening(app))
            sweeper = asyncio.create_task(_sweep_forever(app), name="sweep")
            doors.callback(sweeper.cancel)
        if role in {"all", "worker", "smtp"}:
            import mail_gateway.trust_lists

            await doors.enter_async_context(mail_gateway.trust_lists.kept_fresh(app))
        if role in {"all", "smtp"}:
            import mail_gateway.inbound

            await doors.enter_async_context(mail_gateway.inbound.mx_door(app))
            await doors.enter_async_context(mail_gateway.inbound.submission_door(app))
        if role in {"all", "imap"}:
            import mail_gateway.imap

            await doors.enter_async_context(mail_gateway.imap.imap_door(app))
        await doors.enter_async_context(_http_door(app, more_routes))
        app.ready = True
        log.info("pli.open", role=role, **app.ports)
        try:
            yield app
        finally:
            app.ready = False


@asynccontextmanager
async def _http_door(app: App, more_routes: Callable[[App, web.Application], None] | None) -> AsyncIterator[None]:
    """Health and metrics for every role; pages, live chat and API for `web`."""
    import server.api

    site_app = web.Application(client_max_size=64 * 1024 * 1024)
    server.api.add_health(app, site_app)
    if app.settings.role in {"all", "web"}:
        import webchat

        server.api.add_routes(app, site_app)
        webchat.add_routes(app, site_app)
        if more_routes is not None:
            more_routes(app, site_app)
    runner = server.api.runner(app, site_app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, app.settings.host, app.settings.http_port)
        await site.start()
        app.ports["http"] = runner.addresses[0][1]
        yield
    finally:
        await runner.cleanup()


async def _as_fhir(app: App, handle: DossierHandle) -> bytes:
    """Loaded when a copy is made: a worker has no façade."""
    import server.api.fhir.whole

    return await server.api.fhir.whole.bundle(app, handle)


def seldom_collected() -> None:
    """What is loaded now stays: the collector need not look at it again, nor as often at short-lived letters (+11%)."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def _sweep_forever(app: App) -> None:
    """Hourly: files that no row names, retry keys older than any resend, rows of the audit whose time is over."""
    while True:
        try:
            await app.blobs.sweep(await app.db.read(blobs.named))
            await app.db.write(messages.forget_retry_keys, now_ms() - RETRY_KEYS_KEPT_MS)
            await audit_chain.purge(app)
            await app.db.write(brakes.forget_old)
            await app.db.write(proofs.forget_old)
            await app.db.write(uploads.sweep, now_ms())
            await exporting.forget_old(app)
            await app.db.write(drafts.forget, now_ms() - keeping.ENDED_KEPT_MS)
        except Exception as error:  # noqa: BLE001 - housekeeping never stops the house; it is tried again
            log.warning("sweep.failed", error=type(error).__name__)
        await asyncio.sleep(SWEEP_EVERY_S)
