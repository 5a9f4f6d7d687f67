"""What a patient means: a text, now, and whom they know → Understood, Unclear or Distress. Pure: no model, no clock, no
storage.

    words (mended) → distress? → numbers, names, days → measures? → intents weighed → the heaviest, with its slots

Promises: the same text always means the same; distress comes before everything; what is not clearly one thing is
`Unclear` with the three nearest; a question that asks for medical advice is `advice`, whatever it is about. Does
nothing: whoever asked says yes to a card first (`answering`).

Slots, all text: start (local ISO 8601), title, measures (slugs by commas), text, to, who (names by « | »), stranger,
kind, last, day, first, end, disease, exam, analyte, child, on, until, about; of a reminder besides at, repeats.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Final

from server.bots.assistant import dates, distress, intents, names, numerals, reminding, slots
from server.bots.assistant import words as spelling
from server.bots.assistant.dates import When
from server.bots.assistant.names import Known, Named
from server.bots.assistant.words import Word
from server.dossier import measure_words
from server.settings import PLACE

ENOUGH: Final = 5  # below that weight nothing is understood
NEAREST: Final = ("appointments", "vaccines", "documents")  # offered when nothing at all is near


@dataclass(frozen=True, slots=True)
class Understood:
    """`confidence`: between 0 and 1, how far the intent is ahead of the next one. `nearest`: the ones that follow."""

    intent: str
    slots: dict[str, str] = field(default_factory=dict)
    confidence: float = 1.0
    whom: tuple[names.Someone, ...] = ()
    child: names.Child | None = None


@dataclass(frozen=True, slots=True)
class Unclear:
    """Nothing was understood well enough: the three nearest intents, the likeliest first."""

    nearest: tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Distress:
    """Somebody may be in danger. `kind`: of `distress.data().kinds`."""

    kind: str


@dataclass(frozen=True, slots=True)
class _Heard:
    """Everything that was made out of a text."""

    text: str
    words: tuple[Word, ...]
    line: str
    named: Named
    when: When
    past: When
    measured: str
    slugs: str
    command: str
    today: date


def understand(
    text: str, now: datetime, known: Known | None = None, *, as_: str = ""
) -> Understood | Unclear | Distress:
    """What this text means, said at `now` by somebody who knows these people. `as_`: the intent they said it has."""
    known = known or Known()
    heard = _hear(text, now, known)
    if kind := distress.read(heard.line):
        return Distress(kind)
    weighed = {as_: ENOUGH} if as_ in intents.INTENTS else _weighed(heard, now)
    order = sorted(weighed, key=lambda intent: (-weighed[intent], intents.INTENTS.index(intent)))
    if not order or weighed[order[0]] < ENOUGH:
        return Unclear(_nearest(order))
    best, second = weighed[order[0]], weighed[order[1]] if len(order) > 1 else 0
    found = Understood(order[0], {}, round((best - second / 2) / best, 2), heard.named.whom, heard.named.child)
    return replace(found, slots={name: said for name, said in _slots(found.intent, heard, now).items() if said})


def _hear(text: str, now: datetime, known: Known) -> _Heard:
    read = spelling.read(text, known.words())
    command = read[0].said if read and read[0].said in intents.COMMANDS else ""
    figured = numerals.figures(read[1:] if command else read)
    line = spelling.said(figured)
    named = names.read(figured, known)
    measured = _measured(spelling.said(named.rest))
    slugs = ",".join(dict.fromkeys(one.slug for one in measure_words.read(measured, now).entries))
    when = dates.read(named.rest, now)
    return _Heard(
        text,
        tuple(figured),
        line,
        named,
        when,
        dates.read(named.rest, now, past=True),
        measured,
        slugs,
        command,
        now.astimezone(PLACE).date(),
    )


# ---- weights ---------------------------------------------------------------------------------------------------------


def _weighed(heard: _Heard, now: datetime) -> dict[str, int]:
    weighed = intents.weigh(heard.line)
    if not weighed:  # one word alone
        _weigh_alone(heard, weighed)
    if heard.command:
        meant = intents.COMMANDS[heard.command]
        if meant == "appointments" and heard.when.day is not None:
            meant = "note_appointment"
        weighed[meant] = weighed.get(meant, 0) + 40
    _weigh_measure(heard, weighed)
    _weigh_appointment(heard, weighed)
    _weigh_others(heard, weighed)
    if reminding.asked(heard.words, heard.text, now):  # whatever it is that one wants to be reminded of
        weighed["note_reminder"] = 45
    return {intent: weight for intent, weight in weighed.items() if weight > 0}


def _weigh_alone(heard: _Heard, weighed: dict[str, int]) -> None:
    """« dentiste », « dr leroy », « 13/8 »: what it is near to."""
    if heard.named.whom and len(heard.words) <= 3:
        weighed["hours"] = 14
    elif _SEEN.search(heard.line) and len(heard.words) <= 3:
        weighed["appointments"] = ENOUGH
    elif heard.line and not re.search(r"[a-z]", heard.line):
        weighed["measure"] = ENOUGH - 1


def _weigh_measure(heard: _Heard, weighed: dict[str, int]) -> None:
    if heard.slugs:
        weighed["measure"] = weighed.get("measure", 0) + 9
        if (
            not _ASKS.search(heard.line) and weighed.get("advice", 0) <= 10
        ):  # « douleur 4/10 »: how much, not what to do
            weighed["advice"] = 0
    elif re.search(rf"\b{_NOTE}\b.*\b{_MEASURES}\b", heard.line):
        weighed["measure"] = weighed.get("measure", 0) + 8


_NOTE = r"(?:noter?|notez|enregistrer?|ajouter?|saisir|rentrer|mesurer|record|add)"
_MEASURES = r"(?:tension|poids|glycemie|temperature|taille|pouls|mesures?|saturation|weight|blood pressure)"
_ASKS = re.compile(
    r"\b(?:quand|quel|quelle|combien|ou est|ou sont|est ce que|ai je|c est quand|quoi|qu ai je|peut on|puis je|when|"
    r"what|where|do i)\b|\?"
)
_SEEN = re.compile(rf"\b(?:{slots.SEEN})\b")
_THERE = re.compile(rf"\b(?:{slots.SEEN}|{slots.DONE_THERE})\b")
_COMES = re.compile(rf"\b(?:{intents.MEETING}|je vois|je vais (?:chez|voir|a)|je passe|passe)\b")


def _weigh_appointment(heard: _Heard, weighed: dict[str, int]) -> None:
    """A day with somebody to see is one more appointment; with a question or another verb it is one there is."""
    when, line = heard.when, heard.line
    other = weighed.get("cancel_appointment", 0) + weighed.get("move_appointment", 0)
    seen, there, comes = _SEEN.search(line), _THERE.search(line), _COMES.search(line)
    about = bool(comes or there or (heard.named.whom and heard.named.named))
    dated = when.day is not None or bool(when.first)
    if other and (about or dated or heard.named.whom):
        for intent in ("cancel_appointment", "move_appointment"):
            if intent in weighed:
                weighed[intent] += 3
    if other and not (about or dated or weighed.get("appointments")) and "move_appointment" not in weighed:
        weighed["cancel_appointment"] -= 3
    if other or _ASKS.search(line) or when.day is None or when.day < heard.today:
        return
    if when.clock is not None and about:
        weighed["note_appointment"] = 22 if not heard.slugs or seen else 8
    elif when.clock is not None:
        weighed["note_appointment"] = 4
    elif about and not when.beside and (seen or comes) and not _PAST_WORDS.search(line):
        weighed["note_appointment"] = 9


_PAST_WORDS = re.compile(r"\b(?:fait|faite|eue?|deja|hier|derniere?|passee?|had|done|last)\b")


def _weigh_others(heard: _Heard, weighed: dict[str, int]) -> None:
    line = heard.line
    about = slots.first(slots.DISEASES, line) or slots.first(slots.EXAMS, line)
    if about and weighed.get("done", 0) >= 9:
        weighed["done"] += 3
    if "share" in weighed and (heard.named.whom or heard.named.stranger):
        weighed["share"] += 4
    if "hours" in weighed and not (heard.named.whom or re.search(_OFFICE, line)):
        weighed["hours"] -= 4
    if "who_saw" in weighed and "consents" in weighed and re.search(r"\b(?:peut|peuvent|can|droit)\b", line):
        weighed["who_saw"] = 0
    if weighed.get("advice", 0) >= 11:  # a question of medicine, whatever it is about
        weighed["advice"] += 8 if weighed.get("note_appointment", 0) < 20 else 0


_OFFICE = (
    r"\b(?:secretariat|cabinet|pharmacie|hopital|docteur|medecin|labo|laboratoire|accueil|chu|surgery|pharmacy|"
    r"clinique|service)\b"
)


def _nearest(order: list[str]) -> tuple[str, str, str]:
    offered = [intent for intent in (*order, *NEAREST) if intent not in {"hello", "thanks", "unclear"}]
    first, second, third = list(dict.fromkeys(offered))[:3]
    return first, second, third


# ---- slots -----------------------------------------------------------------------------------------------------------


def _slots(intent: str, heard: _Heard, now: datetime) -> dict[str, str]:
    named, when = heard.named, heard.when
    found = {
        "child": named.child.name if named.child else "",
        "who": "|".join(one.name for one in named.whom),
        "stranger": named.stranger,
    }
    match intent:
        case "measure":
            return {"child": found["child"], "measures": heard.slugs, "text": heard.measured if heard.slugs else ""}
        case "note_appointment":
            return found | {"start": when.start, "title": _title(heard), "place": ""}
        case "note_reminder":
            return found | asdict(reminding.read(heard.words, heard.text, now))
        case "appointments" | "cancel_appointment" | "move_appointment":
            first = when.day or when.first
            return found | {"first": _iso(first), "end": _iso(when.day or when.last), "about": _about(heard)}
        case "documents" | "results" | "share":
            return found | _of_documents(intent, heard)
        case "vaccines" | "prevention" | "done":
            on = heard.past.on if intent == "done" else ""
            more = {"disease": slots.first(slots.DISEASES, heard.line), "exam": slots.first(slots.EXAMS, heard.line)}
            return {"child": found["child"], "on": on, **more}
        case "pause":
            return {"until": _until(heard, now)}
    return found


def _iso(day: object) -> str:
    return str(day) if day is not None else ""


def _of_documents(intent: str, heard: _Heard) -> dict[str, str]:
    line, past = heard.line, heard.past
    found = {
        "kind": slots.first(slots.KINDS, line) if intent != "results" else "",
        "last": "1" if re.search(r"\b(?:derniere?s?|latest|last|newest|recente?s?)\b", line) else "",
        "first": _iso(past.day or past.first),
        "end": _iso(past.day or past.last),
        "analyte": slots.first(slots.ANALYTES, line) if intent == "results" else "",
        "about": _about(heard),
    }
    if intent == "share":
        found["to"] = "|".join(one.name for one in heard.named.whom)
    return found


def _about(heard: _Heard) -> str:
    """The word a document or an appointment may be found by: « genou », « dentiste »."""
    match = _THERE.search(heard.line)
    return match[0] if match else ""


def _until(heard: _Heard, now: datetime) -> str:
    """Until when reminders rest, a day in ISO 8601; "" when it was not said."""
    match = re.search(r"\b(\d{1,2}|une?|a) (jours?|semaines?|mois|days?|weeks?|months?)\b", heard.line)
    if match:
        count = 1 if match[1] in {"un", "une", "a"} else int(match[1])
        unit = 1 if match[2].startswith(("jour", "day")) else 7 if match[2].startswith(("semaine", "week")) else 30
        return (now.date() + timedelta(days=min(count * unit, 366))).isoformat()
    return _iso(heard.when.first or heard.when.day)


_LEFT_OUT_SAID: Final = """
    j ai je un une le la les l de du des d mon ma mes chez avec pour a au aux en et que note notez noter ajoutez ajouter
    ajoute mets met mettre moi rendezvous rv pris prends vois voir vais passe ce ci svp merci bonjour c est on visite
    rappelez il elle nous avons faut aller dois suis prevu y i have an appointment with the my to at see please add
