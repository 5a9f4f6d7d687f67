"""What slows down whoever guesses: counts of what failed, in the database, so shared by every process and door.

    pair       one account from one source (or one remembered device)   10 in ten minutes
    source     one source, whomever it asks for                          30 in ten minutes
    everybody  the whole house: above it, who is not known gets 3 tries  3,000 in ten minutes
    account    one account, without a success between (NIST 800-63B)     100, then recovery only
    factor     its second factor, once the password was right            100, then recovery only

Promises: nobody can lock somebody else out. A remembered device, and a source where this account came in before, are
held by their own pair alone: what strangers do elsewhere does not touch them. A success from anywhere else is only
refused once a hundred tries failed, and then recovery remains. An identifier that nobody has is counted like one that
somebody has. Each limit is looked at again in the transaction that counts: guesses made at once gain nothing.

Names are kept as keyed hashes: neither an address nor a source stands in the table.
"""

from __future__ import annotations

import ipaddress
from functools import cache
from typing import TYPE_CHECKING

import structlog

from server.errors import Throttled
from storage import brakes
from storage.database import Tx
from storage.ids import now_ms

if TYPE_CHECKING:
    from aiohttp import web

    from server.app import App

log = structlog.get_logger()

DAY_MS = 86_400_000
WINDOW_MS = 600_000
PAIR, SOURCE, EVERYBODY = 10, 30, 3_000
PAIR_UNDER_ATTACK = 3
CONSECUTIVE = 100
CONSECUTIVE_MS = 365 * DAY_MS  # the run of failures ends with a success; it is forgotten after a year without one
KNOWN_MS = 90 * DAY_MS


def check(app: App, tx: Tx, who: str, source: str, device: str = "", *, recovering: bool = False) -> None:
    """May `who` (an opaque name of an account or identifier) try from there? `device`: the id of a remembered one.
    `recovering`: this is the recovery that remains. Raises `Throttled`, in the end with the code `recovery_only`.
    """

    def failed(*name: str) -> int:
        return brakes.failures(tx, _hash(app, *name))

    if failed("pair", who, device or source) >= PAIR:
        raise Throttled
    if device or _known(app, tx, who, source):
        return
    if failed("source", source) >= SOURCE:
        raise Throttled
    if failed("everybody") >= EVERYBODY and failed("pair", who, source) >= PAIR_UNDER_ATTACK:
        raise Throttled
    if not recovering and failed("account", who) >= CONSECUTIVE:
        raise recovery_only()


def check_factor(app: App, tx: Tx, who: str) -> None:
    """May a second factor of `who` be tried? Whoever does gave the password: no stranger gets here. Raises
    `Throttled` (`recovery_only`).
    """
    if factor_failures(app, tx, who) >= CONSECUTIVE:
        raise recovery_only()


def factor_failures(app: App, tx: Tx, who: str) -> int:
    """How often a second factor was wrong after the right password, without a success between."""
    return brakes.failures(tx, _hash(app, "factor", who))


def failed(app: App, tx: Tx, who: str, source: str, device: str = "", *, factor: bool = False) -> None:
    """It was wrong."""
    brakes.count(tx, _hash(app, "pair", who, device or source), WINDOW_MS)
    brakes.count(tx, _hash(app, "source", source), WINDOW_MS)
    brakes.count(tx, _hash(app, "everybody"), WINDOW_MS)
    brakes.count(tx, _hash(app, "account", who), CONSECUTIVE_MS, renewed=True)
    if factor:
        brakes.count(tx, _hash(app, "factor", who), CONSECUTIVE_MS, renewed=True)


def succeeded(app: App, tx: Tx, who: str, source: str, device: str = "") -> int:
    """Everything asked for was right: how often it failed since the last time. The source is known from now on."""
    since = brakes.failures(tx, _hash(app, "account", who))
    if since:
        for name in (("pair", who, device or source), ("account", who), ("factor", who)):
            brakes.forget(tx, _hash(app, *name))
    known = _hash(app, "known", who, source)
    if brakes.known_until(tx, known) < now_ms() + KNOWN_MS - DAY_MS:
        brakes.note(tx, known, KNOWN_MS)
    return since


def often(app: App, tx: Tx, what: str, who: str, most: int, window_ms: int) -> None:
    """Something that may be done `most` times in a window (a code that is sent), counted. Raises `Throttled`."""
    not_too_often(app, tx, what, who, most)
    brakes.count(tx, _hash(app, what, who), window_ms)


def not_too_often(app: App, tx: Tx, what: str, who: str, most: int) -> None:
    """As `often`, before it is known whether this one counts. Raises `Throttled`."""
    if brakes.failures(tx, _hash(app, what, who)) >= most:
        raise Throttled


def recovery_only() -> Throttled:
    """A hundred tries failed: only recovery is left, but where this account came in before."""
    return Throttled(
        "recovery_only",
        "Trop d’essais ont échoué. Utilisez « J’ai perdu mon mot de passe ou mon téléphone » pour entrer.",
    )


def source_of(app: App, request: web.Request) -> str:
    """Where a request comes from: the caller, or whom our own reverse proxies name (the last one that is none of
    them: what stands before it, anybody may have written). IPv6: the network, of which one person has every address.
    """
    ours = [ipaddress.ip_network(each.strip()) for each in app.settings.proxies.split(",") if each.strip()]
    named = [part.strip() for line in request.headers.getall("X-Forwarded-For", []) for part in line.split(",")]
    try:
        caller = ipaddress.ip_address((request.remote or "").partition("%")[0])
        if named and not any(caller in network for network in ours if network.version == caller.version):
            _warn_of_proxy()  # behind it, everybody would be one source
        while named and any(caller in network for network in ours if network.version == caller.version):
            caller = ipaddress.ip_address(named.pop())
    except ValueError:
        return "unknown"
    return _network(caller)


def network(address: str) -> str:
    """The source that a peer of a mail door is, as in `source_of`."""
    try:
        return _network(ipaddress.ip_address(address.partition("%")[0]))
    except ValueError:
        return address


def _network(caller: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    if isinstance(caller, ipaddress.IPv6Address) and caller.ipv4_mapped is None:
        return str(ipaddress.ip_network((caller, 64), strict=False))
    return str(caller)


@cache
def _warn_of_proxy() -> None:
    log.warning("sign-in.unknown_proxy", setting="proxies")


def _known(app: App, tx: Tx, who: str, source: str) -> bool:
    return bool(brakes.known_until(tx, _hash(app, "known", who, source)))


def _hash(app: App, *name: str) -> str:
    return app.vault.lookup("brake", "|".join(name))
