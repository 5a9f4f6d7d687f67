"""Other operators' servers: finding them, connections that serve for several letters, and leaving a dead one alone.

    turn of a domain → an idle connection, or: fixed route | relay | MX → STARTTLS, proven → MAIL RCPT DATA → 250
                             ↑──────────────────────── idle, for IDLE_S ─────────────────────────────────────┘

Promises: nothing leaves in clear, nor to a server that is not proven: its certificate is one that vouches for the
recipient's domain, or bears the name of the host we looked up, under an authority we trust; that is asked again for
each letter, also on a connection that is open already. No text of the peer is shown or logged.

At most `PER_PEER` connections to one domain, `PER_CONNECTION` letters each. A peer that cannot be talked to is left
alone, for longer each time it stays away; then one letter probes it while the others wait (`Held`), at no cost but a
row. A peer that is slow holds up its own letters only: those it has no hand for get an appointment at its own pace.
A reused connection that turns out dead before the letter was given is replaced at once. A letter that was given and
not answered for is tried again later: it may come twice, with one Message-ID, and is never lost (RFC 5321 § 4.5.3.2.6).
What a letter is refused for is the letter's affair (`smtp_…`), not the peer's.

What is known of a peer stands in this process's memory: after a restart the first letter finds out again.

RFC 5321 § 5.1 (MX), RFC 3207 (STARTTLS), RFC 7505 (null MX), RFC 3461 (DSN).
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiosmtplib
import dns.asyncresolver
import dns.exception
import dns.resolver
import structlog
from cryptography import x509

from mail_gateway.handover import Connection, NothingSent, Outgoing, hand_over, hang_up
from mail_gateway.trust import Trust
from server.delivery import Held, Permanent, Temporary
from server.settings import retry_waits, routes
from storage.ids import now_ms

if TYPE_CHECKING:
    from server.app import App

log = structlog.get_logger()

PER_PEER = 4
PER_CONNECTION = 100
IDLE_S = 20.0
CONNECT_S = 15.0
COMMAND_S = 60.0
TURN_S = 60.0  # how long a letter waits here for one of the connections
WAITING = 2000  # letters that wait here for one peer; fewer for one that is slow
PROBE_MS = 20_000
SMTP_PORT = 25
MANY_PEERS = 10_000


@dataclass(slots=True)
class _Peer:
    """What is known of a domain's servers. `until`: left alone until then (ms), after so many `failures` in a row."""

    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PER_PEER))
    idle: list[Connection] = field(default_factory=list)
    in_hand: int = 0
    failures: int = 0
    until: int = 0
    probing: bool = False
    pace: float = 0.0  # seconds a letter takes of one connection, lately
    appointment: int = 0

    def may_try(self) -> None:
        """Raises `Held` when the peer is down, unless it is time for one letter to see whether it came back."""
        if self.failures and (self.probing or now_ms() < self.until):
            raise Held("peer_down", max(self.until, now_ms() + PROBE_MS if self.probing else 0))

    def room(self) -> int:
        """How many letters may be in hand: what ten seconds take, as far as is known."""
        return max(2 * PER_PEER, min(WAITING, int(10 * PER_PEER / self.pace))) if self.pace else WAITING

    def later(self) -> Held:
        """Come when the others are through, each at its own instant; half a minute at most, as nobody knows."""
        now = now_ms()
        self.appointment = max(self.appointment, now + 500) + int(800 * self.pace / PER_PEER)
        self.appointment = min(self.appointment, now + 30_000)
        return Held("peer_busy", self.appointment)


