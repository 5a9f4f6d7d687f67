"""Measures as people write them: « tension 13/8 », « je pèse 72,4 kilos », « glycémie 1,12 g/L à jeun ». Pure.

Promises: the same words always mean the same; what is not sure is not guessed (38,5 alone means nothing, 6 of glycaemia
without its unit neither); what was not understood is said. Does not: check (`measure_kinds.checked`) or keep anything:
somebody says yes first.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from server.dossier.measure_kinds import HEART_RATE, PRESSURE, Entry
from server.settings import PLACE

MAX_TEXT: Final = 500
MAX_ENTRIES: Final = 6

_N = r"(\d{1,3}(?: \d{3})+(?!\d)|\d+(?:[.,]\d+)?)"
_IS = r"(?:[ :=]+(?:est|etait|a|de|is|was|of|at|actuellement|environ)(?![a-z]))*[ :=]*"
_UNITS: Final = {
    "kg": "kg", "kilo": "kg", "kilos": "kg", "kilogramme": "kg", "kilogrammes": "kg", "g": "g", "grammes": "g",
    "cm": "cm", "m": "m", "centimetres": "cm", "metre": "m", "metres": "m",
    "g/l": "g/L", "mg/dl": "mg/dL", "mmol/l": "mmol/L",
}  # fmt: skip
_MOMENTS: Final = (
    (r"\b(?:a jeun|fasting)\b", "fasting"),
    (r"\b(?:avant (?:le |de )?(?:repas|dejeuner|diner|manger|petit[- ]dejeuner)|before (?:a |the )?meal)\b",
     "before_meal"),
    (r"\b(?:apres (?:le |avoir )?(?:repas|dejeuner|diner|mange|petit[- ]dejeuner)|after (?:a |the )?meal)\b",
     "after_meal"),
    (r"\b(?:au coucher|at bedtime)\b", "bedtime"),
)  # fmt: skip
_JOINING: Final = (
    "a ai ainsi ajoute ajouter ajoutez au aujourd'hui auj avec c'est capillaire ce cet cette d'hui de des du donc "
    "enter est et fait fais have i i'm il is it j'ai je l' la le les ma matin measure measured mes mesure mesuree midi "
    "mon my note noter notez now nous of on par record resultat s'il save se soir suis sur the this today un une "
    "veuillez voici vous votre was with and are"
)
_FILLING: Final = frozenset(_JOINING.split()) | {""}
_POINTS: Final = ",;.:!?()'-"


@dataclass(frozen=True, slots=True)
class Reading:
    """What was understood, as entries that nobody checked yet, and the words that were not."""

    entries: tuple[Entry, ...]
    unread: tuple[str, ...] = ()


_Make = Callable[[re.Match[str]], Entry | None]


def read(text: str, now: datetime) -> Reading:
    """Everything a line of text says of measures, taken at `now` unless it says when."""
    text = re.sub(r"\s+", " ", text[:MAX_TEXT])
    left = _folded(text)
    at, left = _when(left, now)
    moment, left = _moment(left)
    found: list[tuple[int, Entry]] = []
    for pattern, make in _SAID:
        for match in pattern.finditer(left):
            entry = make(match)
            if entry is not None:
                found.append((match.start(), entry))
                left = left[: match.start()] + "\0" * len(match[0]) + left[match.end() :]
    entries = [entry for _, entry in sorted(found, key=lambda one: one[0])][:MAX_ENTRIES]
    return Reading(tuple(_placed(one, at, moment) for one in _joined(entries)), _unread(text, left))


def _placed(entry: Entry, at: str, moment: str) -> Entry:
    return replace(entry, at=at, moment=moment if "glucose" in entry.slug else "")


def _joined(entries: list[Entry]) -> list[Entry]:
    """The pulse that was said beside a blood pressure belongs to it."""
    pressures = [one for one in entries if one.slug == PRESSURE]
    beats = [one for one in entries if one.slug == HEART_RATE]
    if len(pressures) != 1 or len(beats) != 1:
        return entries
    both = replace(pressures[0], heart_rate=beats[0].values[0])
    return [both if one is pressures[0] else one for one in entries if one is not beats[0]]


# ---- words and places ------------------------------------------------------------------------------------------------


def _folded(text: str) -> str:
    """Lower case, without accents, letter by letter: a place here is the same place there."""
    said = "".join(unicodedata.normalize("NFD", letter.lower())[0] for letter in text)
    return said.replace("’", "'").replace("\u00ba", "°")


def _when(text: str, now: datetime) -> tuple[str, str]:
    """The instant that is said (ISO 8601, "" for none), and the text without it."""
    here = now.astimezone(PLACE)
    day: date | None = None
    if match := re.search(r"\b(avant[- ]hier|hier|yesterday)\b", text):
        day = here.date() - timedelta(days=2 if match[0].startswith("avant") else 1)
        text = _without(text, match)
    elif match := re.search(r"\b(?:le|on) (\d{1,2})/(\d{1,2})(?:/(\d{4}|\d{2}))?(?![\d/,.])", text):
        day = _day(match, here.date())
        text = _without(text, match) if day else text
    clock = re.search(r"\b(?:a|at|vers) (\d{1,2}) ?(?:h|:)(?: ?([0-5]\d))?\b(?! ?[\d/])", text)
    if clock and int(clock[1]) < 24:
        text = _without(text, clock)
        at = datetime.combine(day or here.date(), here.time().replace(hour=int(clock[1]), minute=int(clock[2] or 0)))
        return at.replace(tzinfo=PLACE).isoformat(timespec="minutes"), text
    return (day.isoformat() if day else ""), text


def _day(match: re.Match[str], today: date) -> date | None:
    """« le 12/11 »: the last one there was."""
    year = int(match[3]) + (2000 if len(match[3]) == 2 else 0) if match[3] else today.year
    try:
        day = date(year, int(match[2]), int(match[1]))
        return day if match[3] or day <= today else day.replace(year=year - 1)
    except ValueError:
        return None


def _moment(text: str) -> tuple[str, str]:
    for pattern, name in _MOMENTS:
        if match := re.search(pattern, text):
            return name, _without(text, match)
    return "", text


def _without(text: str, match: re.Match[str]) -> str:
    return text[: match.start()] + "\0" * len(match[0]) + text[match.end() :]


def _unread(text: str, left: str) -> tuple[str, ...]:
    """The words that nothing was made of, as they were written; those that only join others left out."""
    kept = []
    for piece in re.finditer(r"[^\0]+", left):
        if any(word.strip(_POINTS) not in _FILLING for word in piece[0].split()):
            kept.append(re.sub(r"^(?:et|and) ", "", text[piece.start() : piece.end()].strip(f" {_POINTS}")))
    return tuple(kept)


# ---- each measure ----------------------------------------------------------------------------------------------------


def _value(text: str) -> str:
    return text.replace(" ", "").replace(",", ".")


def _one(slug: str, unit: str = "") -> _Make:
    """The first group is the number, the second (if any) its unit."""

    def make(match: re.Match[str]) -> Entry:
        told = match[2] if match.re.groups > 1 else ""
        return Entry(slug, (_value(match[1]),), _UNITS.get(told or "", unit))

    return make


def _pressure(match: re.Match[str]) -> Entry | None:
    """« 13/8 » is in centimetres of mercury, « 130/80 » in millimetres: nobody's pressure is 30 mmHg."""
    high, low, unit = _value(match[1]), _value(match[2]), (match[3] or "").replace(" ", "")
    small = Decimal(high) <= 30 and Decimal(low) <= 30
    return Entry(PRESSURE, (high, low), "cm[Hg]" if unit == "cmhg" or (not unit and small) else "mm[Hg]")


