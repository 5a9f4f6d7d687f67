"""Entry → HTML: the templates, and what they call. The server renders a message once, for the page and for the live
socket.

Promises: everything that came from elsewhere is escaped; text is cut into paragraphs, quotes and links in linear
time (`webchat.texts`); a web address becomes a link only when it says http or https.

Does not: read a database or a request. A `Desk` carries what a rendering needs to know of who looks.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2

from server.actions import catalogue
from server.agenda import recurrence
from server.settings import PLACE
from server.views import AuthorView, Entry, FileView, MessageView
from webchat.form_words import say_unit, short_form
from webchat.saying import say_date, say_quantity, say_range
from webchat.texts import folded
from webchat.words import Words, instant

FOLDER = Path(__file__).parent
DATES_SHOWN = 4  # of what repeats, on its card
_ANSWER = re.compile(r"^(?:\s*(?:re|tr|fwd|fw|rép|aw|sv)\s*:)+", re.IGNORECASE)
_TITLES = ("dr", "pr", "dr.", "pr.")
XML = frozenset({"text/xml", "application/xml", "application/hl7-cda+xml"})
IN_LINE = frozenset(
    {"application/pdf", "text/plain", "image/png", "image/jpeg", "image/gif", "image/webp"}
)  # what a browser may show itself


@dataclass(frozen=True, slots=True)
class Whose:
    """A space as it stands at the top of every page. `kind`: self, representative, helper. An office has no birth
    year.
    """

    mailbox_id: str
    name: str
    birth_year: str
    kind: str
    sex: str = ""
    unread: int = 0
    home: str = "/"

    @property
    def first_name(self) -> str:
        """As one would call them."""
        return self.name.split()[0] if self.name else ""


@dataclass(frozen=True)
class Desk:
    """Who looks, in which words, at whose mailbox. `base`: what every link of this mailbox begins with ('' for one's
    own).
    """

    words: Words
    base: str
    name: str
    kind: str
    space: Whose
    spaces: tuple[Whose, ...] = ()
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def acting(self) -> bool:
        """Whether this is somebody else's space."""
        return self.space.kind in {"representative", "helper"}

    @property
    def today(self) -> date:
        """The day on screen."""
        return self.now.astimezone(PLACE).date()


def preview(message: MessageView, most: int = 140) -> str:
    """A message in one line."""
    source = message.text or (str(message.card.get("title", "")) if message.card else "") or message.subject
    source = source or next((item.title or item.name for item in message.attachments), "")
    line = " ".join(" ".join(line for line in source[:2_000].splitlines() if not line.startswith(">")).split())
    return line if len(line) <= most else line[: most - 1].rsplit(" ", 1)[0] + "…"


def news(subject: str, known: str) -> bool:
    """Whether a letter's subject says more than the conversation's: an answer repeats it."""
    return bool(subject) and _ANSWER.sub("", subject).strip().casefold() != _ANSWER.sub("", known).strip().casefold()


def file_kind(item: FileView) -> str:
    """What a file is, for its icon and its word."""
    kind, name = item.type.partition(";")[0].strip().lower(), item.name.lower()
    if item.label or item.title or "hl7" in kind or "cda" in kind:
        return "document"
    if kind == "application/pdf" or name.endswith(".pdf"):
        return "pdf"
    if kind.startswith("image/"):
        return "image"
    if kind.startswith("audio/"):
        return "sound"
    if kind == "text/calendar":
        return "calendar"
    if "zip" in kind or name.endswith(".zip"):
        return "archive"
    return "text" if kind.startswith("text/") else "other"


def shows_in_line(item: FileView) -> bool:
    """Whether opening it shows it; else it is downloaded."""
    return item.type.partition(";")[0].strip().lower() in IN_LINE


def reads(item: FileView) -> bool:
    """Whether it is a health document that we can lay out for reading."""
    return bool(item.label) and item.type.partition(";")[0].strip().lower() in XML


def drawn(item: FileView) -> bool:
    """Whether it may have a small picture: a page or an image. It is asked for, and need not be there."""
    kind = item.type.partition(";")[0].strip().lower()
    return kind in {"application/pdf", "image/tiff"} or (kind in IN_LINE and kind.startswith("image/")) or reads(item)


