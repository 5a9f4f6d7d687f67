"""Campaigns: what the operator has said to a part of the population: gathered, paced, paused, counted.

    draft → gathering → running ⇄ paused → ended, stopped        each change a record with its author
    Runner: takes a campaign, alone → gathers spaces by the hundred → writes to those that wait, at its pace

Promises: each space is written to once or spared with the reason, in the transaction of its message: a crash forgets
nobody and doubles nothing; `sent + spared + waiting` is what was gathered, at any instant. Once a pause is committed
nothing more leaves. Nobody is written to outside the hours where they live, nor a child before its parents; who stopped
reminders, blocked the bot or closed their space is spared, and of a rule who is not due. An operator sees numbers, no
person.

A campaign's facts are in clear: they are about nobody. So it aims at ages and sexes alone, also when
it is a rule's; who of them the rule concerns is decided when they are written to, and of who is spared only « not due »
is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from server import audit
from server.audit import Act
from server.drafts import Actor
from server.errors import Conflict, Invalid, NotAllowed, Refused
from server.prevention import known, rounds
from server.prevention.rules import Group, Rules, Season, spans_read
from server.prevention.spans import plus
from server.settings import PLACE
from storage import campaigns as rows
from storage.campaigns import Campaign, Change
from storage.database import Tx
from storage.ids import new_id

if TYPE_CHECKING:
    from server.app import App

MAX_FILE: Final = 100_000  # octets
_Line = Annotated[str, Meta(max_length=200)]
_Text = Annotated[str, Meta(max_length=4000)]
# what is done → from which states
MOVES: Final = {
    "start": ("draft",),
    "pause": ("gathering", "running"),
    "resume": ("paused",),
    "stop": ("draft", "gathering", "running", "paused"),
}


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a campaign is. `rule`: of the rules, whose card is sent to whom it is due; or words: `title` and `text`, in
    English and in easy French too. `population`: any of the groups, by age and sex; the rule's own if empty. `starts`,
    `ends`: both included. `per_second`, `per_minute`: the pace, the slower one counts. `hours`: as `reminder_hours`.
    `season`: of the rule, which these dates open and close instead of those published.
    """

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    rule: _Line = ""
    title: _Line = ""
    text: _Text = ""
    title_en: _Line = ""
    text_en: _Text = ""
    text_falc: _Text = ""
    population: tuple[Group, ...] = ()
    starts: date | None = None
    ends: date | None = None
    per_second: Annotated[int, Meta(ge=1, le=5_000)] | None = None
    per_minute: Annotated[int, Meta(ge=1, le=300_000)] | None = None
    hours: _Line = ""
    any_day: bool = False
    season: _Line = ""

    @property
    def rate(self) -> float:
        """Messages a second."""
        paces = [float(self.per_second)] if self.per_second else []
        paces += [self.per_minute / 60] if self.per_minute else []
        return min(paces, default=10.0)


@dataclass(frozen=True, slots=True)
class Counts:
    """`spared`: why → how many."""

    waiting: int
    sent: int
    spared: dict[str, int]

    @property
    def gathered(self) -> int:
        return self.waiting + self.sent + sum(self.spared.values())


@dataclass(frozen=True, slots=True)
class Shown:
    """A campaign as an operator sees it. `moves`: what may be done with it now."""

    campaign: Campaign
    plan: Plan
    counts: Counts
    changes: tuple[Change, ...]

    @property
    def moves(self) -> tuple[str, ...]:
        return tuple(move for move, states in MOVES.items() if self.campaign.state in states)


# ---- the file ----


def read(data: bytes) -> Plan:
    """A campaign of a file or a request. Raises `Invalid`, saying what is wrong."""
    if len(data) > MAX_FILE:
        raise Invalid("campaign_too_long", "La campagne est trop longue.")
    try:
        return checked(msgspec.json.decode(data, type=Plan, dec_hook=spans_read))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Invalid("bad_campaign", f"La campagne ne se lit pas : {str(error)[:200]}") from error


def written(plan: Plan) -> str:
    """As it is kept."""
    return msgspec.json.encode(plan, enc_hook=str).decode()


def checked(plan: Plan, rules: Rules | None = None) -> Plan:
    """Raises `Invalid`."""
    if bool(plan.rule) == bool(plan.title and plan.text):
        raise Invalid("bad_campaign", "Une campagne a une règle, ou un titre et un texte.")
    if not plan.rule and not (plan.title_en and plan.text_en and plan.text_falc):
        raise Invalid("bad_campaign", "Un texte se dit aussi en anglais (title_en, text_en) et en facile (text_falc).")
    if any(group.situations or group.excluding for group in plan.population):
        raise Invalid("bad_campaign", "Une campagne vise des âges et un sexe, jamais une situation de santé.")
    if plan.starts and plan.ends and plan.ends < plan.starts:
        raise Invalid("bad_campaign", "La campagne finit avant de commencer.")
    if plan.season and not (plan.rule and plan.starts and plan.ends):
        raise Invalid("bad_campaign", "Une saison a une règle et deux dates.")
    if not plan.rule and not plan.population:
        raise Invalid("bad_campaign", "Une campagne de texte dit à qui elle s’adresse (population).")
    try:
        rounds.hours(plan.hours or "10-18")
    except ValueError as error:
        raise Invalid("bad_campaign", "Les heures s’écrivent 10-18.") from error
    return plan


# ---- what the operator does ----


def operating(actor: Actor) -> Actor:
    """Only an operator's account sees campaigns. Raises `Refused`."""
    if actor.kind != "operator":
        raise Refused
    return actor