"""
_LEFT_OUT: Final = frozenset(_LEFT_OUT_SAID.split())


def _title(heard: _Heard) -> str:
    """What the appointment is, as it was written, its spelling mended: « Dentiste », « Dr Leroy »."""
    kept = [word for word in heard.when.rest if word.said not in "?:/+"]
    while kept and kept[0].said in _LEFT_OUT:
        kept = kept[1:]
    while kept and kept[-1].said in _LEFT_OUT:
        kept = kept[:-1]
    pieces: list[str] = []
    for number, word in enumerate(kept):
        between = heard.text[kept[number - 1].end : word.start] if number else ""
        joint = between if between.strip() in {"-", "'", "’"} else " " if pieces else ""
        pieces.append(joint + (word.said if word.mended else heard.text[word.start : word.end]))
    title = re.sub(r"\bdocteur\b", "Dr", "".join(pieces)).strip()
    if heard.named.whom and heard.named.named and len(heard.named.whom) == 1 and len(kept) <= 3:
        title = heard.named.whom[0].name
    return (title[:1].upper() + title[1:])[:100]


# ---- measures --------------------------------------------------------------------------------------------------------

_NAMES = r"(fievre|temperature|tension|saturation|glycemie|pouls|poids|pain|douleur)"
_REWRITTEN: Final = tuple(
    (re.compile(pattern), made)
    for pattern, made in (
        (r"\bhba 1 c\b(?: est)?", "hba1c"),
        (r"\b(?:sucre|diabete|gly)\b", "glycemie"),
        (r"\b(\d+(?:[.,]\d+)?(?: ?[/,°:] ?\d+| \d{1,2}(?! ?(?:h|kg|cm)))?) (?:de |d )" + _NAMES, r"\2 \1"),
        (r"\b(tension|ta|blood pressure)((?: [a-z]+){0,3}) (\d{1,3}) (?:sur |over )?(\d{1,3})\b", r"\1\2 \3/\4"),
        (r"\b(tension|ta)((?: [a-z]+){0,3}) (\d{1,3}(?:[.,]\d)?) (?:/|sur|over) (\d{1,3}(?:[.,]\d)?)", r"\1\2 \3/\4"),
        (r"\b(fievre|temperature|temp)((?: [a-z]+){0,2}) (\d{2}) (\d)\b(?! ?[\dh])", r"\1\2 \3,\4"),
        (r"\b(\d{2}) ° (\d)\b", r"\1°\2"),
        (r"\b(\d+) (grammes?|g) (\d{2})\b", r"\1,\3 g/l"),
        (r"\b(glycemie(?: (?:est|de|a))?) (\d) (\d{2})\b", r"\1 \2,\3"),
        (r"\b(\d{2,3}) kilos? (\d{1,3})\b", r"\1,\2 kg"),
        (r"\b(\d) kg (\d{3})\b", r"\1 kg \2"),
        (r"\b(\d) m (\d{2})\b", r"\1m\2"),
        (r"\b(fais|pese|a) (\d{2,3}) (kilos|kg)", r"poids \2 kg"),
        (r"\b(taille|mesure) (?!(?:de|est|a|was)\b)[a-z]+ (\d)", r"\1 \2"),
        (
            r"\b(saturation|sat|pouls|pulse|poids|temperature|glycemie)(?: (?:de|a|est|d|ce|matin|soir|mon|ma))+ (\d)",
            r"\1 \2",
        ),
        (r" / ", "/"),
        (r" %", "%"),
        (r"\bg/(?:l|litre)\b", "g/l"),
    )
)  # fmt: skip


def _measured(line: str) -> str:
    """The line as measures are written: « 38 5 de fievre » is « fievre 38,5 »."""
    for pattern, made in _REWRITTEN:
        line = pattern.sub(made, line)
    return line