def short_name(name: str) -> str:
    """`Dr MOREL` for `Dr Agathe MOREL`: how one speaks of a professional."""
    parts = name.split()
    return f"{parts[0]} {parts[-1]}" if len(parts) > 2 and parts[0].lower() in _TITLES else name


def role_of(words: Words, author: AuthorView) -> str:
    """Role and organisation in one line; the kind when nothing is said."""
    said = [part for part in (author.role, author.organisation) if part and part != author.name]
    kind = f"kind.{author.kind}"
    return " · ".join(said) if said else words(kind) if words.has(kind) else ""


def status(words: Words, message: MessageView, today: date) -> str:
    """The state of one's own message, in words."""
    return state_of(words, message.status, message.status_at, message.status_by, today)


def state_of(words: Words, state: str, at: str, by: str, today: date) -> str:
    """`Remis`, `Lu à 14 h 05`, `Répondu par Dr MOREL le 3 mai 2026 à 9 h 00`."""
    moment = instant(at)
    if state not in {"read", "answered"} or moment is None or (state == "answered" and not by):
        return words(f"status.{state}")
    same_day = moment.astimezone(PLACE).date() == today
    when = words.hour(moment) if same_day else words.moment(moment)
    key = f"status.{state}.{'by' if by else 'at'}{'.today' if same_day else ''}"
    return words(key, name=short_name(by), when=when)


def status_of_many(words: Words, message: MessageView, today: date) -> str:
    """The state of a message that went to several: how many of them read it, unless it was answered."""
    read = sum(recipient.state == "read" for recipient in message.recipients)
    if message.status != "read" or not read:
        return status(words, message, today)
    return words("status.read.many", count=read, all=len(message.recipients))


def joined(words: Words, names: list[str]) -> str:
    """`A, B et C`."""
    return f"{', '.join(names[:-1])} {words('thread.and')} {names[-1]}" if len(names) > 1 else "".join(names)


def reader_name(words: Words, name: str, roles: tuple[str, ...]) -> str:
    """Somebody who reads; of a team, who works there."""
    return (
        words("thread.team_of", name=name, roles=", ".join(role[:1].lower() + role[1:] for role in roles))
        if roles
        else name
    )


def usual(words: Words, days: int | None) -> str:
    """How soon somebody usually answers, roughly; '' when that is not known."""
    if days is None:
        return ""
    return words(f"usual.{days}") if days < 2 else words("usual.more") if days > 10 else words("usual.days", count=days)


def said_of(words: Words, message: MessageView) -> str:
    """`Nouveau message du Dr MOREL`: what is said aloud when it arrives; '' for one's own."""
    if message.mine:
        return ""
    if message.kind in {"answer", "line"} or not message.author.name:
        return preview(message)
    short = short_name(message.author.name)
    vowel = short[:1].casefold() in tuple("aeiouyéèêàâîôœh")
    form = "du" if short.split(" ")[0].lower() in _TITLES else "d" if vowel else "other"
    return words("thread.arrived", form=form, name=short)


def card_text(words: Words, card: dict[str, Any], name: str) -> str:
    """A text of a card in the reader's language, French when it has no other."""
    text = card.get(f"{name}_{words.choice}")
    return str(text or card.get(name) or "")


def card_facts(words: Words, card: dict[str, Any]) -> list[tuple[str, str]]:
    """What a card says besides its text: (label, value)."""
    facts = []
    start, end = instant(str(card.get("start") or "")), instant(str(card.get("end") or ""))
    if start is not None and card.get("type") != "moments":  # its moments are its buttons
        facts.append((words("card.start"), span(words, start, end, bool(card.get("all_day")))))
    for name in ("location", "organizer"):
        value = str(card.get(f"{name}_name") or card.get(name) or "").removeprefix("mailto:")
        if value:
            facts.append((words(f"card.{name}"), value))
    if card.get("repeats"):
        facts.append((words("card.repeats"), words("card.repeats.how")))
        facts += _dates(words, card)
    for one in card.get("clashes", ()):
        at = instant(one["start"])
        said = words("card.clash.at", title=one["title"], when=words.moment(at)) if at is not None else one["title"]
        facts.append((words("card.clash"), said))
    if card.get("claimed"):
        facts.append((words("card.claimed"), words("card.claimed.value", name=card["claimed"])))
    return facts