def _metres(match: re.Match[str]) -> Entry:
    """« 1m68 », « 1 m 68 »."""
    return Entry("height", (str(int(match[1]) * 100 + int(match[2])),), "cm")


def _height(match: re.Match[str]) -> Entry:
    told = match[2] or ("m" if Decimal(_value(match[1])) < 3 else "cm")
    return Entry("height", (_value(match[1]),), _UNITS[told])


def _grams(match: re.Match[str]) -> Entry:
    """« 3 kg 450 »."""
    return Entry("weight", (f"{match[1]}.{match[2]}",), "kg")


def _glucose(slug: str) -> _Make:
    def make(match: re.Match[str]) -> Entry | None:
        value = Decimal(_value(match[1]))
        unit = _UNITS.get(match[2] or "")
        if unit is None:  # said in g/L in France; from 40 on it can only be mg/dL; in between it is not sure
            unit = "g/L" if value < 4 else "mg/dL" if value >= 40 else None
        return Entry(slug, (_value(match[1]),), unit) if unit else None

    return make


def _degrees(match: re.Match[str]) -> Entry:
    return Entry("temperature", (f"{match[1]}.{match[2]}",))


def _said(pattern: str, make: _Make) -> tuple[re.Pattern[str], _Make]:
    return re.compile(pattern), make


