"""« Rappelle-moi tous les jours à 20 h de prendre mes gouttes »: what somebody wants to be reminded of. Pure.

Promises: « rappelle-moi mon rendez-vous » asks what there is, and « le médecin doit me rappeler » speaks of a call:
neither is a reminder. Its words are the patient's own, as they wrote them. What the agenda cannot repeat is said to be
so (`OTHER`), never noted otherwise. Without an hour one is taken (`at`): who asks before it is noted says that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from server.bots.assistant import dates, slots
from server.bots.assistant.words import Word, said
from server.settings import PLACE

OTHER: Final = "other"  # repeated as no rule of the agenda says


@dataclass(frozen=True, slots=True)
class Reminder:
    """What was asked for. `start`: a day or a local moment, "" when neither was said; `at`: the hour that is taken when
    none was; `repeats`: of the agenda, or `OTHER`; `until`: its last day.
    """

    title: str
    start: str
    at: str
    repeats: str
    until: str


# ---- whether it is one -----------------------------------------------------------------------------------------------

_NOUN = r"(?:rappel|reminder|pense bete)"
_SHOT = "|".join(("vaccin", "dtp", "prevention", *(pattern for _, pattern in slots.DISEASES)))
_BEGINS: Final = re.compile(
    r"\b(?P<called>(?:rappelle[zs]?|rappelez) moi|remind me|(?:fais|faites) moi penser|"
    r"(?:don t|do not) let me forget)\b|"
    r"\b(?P<asked>(?:(?:tu|vous|il|je|you) )?"
    r"(?:peux|peut|pouvez|pourrais|pourriez|voudrais|veux|aimerais|faut|faudrait|souhaite|can|could)"
    r"(?: (?:tu|vous|il|bien|que|you))* (?:me rappele[rz]|me rappelles?|remind me|me faire penser))\b|"
    r"\b(?P<made>(?:mets?|mettre|mettez|cree[rz]?|ajoute[rz]?|note[rz]?|programme[rz]?|fais|faire|voudrais|veux|set|add|"
    rf"create|make|put|want|need)(?: moi)?(?: (?:un|une|a|an|petit|nouveau|new))* {_NOUN})\b"
    rf"(?!(?: (?:de|du|d|contre|le|la|l))* (?:{_SHOT})\b)|"
    rf"^(?P<noun>(?:(?:un|a|petit) )*{_NOUN})\b(?!(?: (?:de|du|d|contre|le|la|l))* (?:{_SHOT})\b)"
)
_LOOKED_UP: Final = re.compile(
    r" (?:quand|ou|qui|quel(?:le)?s?|combien|comment|pourquoi|ce que|si|mon|ma|mes|votre|vos|what|when|where|who|which|"
    r"how|my|(?:la|le|l|les|the) (?:date|heure|jour|nom|numero|adresse|horaires?|resultats?|name|time))\b"
)
_DOES: Final = re.compile(
    r" (?:de|d|a) (?:(?:ne|pas|m|me|lui|leur|l|le|la|les|y|en|bien) )*[a-z]+(?:er|ir|re)\b|^ (?:que?|qu|that|about)\b|"
    r" to (?!be\b)[a-z]+"
)
_NO: Final = re.compile(
    r"\b(?:arrete[zrs]?|arreter|stop|cesse[zr]?|suspend\w*|annule[zr]?|supprime[zr]?|enleve[zr]?|retire[zr]?|ne|"
    r"no more|plus de|cancel|delete|remove)\b"
)
_ADVICE: Final = re.compile(r"\b(?:combien|puis je|est ce que je|should i)\b")


def spoken() -> tuple[str, ...]:
    """The words of this module, for mending."""
    return ("rappelle rappelez rappeler reminder remind",)


def asked(words: Sequence[Word], text: str, now: datetime) -> bool:
    """Whether these words of the text ask to be reminded of something."""
    line = said(words)
    begins = _BEGINS.search(line)
    if begins is None or _NO.search(line[: begins.end()]) or _ADVICE.search(line):
        return False
    after = line[begins.end() :]
    if begins["made"]:
        return True
    if not begins["noun"]:
        if _LOOKED_UP.match(after):
            return False
        if _DOES.search(after):
            return True
        if begins["asked"]:  # « pouvez-vous me rappeler demain »: a call
            return False
    found = read(words, text, now)
    return bool(found.title and (found.start or found.repeats))


# ---- of what, and when -----------------------------------------------------------------------------------------------

_PARTS: Final = {"matin": 9, "morning": 9, "apres midi": 15, "afternoon": 15, "soir": 20, "evening": 20, "night": 20,
                 "tonight": 20}  # fmt: skip
_PART: Final = re.compile(r"\b(apres midi|matin|soir|morning|afternoon|evening|night|tonight)s?\b")
_EACH = r"(?:tou(?:s|tes) les|toute les|chaque|every|each)"
_DAY = "|".join(dates.DAYS)
_REPEATED: Final = tuple(
    (name, re.compile(pattern))
    for name, pattern in (
        (OTHER, rf"\b{_EACH} (?:\d+|other)\b|\b(?:\d+|une) fois par\b|\bsur 2\b|\b(?:once|twice|times) a\b|"
                r"\bmatin(?: midi)? et (?:le )?soir\b|\bmorning and (?:evening|night)\b|"
                rf"\b\d+ h (?:\d+ )?et (?:a )?\d+ h\b|\b{_EACH} (?:heures?|hours?|trimestres?|semestres?)\b|"
                rf"\b{_EACH} (?:weekends?|week end)\b|"
                rf"\b(?:{_DAY})s?(?: et| and)(?: le| les)? (?:{_DAY})s?\b|\bjours? ouvres?\b|\bweekdays?\b"),
        ("daily", rf"\b{_EACH} (?:jours?|soirs?|matins?|apres midis?|nuits?|days?|mornings?|evenings?|nights?|"
                  rf"afternoons?)\b|\bquotidien\w*|\bdaily\b|\b{_EACH} (?=midi\b)"),
        ("weekly", rf"\b{_EACH} (?:semaines?|weeks?)\b|\bweekly\b|\b{_EACH} (?=(?:{_DAY})s?\b)"),
        ("monthly", rf"\b(?:(?:de|du) )?{_EACH} (?:mois|months?)\b|\bmonthly\b"),
        ("yearly", rf"\b{_EACH} (?:ans?|annees?|years?)\b|\byearly\b"),
    )
)  # fmt: skip
_SPAN: Final = re.compile(
    r"\b(?:pendant|durant|for|during) (\d+|une?|a) (jours?|semaines?|mois|days?|weeks?|months?)\b"
)
_UNTIL: Final = re.compile(r"\b(?:jusqu (?:a|au|en)|until|till)\b")
_LEFT_OUT_SAID: Final = """
    de d a au pour que qu je to for of that svp merci please avant et before on about the