class Peers:
    """The servers we send to, for every channel of this process."""

    def __init__(self, app: App, resolver: dns.asyncresolver.Resolver | None = None) -> None:
        self._app = app
        self._resolver = resolver  # the system's when None
        self._routes = routes(app.settings)
        self._waits = retry_waits(app.settings)
        self._peers: dict[str, _Peer] = {}

    def close(self) -> None:
        """Hang up: nothing is under way any more."""
        for peer in self._peers.values():
            for connection in peer.idle:
                hang_up(connection)
            peer.idle.clear()

    def may_take(self, domain: str) -> None:
        """Raises `Held` when there is no point in making a letter for it now."""
        peer = self._peer(domain)
        peer.may_try()
        if peer.in_hand >= peer.room():
            raise peer.later()

    @asynccontextmanager
    async def turn(self, domain: str) -> AsyncIterator[None]:
        """A letter's turn at that domain, to be made and handed over (`deliver`) within. Raises `Held`."""
        self.may_take(domain)
        peer = self._peer(domain)
        peer.in_hand += 1
        try:
            try:
                async with asyncio.timeout(TURN_S):
                    await peer.slots.acquire()
            except TimeoutError:
                raise peer.later() from None
            except asyncio.CancelledError:  # Pli closes, and nothing was sent: whoever opens next need not wait
                raise Held("closing", now_ms()) from None
            try:
                peer.may_try()  # the letter before may have found it dead
                peer.probing = probes = peer.failures > 0
                started = time.monotonic()
                try:
                    yield
                finally:
                    took = time.monotonic() - started
                    peer.pace = took if not peer.pace else 0.9 * peer.pace + 0.1 * took
                    if probes:
                        peer.probing = False
            finally:
                peer.slots.release()
        finally:
            peer.in_hand -= 1

    async def deliver(self, domain: str, letter: Outgoing, trusted: Trust) -> None:
        """Returns when a server of that domain has taken the letter. Raises `Temporary`, `Permanent`."""
        peer = self._peer(domain)
        while (connection := self._reuse(peer, domain, trusted)) is not None:
            try:
                await hand_over(connection, letter)
            except NothingSent:
                hang_up(connection)  # it went to sleep meanwhile
            else:
                return
            finally:
                self._keep(peer, connection)
        connection = await self._open(peer, domain, trusted)
        try:
            await hand_over(connection, letter)
        except NothingSent as error:
            self._went_down(peer)
            raise Temporary(error.code) from None
        finally:
            self._keep(peer, connection)

    async def servers(self, domain: str) -> list[tuple[str, int]]:
        """Where mail for that domain goes, the preferred first. Raises `Temporary`, `Permanent`."""
        if domain in self._routes:
            return [self._routes[domain]]
        if self._app.settings.mail_relay:
            host, _, port = self._app.settings.mail_relay.rpartition(":")
            return [(host.strip("[]"), int(port))]
        try:
            resolver = self._resolver or dns.asyncresolver.get_default_resolver()
            answer = await resolver.resolve(domain, "MX", lifetime=CONNECT_S)
        except dns.resolver.NoAnswer:
            return [(domain, SMTP_PORT)]  # § 5.1: the implicit MX
        except dns.resolver.NXDOMAIN:
            raise Permanent("no_domain", "Son domaine n’existe pas, ou n’existe plus.", "5.1.2") from None
        except dns.exception.DNSException:
            raise Temporary("dns") from None
        found = sorted((record.preference, record.exchange.to_text(omit_final_dot=True)) for record in answer)
        if found == [(0, ".")] or not found:  # RFC 7505
            raise Permanent("no_mail", "Son domaine ne reçoit pas de courrier.", "5.1.10")
        return [(host, SMTP_PORT) for _, host in found[:5]]

    def _peer(self, domain: str) -> _Peer:
        known = self._peers.get(domain)
        if known is None:
            if len(self._peers) >= MANY_PEERS:
                self._peers = {
                    name: one for name, one in self._peers.items() if one.in_hand or one.idle or one.failures
                }
            known = self._peers[domain] = _Peer()
        return known

    def _went_down(self, peer: _Peer) -> None:
        """Leave it alone, longer each time. Of several letters that find it dead at once, one counts."""
        now = now_ms()
        if peer.failures and now < peer.until:
            return
        peer.until = now + self._waits[min(peer.failures, len(self._waits) - 1)] * 1000
        peer.failures += 1
        self._app.metrics.peers_down.set(sum(1 for one in self._peers.values() if one.failures))

    # ---- connections -------------------------------------------------------------------------------------------------

    def _reuse(self, peer: _Peer, domain: str, trusted: Trust) -> Connection | None:
        """An idle connection that is still open, and still proven by what is trusted now."""
        while peer.idle:
            connection = peer.idle.pop()
            if connection.closing is not None:
                connection.closing.cancel()
            still = connection.client.is_connected and connection.context is trusted.outgoing
            if still and _proven(connection.certificate, connection.host, domain, trusted):
                return connection
            hang_up(connection)
        return None

    def _keep(self, peer: _Peer, connection: Connection) -> None:
        """For the next letter, for a while."""
        if not connection.client.is_connected:
            return
        if connection.letters >= PER_CONNECTION:
            hang_up(connection)
            return
        peer.idle.append(connection)
        connection.closing = asyncio.get_running_loop().call_later(IDLE_S, self._bored, peer, connection)

    def _bored(self, peer: _Peer, connection: Connection) -> None:
        if connection in peer.idle:
            peer.idle.remove(connection)
            hang_up(connection)

    async def _open(self, peer: _Peer, domain: str, trusted: Trust) -> Connection:
        """Try the servers of the domain in order: the next one when the last could not be talked to at all."""
        failure = Temporary("no_server")
        try:
            servers = await self.servers(domain)
        except Temporary as error:
            servers, failure = [], error
        for host, port in servers:
            try:
                connection = await self._connect(host, port, domain, trusted)
            except Temporary as error:
                failure = error
                log.info("outbound.no_connection", code=error.code)
            else:
                if peer.failures:
                    peer.failures = peer.until = 0
                    self._app.metrics.peers_down.set(sum(1 for one in self._peers.values() if one.failures))
                return connection
        self._went_down(peer)
        raise failure

    async def _connect(self, host: str, port: int, domain: str, trusted: Trust) -> Connection:
        """A server of that domain, over proven TLS. Raises `Temporary`."""
        client = aiosmtplib.SMTP(
            hostname=host, port=port, local_hostname=self._app.settings.mail_domain, timeout=CONNECT_S, start_tls=False
        )
        good = False
        try:
            await client.connect()
            await client.ehlo()
            if not client.supports_extension("starttls"):
                raise Temporary("no_starttls")
            await client.starttls(tls_context=trusted.outgoing)
            certificate = client.get_transport_info("ssl_object").getpeercert(binary_form=True)
            if not _proven(certificate, host, domain, trusted):
                raise Temporary("wrong_certificate")
            await client.ehlo()
            client.timeout = COMMAND_S
            good = True
            return Connection(client, host, trusted.outgoing, certificate)
        except aiosmtplib.SMTPResponseException as error:  # § 4.2.1: said before the letter: the server's mood
            raise Temporary(f"peer_{error.code}") from None
        except ssl.SSLError:
            raise Temporary("tls") from None
        except (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError):
            raise Temporary("no_connection") from None
        finally:
            if not good:
                client.close()


def _proven(certificate: bytes | None, host: str, domain: str, trusted: Trust) -> bool:
    """Whether a certificate whose chain is good is the right one: it vouches for the domain, or bears the host's
    name.
    """
    if certificate is None:
        return False
    return domain in trusted.domains(certificate) or (
        trusted.standing(certificate) == "good" and _bears(certificate, host)
    )


def _bears(certificate: bytes, host: str) -> bool:
    """RFC 6125 § 6.4: the host, whole, among the alternative names. A star stands for nobody."""
    try:
        names = (
            x509.load_der_x509_certificate(certificate)
            .extensions.get_extension_for_class(x509.SubjectAlternativeName)
            .value
        )
    except (x509.ExtensionNotFound, ValueError):
        return False
    try:
        return ipaddress.ip_address(host) in names.get_values_for_type(x509.IPAddress)
    except ValueError:
        pass
    known = {name.lower().rstrip(".") for name in names.get_values_for_type(x509.DNSName)}
    return host.lower().rstrip(".") in known