_MASS = r"\s*(kg|kilos?|kilogrammes?|g|grammes)?(?![\w/])"
_LENGTH = r"\s*(cm|m|centimetres|metres?)?(?![\w/])"
_PER_CENT = r"\s*(?:%|pour cent|percent)?"
_SUGAR = r"\s*(g/l|mg/dl|mmol/l)?(?![\w/])"
_BPM = r"\s*(?:bpm|/ ?min|battements(?: par minute)?)?"

_SAID: Final = (
    _said(
        r"\b(?:tension(?: arterielle)?|t\.?a\.?|pa|pression(?: arterielle)?|blood pressure|bp)"
        + _IS
        + r"(\d{1,3}(?:[.,]\d)?)\s*(?:/|sur|over)\s*(\d{1,3}(?:[.,]\d)?)(?![\d/])\s*(mm ?hg|cm ?hg)?",
        _pressure,
    ),
    _said(r"\b(\d{1,3}(?:[.,]\d)?)\s*(?:/|sur|over)\s*(\d{1,3}(?:[.,]\d)?)\s*(mm ?hg|cm ?hg)", _pressure),
    _said(r"\b(?:hb ?a1c|a1c|hemoglobine glyquee)" + _IS + _N + _PER_CENT, _one("hba1c")),
    _said(r"\b(?:gmi|igg)" + _IS + _N + _PER_CENT, _one("gmi")),
    _said(
        r"\b(?:glycemie interstitielle|glucose interstitiel|interstitial glucose)" + _IS + _N + _SUGAR,
        _glucose("interstitial-glucose"),
    ),
    _said(
        r"\b(?:glycemie(?: capillaire)?|glucose|dextro|blood (?:sugar|glucose))" + _IS + _N + _SUGAR,
        _glucose("glucose"),
    ),
    _said(r"\b(?:saturation(?: en oxygene)?|spo2|sao2|sat|oxygen saturation)" + _IS + _N + _PER_CENT, _one("oxygen")),
    _said(
        r"\b(?:frequence respiratoire|fr|respiratory rate|respiration)" + _IS + _N + r"\s*(?:/ ?min)?",
        _one("respiratory-rate"),
    ),
    _said(r"\b(?:pouls|frequence cardiaque|fc|pulsations?|heart rate|pulse|hr)" + _IS + _N + _BPM, _one(HEART_RATE)),
    _said(r"\b" + _N + r"\s*(?:bpm|battements par minute|pulsations)\b", _one(HEART_RATE)),
    _said(r"\b(?:tour de taille|waist)" + _IS + _N + _LENGTH, _one("waist", "cm")),
    _said(r"\b(?:perimetre cranien|tour de tete|pc|head circumference)" + _IS + _N + _LENGTH, _one("head", "cm")),
    _said(r"\b(?:douleur|pain|eva)" + _IS + r"(\d{1,2})(?![\d.,])(?:\s*(?:/|sur|out of)\s*10)?", _one("pain")),
    _said(r"\b" + _N + r"\s*(?:pas|steps)\b", _one("steps")),
    _said(r"\b(?:temperature|temp|fievre|fever)" + _IS + r"(\d{2})\s*°\s*(\d)", _degrees),
    _said(r"\b(\d{2})\s*°\s*(\d)(?![\d.,])", _degrees),
    _said(
        r"\b(?:temperature|temp|fievre|fever)" + _IS + _N + r"\s*(?:°\s*c?|degres?|celsius)?(?: celsius)?(?!\w)",
        _one("temperature"),
    ),
    _said(r"\b" + _N + r"\s*(?:°\s*c?|degres?(?: celsius)?)(?!\w)", _one("temperature")),
    _said(r"\b(?:(?:taille|mesure|height|tall)" + _IS + r")?([12])\s*m\s*(\d{2})(?![\d.,])", _metres),
    _said(r"\b(?:taille|mesure|height)" + _IS + _N + _LENGTH, _height),
    _said(r"\b([12][.,]\d{2})\s*(m|metres?)\b", _height),
    _said(r"\b(?:(?:poids|pese|weight|weigh)" + _IS + r")?(\d+)\s*kg\s*(\d{3})(?!\d)", _grams),
    _said(r"\b(?:poids|pese|weight|weigh)" + _IS + _N + _MASS, _one("weight", "kg")),
    _said(r"\b" + _N + r"\s*(kg|kilos?|kilogrammes?)(?![\w/])", _one("weight", "kg")),
)
