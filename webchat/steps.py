"""What a step of signing in shows: which form, which second factor first, the picture to scan.

Does not: read a request, or change anything.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from markupsafe import Markup

from server import factors, gateways, people
from server.contacts import Contact
from server.sign_in import FACTORS, Step

if TYPE_CHECKING:
    from server.app import App

STRENGTHS = ("weak", "fair", "strong")


@dataclass(frozen=True, slots=True)
class Shown:
    """`name`: the form. `kind`: the second factor it asks for, `others`: those one may choose instead. `sent`: whether
    a code is on its way. `phones`, `emails`: masked. `key`, `qr`: of an app that is being set up.
    """

    name: str
    kind: str = ""
    others: tuple[str, ...] = ()
    sent: bool = False
    phones: tuple[Contact, ...] = ()
    emails: tuple[Contact, ...] = ()
    told: bool = False
    by_link: bool = False
    by_sms: bool = False
    by_passkey: bool = False
    may_recover: bool = False
    strength: str = ""
    key: str = ""
    qr: Markup | None = None


async def shown(app: App, step: Step, chosen: str = "") -> Shown:
    """The form of a step. `chosen`: the second factor somebody would rather give."""
    way = step.way
    base = Shown(
        name_of(step),
        sent=bool(way.sent),
        phones=step.phones,
        emails=step.emails,
        told=bool({"password", "link"} & set(way.given)),
        by_link="link" in way.given,
        by_sms=gateways.sends_sms(app),
        may_recover=way.goal == "enter",
        strength=way.strength,
    )
    if base.name == "factor":
        return _factor(base, step, chosen)
    if base.name == "app":
        return await _app(app, base, step)
    return base


def name_of(step: Step) -> str:
    """recover, password_now, email, factor, login, new_password, enrol, app or phone."""
    way = step.way
    missing = {kind: name for name, kinds in _ASKS.items() for kind in kinds}
    if way.missing:
        return missing[way.missing[0]]
    if way.goal in {"recover", "password"}:
        return {"recover": "recover", "password": "new_password"}[way.goal]
    if way.goal == "begin" and not way.identifier:
        return "login"
    return "app" if way.app else "phone" if way.phone else "enrol"


_ASKS = {"password_now": ("password",), "email": ("email",), "factor": FACTORS, "recover": ("link",)}


def _factor(base: Shown, step: Step, chosen: str) -> Shown:
    ways = tuple(one for one in step.ways if one in FACTORS)
    kind = chosen if chosen in ways else step.way.sent if step.way.sent in ways else next(iter(ways), "")
    others = tuple(one for one in ways if one != kind)
    return replace(base, kind=kind, others=others, sent=step.way.sent == kind, by_passkey="passkey" in step.ways)


async def _app(app: App, base: Shown, step: Step) -> Shown:
    key = await factors.app_secret(app, step.account_id, step.way.app)
    actor = await people.actor(app, step.account_id)
    picture = Markup(factors.qr(factors.app_uri(key, actor.name)))  # noqa: S704 - drawn by us from our own words
    spaced = " ".join(key[start : start + 4] for start in range(0, len(key), 4))
    return replace(base, key=spaced, qr=picture)
