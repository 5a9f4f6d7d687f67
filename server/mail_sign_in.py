"""How a mail client signs in, at whichever door: by the password of the account, by that of one device, or by a bearer
token; and whether that still holds.

    sign_in_by_mail     address and password: of the account (while `mail_main_password` allows it) or of a device
    MailTokens.sign_in  a token of ours, or of Pro Santé Connect (mssante.md § 5.1)
    mail_still_good     asked again every few seconds by every open session

Promises: a wrong address, a wrong password and somebody who has no mail client here get the same words in the same
time; what failed is counted (`server.brakes`), and noted for the person it was aimed at. A token of Pro Santé Connect
is asked about at each sign-in and never kept: what it opened lasts `mail_session_hours`, and ends as everything else.
Only professionals and teams have mail clients: a service has its API.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from server import audit, brakes, mail_passwords, oidc_claims, people
from server.audit import Act
from server.drafts import Actor
from server.errors import Unauthorised, Unavailable
from server.oidc_claims import Professional
from server.oidc_provider import Remote
from server.oidc_tokens import NotVerified
from server.sessions import SEEN_EVERY_MS, TOKEN_DAYS, secret_hash
from server.settings import PLACE
from storage import accounts, audit_rows, credentials, teams
from storage.accounts import Account
from storage.credentials import Credential
from storage.database import Tx
from storage.ids import new_id, now_ms

if TYPE_CHECKING:
    from server.app import App
    from server.handles import MailboxHandle

KINDS = frozenset({"professional", "team"})
RELAY = "relay"  # ground of a refusal
PASSWORD, TOKEN = "mail", "mail_token"  # kinds of credentials; a token of ours stands for itself (bearer)
WRONG_TOKENS, WINDOW_MS = 60, 600_000  # one that ran out is wrong too: a whole hospital stands behind one source
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class MailSignIn:
    """A mail client that proved who it is. `hash`: of the credential that stands for it. `mailbox_id`: the box that it
    opens: one's own, or, by a token, that of a team one works in.
    """

    actor: Actor
    hash: str
    mailbox_id: str


def bad_credentials(app: App) -> Unauthorised:
    return Unauthorised("bad_credentials", wrong(app)[0])


def wrong(app: App) -> tuple[str, str]:
    """What everybody hears whom nothing let in, in French and English, ASCII: the same whatever was wrong."""
    if app.settings.mail_main_password == "allowed":  # noqa: S105 - a setting
        return "Adresse ou mot de passe incorrect", "Wrong address or password"
    return (
        "Adresse ou mot de passe incorrect ; il faut un mot de passe d'appareil, a creer dans Mon compte",
        "Wrong address or password; a device password is needed, made in My account",
    )


# ---- by password -----------------------------------------------------------------------------------------------------


async def sign_in_by_mail(app: App, address: str, password: str, source: str, door: str = "imap") -> MailSignIn:
    """`source`: where from. `door`: imap, smtp. Raises `Unauthorised`, `Throttled`."""
    address, source = address.strip().lower(), brakes.network(source)
    who = f"mail:{address}"
    device = mail_passwords.hashed(app, password)

    def find(tx: Tx) -> tuple[Account | None, bool]:
        account = accounts.by_address(tx, address)
        by_device = mail_passwords.found(tx, device, account) is not None
        # Nobody guesses a device's password: however many tries failed elsewhere, it still opens.
        brakes.check(app, tx, who, source, recovering=by_device)
        return account, by_device

    account, by_device = await app.db.read(find)
    good = by_device
    if not good and app.settings.mail_main_password == "allowed":  # noqa: S105 - a setting
        good = await app.passwords.verify(password, account.password if account else "")

    def settle(tx: Tx) -> MailSignIn | None:
        brakes.check(app, tx, who, source, recovering=by_device)  # again: guesses made at once count one by one
        one = mail_passwords.found(tx, device, account) if by_device else None
        if account is None or account.kind not in KINDS or not good or (by_device and one is None):
            brakes.failed(app, tx, who, source)
            _refused(app, tx, account, "mail")
            return None
        brakes.succeeded(app, tx, who, source)
        actor = people.actor_in(app, tx, account)
        audit.record(tx, Act.SIGNED_IN, actor, "", mail_passwords.KIND if one else "password")
        if one is None:
            return MailSignIn(actor, _of_password(tx, account), account.mailbox_id)
        mail_passwords.used(tx, one, door)
        return MailSignIn(actor, one.hash, account.mailbox_id)

    signed_in = await app.db.write(settle)
    if signed_in is None:
        raise bad_credentials(app)
    return signed_in


def _of_password(tx: Tx, account: Account) -> str:
    """The credential of this password, shared by every connection of a mail client; one that ended is never good
    again.
    """
    proof = secret_hash(account.password)
    known = next((one for one in credentials.of_account(tx, account.id, PASSWORD, 0) if one.how == proof), None)
    if known is not None:
        _seen(tx, known)
        return known.hash
    hashed = secret_hash(new_id())
    credentials.insert(tx, hashed, PASSWORD, account.id, now_ms() + TOKEN_DAYS * DAY_MS, proof)
    return hashed


def _seen(tx: Tx, one: Credential) -> None:
    if one.seen_at < now_ms() - SEEN_EVERY_MS:
        credentials.seen(tx, one.hash)


def _refused(app: App, tx: Tx, account: Account | None, ground: str) -> None:
    """For the person it was aimed at, in their own space; of nobody, nothing."""
    if account is not None:
        actor = people.actor_in(app, tx, account)
        audit.record(tx, Act.SIGN_IN_REFUSED, actor, account.space_id, ground, outcome="refused")


# ---- by token --------------------------------------------------------------------------------------------------------


class MailTokens:
    """Sign-ins by bearer token (RFC 6750), at one door."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._remote = Remote(app.settings, "psc") if app.settings.psc_issuer else None

    async def sign_in(self, address: str, token: str, source: str) -> MailSignIn:
        """`address`: the box to open, '' for one's own. Raises `Unauthorised`, `Throttled`; `Unavailable` when the
        provider does not answer.
        """
        app, address, source = self._app, address.strip().lower(), brakes.network(source)

        def ours(tx: Tx) -> str:
            brakes.not_too_often(app, tx, "mail-token", source, WRONG_TOKENS)
            found = credentials.in_force(tx, secret_hash(token), "bearer", 0)
            return found.account_id if found else ""

        account_id = await app.db.read(ours)
        vouched = None if account_id else await self._vouched(token)
        hashed = secret_hash(token) if account_id else app.vault.lookup("mail-token", token)

        def settle(tx: Tx) -> MailSignIn | None:
            named = accounts.by_id(tx, account_id) if account_id else None
            mine = [named] if named else accounts.professionals(tx, *vouched.written) if vouched else []
            opened = _box(tx, [one for one in mine if one.kind in KINDS], address)
            if opened is None or not _stands(app, tx, hashed, opened[0], ours=bool(account_id)):
                brakes.often(app, tx, "mail-token", source, WRONG_TOKENS, WINDOW_MS)
                _refused(app, tx, mine[0] if mine else None, "mail")
                return None
            actor = people.actor_in(app, tx, opened[0])
            audit.record(tx, Act.SIGNED_IN, actor, "", "token" if account_id else "psc")
            return MailSignIn(actor, hashed, opened[1])

        signed_in = await app.db.write(settle)
        if signed_in is None:
            raise bad_credentials(app)
        return signed_in

    async def _vouched(self, token: str) -> Professional | None:
        """Who Pro Santé Connect says gave this token, to mail software that we know. Raises `Unavailable`."""
        if self._remote is None:
            return None
        try:
            claims = await self._remote.told_of(token, _clients(self._app))
        except NotVerified:
            return None
        except Unauthorised as error:
            raise Unavailable from error
        return oidc_claims.professional(claims)