def _dates(words: Words, card: dict[str, Any]) -> list[tuple[str, str]]:
    """The next dates of a series, when they can be told."""
    now = datetime.now(UTC)
    found = recurrence.occurrences(card, now, now + timedelta(days=366), DATES_SHOWN + 1)
    if len(found) < 2:
        return []
    shown = ", ".join(words.date(one.begins.astimezone(PLACE).date()) for one in found[:DATES_SHOWN])
    return [(words("card.dates"), words("card.dates.more", dates=shown) if len(found) > DATES_SHOWN else shown)]


def says_more(message: MessageView) -> bool:
    """Whether a letter with a card has a text that the card does not repeat: nothing a professional wrote is hidden."""
    card = message.card or {}
    wrote, shown = ("".join(str(text).split()) for text in (message.text, f"{card.get('title')}{card.get('text')}"))
    return (
        card.get("type") in ("appointment", "cancellation", "confirmation", "consent_request", "kept", "publication")
        and wrote not in shown
    )


def span(words: Words, start: datetime, end: datetime | None, all_day: bool) -> str:
    """When an appointment is: `mardi 1 décembre 2026, 8 h 30 – 9 h 00`."""
    first = start.astimezone(PLACE).date()
    day = words.day(first)
    if all_day:
        last = (end or start).astimezone(PLACE).date() - timedelta(days=1)  # the end is the day after
        return words("card.days", first=day, last=words.day(last)) if last > first else day
    begins = words.hour(start).replace(" ", "\u00a0")
    if end is None or end <= start:
        return f"{day}, {begins}"
    last, ends = end.astimezone(PLACE).date(), words.hour(end).replace(" ", "\u00a0")
    return f"{day}, {begins} – {ends if last == first else f'{words.day(last)}, {ends}'}"


def scope(words: Words, name: str) -> str:
    """What a scope of the catalogue lets a service read."""
    known = catalogue.services()["scopes"].get(name, {})
    return str(known.get(words.language) or known.get("fr") or name)


def offered(card: dict[str, Any]) -> tuple[list[str], int]:
    """What a service asks to read, and for how many months: as the catalogue has it, whatever the card says."""
    known = catalogue.services()["services"].get(card.get("service"), {})
    return list(known.get("scopes", ())), int(known.get("months", 1))


def day_of(at: str) -> date:
    """The day of a message on screen."""
    moment = instant(at)
    return moment.astimezone(PLACE).date() if moment else date.min


def last_of(at: str) -> date:
    """The last day on which something holds that ends at that instant."""
    moment = instant(at)
    return (moment - timedelta(milliseconds=1)).astimezone(PLACE).date() if moment else date.min


def acts_as(said: Words, author: AuthorView) -> str:
    """« aidant de Marcel PAT-DEUX », « représentante de Camille »: whoever wrote for somebody else signs their own
    name. As « pour Camille » for what was written before that was kept.
    """
    if not author.acting_as:
        return said("message.for", name=author.acting_for)
    return said(f"message.as.{author.acting_as}", form=author.sex, name=author.acting_for)


@lru_cache
def environment() -> jinja2.Environment:
    """The templates."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    helpers: list[Callable[..., Any]] = [
        folded,
        preview,
        file_kind,
        news,
        shows_in_line,
        reads,
        drawn,
        short_name,
        role_of,
        status,
        state_of,
        status_of_many,
        said_of,
        card_text,
        card_facts,
        says_more,
        span,
        scope,
        offered,
        day_of,
        last_of,
        acts_as,
        instant,
        say_date,
        say_quantity,
        say_range,
        say_unit,
        short_form,
    ]
    made.globals.update({helper.__name__: helper for helper in helpers})
    return made


def page(template: str, **values: Any) -> str:
    """A page."""
    return environment().get_template(template).render(**values)


def fragment(desk: Desk, entry: Entry, subject: str, nonce: str) -> str:
    """One entry as it stands in a thread of that subject. `nonce`: makes the keys of its forms."""
    return (
        environment()
        .get_template("fragment.html")
        .render(desk=desk, words=desk.words, entry=entry, subject=subject, nonce=nonce)
    )
