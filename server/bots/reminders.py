"""The reminder bot: reads the rules, and writes once to whoever is concerned and has not answered.

`due` is pure: rules, person, what is known, today → what to say. A reminder is posted once a rule (the retry key and
the record « sent » are in the same transaction); « dans un mois » comes back as a delivery of channel `reminder`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server import access, people, posting
from server.actions import reminders as answers
from server.bots import hearing
from server.delivery import Parcel
from server.drafts import Actor, Draft, Opening
from server.errors import Refused
from storage import accounts
from storage import reminders as rows
from storage.database import Tx

if TYPE_CHECKING:
    from server.app import App
    from server.handles import SpaceHandle

ADDRESS = "rappels"  # local part of the bot's address
NAME = "Rappels de prévention"
SUBJECT = "Vos rappels de prévention"


@lru_cache
def rules() -> dict[str, dict[str, Any]]:
    """The rules of the data file by id, with its version and source."""
    data = json.loads((Path(__file__).parent / "data" / "vaccines.json").read_text())
    return {rule["id"]: {**rule, "version": data["version"], "source": data["source"]} for rule in data["rules"]}


def age(birth: date, today: date) -> int:
    """Whole years."""
    return today.year - birth.year - ((today.month, today.day) < (birth.month, birth.day))


def due(known: Mapping[str, str], birth: date, sex: str, today: date) -> list[dict[str, Any]]:
    """The rules to speak of: active, in force, concerning this person, and never spoken of (`known`: rule → newest
    state).
    """
    found = []
    for name, rule in rules().items():
        who = rule["population"]
        if not rule["active"] or date.fromisoformat(rule["valid_from"]) > today or known.get(name):
            continue
        if not who.get("min_age", 0) <= age(birth, today) <= who.get("max_age", 150) or sex not in who.get("sex", "FM"):
            continue
        found.append(rule)
    return found


def card(rule: dict[str, Any]) -> dict[str, Any]:
    """The card of a rule."""
    return {
        "type": "reminder",
        "rule": rule["id"],
        "version": rule["version"],
        "source": rule["source"],
        **{name: rule[name] for name in ("title", "text", "title_en", "text_en")},
    }


async def bot(app: App) -> Actor:
    """The bot's account, made at first need."""
    address = f"{ADDRESS}@{app.settings.mail_domain}"
    return await people.hosted(app, address) or await people.add_writer(
        app, "bot", NAME, address, role="Service de Pli", organisation="Pli", organisation_id=hearing.PLI
    )


async def remind(app: App, space_id: str, today: date | None = None) -> int:
    """Write to the holder of a space what is due; returns how many reminders were posted."""
    writer = await bot(app)
    space = await access.space_to_write(app, writer, space_id)

    def look(tx: Tx) -> list[dict[str, Any]]:
        traits = people.traits(app, tx, space_id)
        if traits is None:
            return []
        known = {name: rows.state(tx, space_id, answers.rule_hash(app, space_id, name)) for name in rules()}
        return due(known, date.fromisoformat(traits.birth_date), traits.sex, today or datetime.now(UTC).date())

    found = await app.db.read(look)
    for rule in found:
        await _write(app, writer, space, rule, f"reminder:{rule['id']}:{rule['version']}")
    return len(found)


async def remind_everybody(app: App) -> int:
    """One round over all holders."""
    posted = 0
    for holder in await app.db.read(accounts.holders):
        try:
            posted += await remind(app, holder.space_id)
        except Refused:
            continue
    return posted


async def _write(app: App, writer: Actor, space: SpaceHandle, rule: dict[str, Any], retry_key: str) -> None:
    talk = await access.common_conversation(app, writer, space)
    shown = card(rule)

    def sent(doing: posting.Doing) -> None:
        answers.record(doing, shown, "sent", {})

    draft = Draft(
        to=talk or Opening(space, SUBJECT),
        kind="card",
        text=shown["text"],
        subject=SUBJECT,
        card=shown,
        retry_key=retry_key,
        effect=sent,
    )
    await posting.post(app, writer, draft)


class ReminderChannel:
    """What was put off comes back, unless it was answered otherwise meanwhile."""

    name = "reminder"

    def __init__(self, app: App) -> None:
        self._app = app

    async def send(self, parcel: Parcel) -> None:
        app, space_id = self._app, parcel.delivery.space_id
        rule = rules().get(str(parcel.target.get("rule")))
        state = await app.db.read(
            rows.state, space_id, answers.rule_hash(app, space_id, str(parcel.target.get("rule")))
        )
        if rule is None or state != "later":
            return
        writer = await bot(app)
        await _write(
            app,
            writer,
            await access.space_to_write(app, writer, space_id),
            rule,
            f"reminder-again:{parcel.delivery.id}",
        )