"""
_LEFT_OUT: Final = frozenset(_LEFT_OUT_SAID.split())


def read(words: Sequence[Word], text: str, now: datetime) -> Reminder:
    """What to be reminded of, and when; also of words that do not ask for it in so many."""
    here, rest = now.astimezone(PLACE), list(words)
    part = _PART.search(said(rest))
    begins = _BEGINS.search(said(rest))
    if begins is not None:
        rest = _without(rest, begins)
    rest, repeats = _rhythm(rest)
    clock = _late(dates.read(rest, now).clock, part[1] if part else "")
    rest, until = _last_day(rest, now) if repeats else (rest, None)
    when = dates.read(rest, now)
    taken = clock or time(_PARTS[part[1]] if part else 9)
    day = when.day
    if day is None and (clock or part or repeats == "daily") and repeats in {"", "daily"}:
        day = here.date() + timedelta(days=taken <= here.time())
    start = "" if day is None else f"{day}T{clock:%H:%M}" if clock else day.isoformat()
    end = until if isinstance(until, date) else day + until - timedelta(days=1) if day and until else None
    last = end.isoformat() if end else ""
    return Reminder(_title(when.rest, text), start, "" if clock else f"{taken:%H:%M}", repeats, last)


def _late(clock: time | None, part: str) -> time | None:
    """« Tous les soirs à 8 h »: at eight in the evening."""
    if clock is not None and _PARTS.get(part, 0) > 12 and 0 < clock.hour < 12:
        return clock.replace(hour=clock.hour + 12)
    return clock


def _rhythm(words: list[Word]) -> tuple[list[Word], str]:
    for name, pattern in _REPEATED:
        if match := pattern.search(said(words)):
            return _without(words, match), name
    return words, ""


def _last_day(words: list[Word], now: datetime) -> tuple[list[Word], date | timedelta | None]:
    """« Pendant une semaine », « jusqu’au 3 décembre »: taken out of the words."""
    line = said(words)
    if match := _SPAN.search(line):
        count = int(match[1]) if match[1].isdigit() else 1
        unit = 1 if match[2][0] in "jd" else 7 if match[2][0] in "sw" else 30
        return _without(words, match), timedelta(days=count * unit)
    if match := _UNTIL.search(line):
        number = line[: match.start()].count(" ")
        after = words[number:]
        found = dates.read(after, now)
        if last := found.day or found.last:
            kept = {(one.start, one.said) for one in found.rest} - {(one.start, one.said) for one in after[:2]}
            return [*words[:number], *(one for one in after if (one.start, one.said) in kept)], last
    return words, None


def _without(words: list[Word], match: re.Match[str]) -> list[Word]:
    """The words that the match is not of."""
    kept, at = [], 0
    for word in words:
        if at + len(word.said) <= match.start() or at >= match.end():
            kept.append(word)
        at += len(word.said) + 1
    return kept


def _title(words: Sequence[Word], text: str) -> str:
    """As it was written: « Prendre mes cachets »."""
    kept = [word for word in words if word.said not in "?:/+"]
    while kept and kept[0].said in _LEFT_OUT:
        kept = kept[1:]
    while kept and kept[-1].said in _LEFT_OUT:
        kept = kept[:-1]
    pieces: list[str] = []
    for number, word in enumerate(kept):
        before = kept[number - 1] if number else word
        between = text[before.end : word.start]
        if number and (before.start, before.end) == (word.start, word.end):
            continue  # two words that were written as one
        joint = between if between.strip() in {"-", "'", "’"} and between else " " if pieces else ""
        pieces.append(joint + text[word.start : word.end])
    title = "".join(pieces).strip(" ,.;:!")
    return title[:1].upper() + title[1:]