def _clients(app: App) -> frozenset[str]:
    """The names at Pro Santé Connect of the software whose tokens are taken: ours, and those of the setting."""
    more = (name.strip() for name in app.settings.psc_mail_clients.split(","))
    return frozenset({app.settings.psc_client_id, *more} - {""})


def _box(tx: Tx, mine: list[Account], address: str) -> tuple[Account, str] | None:
    """Who opens which box under that address: their own, or that of a team they work in (mssante.md § 5.1)."""
    own = next((one for one in mine if address in {"", one.address}), None)
    if own is not None:
        return own, own.mailbox_id
    team = accounts.by_address(tx, address) if mine else None
    if team is None or team.kind != "team":
        return None
    return next(((one, team.mailbox_id) for one in mine if teams.role(tx, team.id, one.id)), None)


def _stands(app: App, tx: Tx, hashed: str, account: Account, *, ours: bool) -> bool:
    """What the token opened is in force: one whose session was ended here opens none again."""
    kind = "bearer" if ours else TOKEN
    if not ours:
        until = now_ms() + app.settings.mail_session_hours * 3_600_000
        credentials.insert_once(tx, hashed, kind, account.id, until, "psc")
    known = credentials.in_force(tx, hashed, kind, 0)
    if known is None or known.account_id != account.id:
        return False
    _seen(tx, known)
    return True