async def add(app: App, plan: Plan, by: str) -> str:
    """A draft; its id. Raises `Invalid`."""
    if plan.rule and plan.rule not in known.rules_of(app).by_id:
        raise Invalid("bad_campaign", f"La règle « {plan.rule} » n’existe pas.")
    if plan.rule and not by_age(known.rules_of(app), plan.rule):
        raise Invalid(
            "bad_campaign", f"La règle « {plan.rule} » tient à une situation de santé : elle ne fait pas de campagne."
        )
    campaign_id = new_id()

    def insert(tx: Tx) -> None:
        rows.insert(tx, campaign_id, written(plan), by)
        _audited(tx, campaign_id, by, "draft")

    await app.db.write(insert)
    return campaign_id


async def move(app: App, campaign_id: str, what: str, by: str) -> None:
    """Start, pause, resume or stop. Raises `Refused`, `Conflict`: it is not in a state for that."""

    def change(tx: Tx) -> None:
        campaign = rows.find(tx, campaign_id)
        if campaign is None or what not in MOVES:
            raise Refused
        state = _next(tx, campaign, what)
        if not rows.change(tx, campaign, state, by):
            raise Conflict("campaign_changed", "Cette campagne vient de changer. Regardez-la de nouveau.")
        _audited(tx, campaign_id, by, state)

    await app.db.write(change)


def _next(tx: Tx, campaign: Campaign, what: str) -> str:
    if campaign.state not in MOVES[what]:
        raise Conflict("campaign_state", "Cette campagne n’est pas dans un état qui le permet.")
    if what == "resume":
        return "running" if any(one.state == "running" for one in rows.changes(tx, campaign.id)) else "gathering"
    return {"start": "gathering", "pause": "paused", "stop": "stopped"}[what]


def _audited(tx: Tx, campaign_id: str, by: str, state: str) -> None:
    audit.record(tx, Act.CAMPAIGN_CHANGED, Actor(by, "operator", ""), "", "operator", campaign_id, state)


async def every(app: App) -> list[Shown]:
    """All campaigns, the last changed first."""
    return await app.db.read(lambda tx: [_shown(tx, one) for one in rows.every(tx)])


async def one(app: App, campaign_id: str) -> Shown:
    """Raises `Refused`."""

    def find(tx: Tx) -> Shown:
        campaign = rows.find(tx, campaign_id)
        if campaign is None:
            raise Refused
        return _shown(tx, campaign)

    return await app.db.read(find)


def _shown(tx: Tx, campaign: Campaign) -> Shown:
    return Shown(campaign, plan_of(campaign), counts(tx, campaign.id), tuple(rows.changes(tx, campaign.id)))


def plan_of(campaign: Campaign) -> Plan:
    return msgspec.json.decode(campaign.facts, type=Plan, dec_hook=spans_read)


def counts(tx: Tx, campaign_id: str) -> Counts:
    found = rows.counts(tx, campaign_id)
    spared = {why: count for (state, why), count in sorted(found.items()) if state == "spared"}
    return Counts(found.get(("waiting", ""), 0), found.get(("sent", ""), 0), spared)


# ---- for whom, and when ----


def concerns(groups: tuple[Group, ...], birth: date, sex: str, today: date) -> bool:
    """Whether somebody may be of one of these groups: by age and sex, whatever their situation."""
    return any(_may_be(group, birth, sex, today) for group in groups)


def _may_be(group: Group, birth: date, sex: str, today: date) -> bool:
    if group.sex and group.sex != sex:
        return False
    if (group.born_from and birth < group.born_from) or (group.born_before and birth >= group.born_before):
        return False
    old_enough = group.from_ is None or plus(birth, group.from_) <= today
    return old_enough and (group.before is None or today < plus(birth, group.before))


def groups(app: App, plan: Plan) -> tuple[tuple[Group, ...], ...]:
    """Whom it is for: of each, one group at least. Of a rule, those alone whom it concerns by age and sex: that
    somebody was written to is in clear, and must not tell of a pregnancy or an illness.
    """
    own = (plan.population,) if plan.population else ()
    return (*own, by_age(known.rules_of(app), plan.rule)) if plan.rule else own


def by_age(rules: Rules, rule: str) -> tuple[Group, ...]:
    """The groups of a rule that ask for no situation; of a rule that is no more, none."""
    found = rules.by_id.get(rule)
    return tuple(one for one in found.population if not one.situations) if found and not found.window else ()


def rules_for(app: App, plan: Plan) -> Rules:
    """For a campaign of a rule: the rules, that one in force, its season opened by the campaign's own dates."""
    season = plan.season if plan.starts and plan.ends else ""
    return _rules_for(known.rules_of(app), plan.rule, season, plan.starts or date.min, plan.ends or date.max)


@lru_cache(maxsize=32)
def _rules_for(rules: Rules, rule: str, season: str, starts: date, ends: date) -> Rules:
    if not season:
        return rules.switched({rule: True})
    ours = Season(season, starts, ends, starts, verified=True, sources=("operator",))
    others = [one for one in rules.seasons if one.season != season or one.closes < starts or one.opens > ends]
    return rules.with_seasons((*others, ours)).switched({rule: True})


def today() -> date:
    return datetime.now(PLACE).date()


def over(plan: Plan, day: date) -> bool:
    return plan.ends is not None and day > plan.ends


def begun(plan: Plan, day: date) -> bool:
    return plan.starts is None or day >= plan.starts


Check = Callable[[Tx], None]


def still_running(campaign_id: str) -> Check:
    """For the transaction of a message: raises `NotAllowed` when the campaign was paused or stopped."""

    def check(tx: Tx) -> None:
        if not rows.is_running(tx, campaign_id):
            raise NotAllowed("campaign_paused", "La campagne est en pause.")

    return check