# ---- whether it still holds ------------------------------------------------------------------------------------------


def mail_still_good(tx: Tx, hashed: str, box: MailboxHandle | None = None) -> bool:
    """Whether a mail client may go on: its credential was not ended, its account neither, the password is the one it
    gave; and whoever opened the `box` of a team still works there.
    """
    found = credentials.of_hash(tx, hashed)
    account = accounts.by_id(tx, found.account_id) if found else None
    if found is None or account is None or (found.kind == PASSWORD and found.how != secret_hash(account.password)):
        return False
    if box is None or box.owner == account.id:
        return True
    return accounts.in_force(tx, box.owner) and teams.role(tx, box.owner, account.id) is not None


async def relayed(app: App, address: str, maker: str) -> None:
    """A program that reads by its maker's servers gave this address, and was refused: its owner may wonder why."""

    def note(tx: Tx) -> None:
        account = accounts.by_address(tx, address)
        if account is not None and account.kind in KINDS:
            actor, act = people.actor_in(app, tx, account), Act.SIGN_IN_REFUSED
            audit.record_once(tx, act, actor, account.space_id, RELAY, maker, "refused", why=RELAY, within_ms=DAY_MS)

    await app.db.write(note)


async def relays_seen(app: App, actor: Actor, days: int = 30) -> list[tuple[int, str]]:
    """(instant in ms, maker) of those that were refused lately, newest first, once a maker."""
    act, since = Act.SIGN_IN_REFUSED.value[0], now_ms() - days * DAY_MS

    def find(tx: Tx) -> list[tuple[int, str]]:
        rows = [row for row in audit_rows.of_space(tx, actor.space_id, [act], since=since) if row.ground == RELAY]
        last = {row.object: row.at for row in reversed(rows)}
        return sorted(((at, maker) for maker, at in last.items()), reverse=True)

    return await app.db.read(find)


async def refusals(app: App, actor: Actor, days: int = 30) -> list[tuple[int, int]]:
    """The sign-ins by mail that were refused to whoever tried this person's address: (instant of the last one in ms,
    how many) of each of the last days, newest first.
    """
    act, since = Act.SIGN_IN_REFUSED.value[0], now_ms() - days * DAY_MS

    def count(tx: Tx) -> list[tuple[int, int]]:
        rows = [row for row in audit_rows.of_space(tx, actor.space_id, [act], since=since) if row.ground == "mail"]
        by_day: dict[date, tuple[int, int]] = {}
        for row in rows:  # newest first
            day = datetime.fromtimestamp(row.at / 1000, PLACE).date()
            last, many = by_day.get(day, (row.at, 0))
            by_day[day] = (last, many + 1)
        return list(by_day.values())

    return await app.db.read(count)
