"""The reasons the engine gives, in French and English: short, plain, never alarming. Pure."""

from __future__ import annotations

from datetime import date
from typing import Final

from server.prevention.rules import Rule
from server.prevention.spans import Span

Why = tuple[str, str]

_MONTHS: Final = (
    (
        "janvier",
        "février",
        "mars",
        "avril",
        "mai",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
    ),
    (
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ),
)  # Babel says the same, at twenty times the price, which counts over a country

NOT_IN_FORCE: Final = ("Cette règle n’est pas en vigueur aujourd’hui.", "This rule is not in force today.")
NOT_YOU: Final = ("Cette règle ne concerne pas votre situation.", "This rule does not concern your situation.")
BY_CAMPAIGN: Final = ("Par campagne seulement, pour les volontaires.", "By campaign only, for volunteers.")
NO_DATES: Final = (
    "Les dates de la prochaine campagne ne sont pas encore connues.",
    "The dates of the next campaign are not known yet.",
)
NO_BEGINNING: Final = (
    "Il manque une date pour savoir quand vous serez concerné.",
    "A date is missing to tell when this concerns you.",
)
FOLLOW_UP: Final = (
    "Un résultat demande un suivi : votre médecin vous dira la suite.",
    "A result needs a follow-up: your doctor will tell you what comes next.",
)
OTHER_WAY: Final = ("La protection est déjà assurée autrement.", "The protection is already given in another way.")
OTHER_PRODUCT: Final = ("Un autre vaccin fait le même travail.", "Another vaccine does the same.")
TOO_LATE: Final = (
    "Ce n’est plus le moment : parlez-en à votre médecin.",
    "The time for it has passed: speak of it with your doctor.",
)
NEXT_BY_PROFESSIONAL: Final = (
    "Votre médecin, votre infirmier ou votre pharmacien vous dira quand faire la dose suivante.",
    "Your doctor, nurse or pharmacist will tell you when to have the next dose.",
)
REFUSED: Final = ("Vous ne le souhaitez pas.", "You do not wish it.")
SAID_NOT_CONCERNED: Final = ("Vous avez dit ne pas être concerné.", "You said that this does not concern you.")


def day(at: date, language: str = "fr") -> str:
    """« 1er mai 2026 », "1 May 2026"."""
    if language == "en":
        return f"{at.day} {_MONTHS[1][at.month - 1]} {at.year}"
    return f"{'1er' if at.day == 1 else at.day} {_MONTHS[0][at.month - 1]} {at.year}"


def too_young(at: Span) -> Why:
    return f"À partir de {at.said()}.", f"From the age of {at.said('en')}."


def too_old(before: Span) -> Why:
    return f"Avant {before.said()} seulement.", f"Before {before.said('en')} of age only."


def asked(rule: Rule, who: Why, dose: int, doses: int, notes: Why) -> Why:
    """Due: who is concerned, which dose, and what did not count."""
    fr, en = (f"{rule.level.capitalize()} {who[0]}.", f"{_LEVELS[rule.level]} {who[1]}.")
    if doses > 1:
        fr, en = f"{fr} Dose {dose} sur {doses}.", f"{en} Dose {dose} of {doses}."
    return fr + notes[0], en + notes[1]


def coming(since: date, dose: int, doses: int, notes: Why) -> Why:
    fr, en = f"À partir du {day(since)}.", f"From {day(since, 'en')}."
    if doses > 1:
        fr, en = f"{fr} Dose {dose} sur {doses}.", f"{en} Dose {dose} of {doses}."
    return fr + notes[0], en + notes[1]


def done(since: date | None, until: date | None) -> Why:
    fr, en = (f"Fait le {day(since)}.", f"Done on {day(since, 'en')}.") if since else ("Fait.", "Done.")
    if until:
        fr, en = f"{fr} À refaire à partir du {day(until)}.", f"{en} Due again from {day(until, 'en')}."
    return fr, en


def later(until: date) -> Why:
    return (
        f"Vous avez demandé qu’on vous le rappelle le {day(until)}.",
        f"You asked to be reminded on {day(until, 'en')}.",
    )


def too_early(at: date) -> Why:
    return (
        f" La dose du {day(at)} ne compte pas : elle a été faite trop tôt.",
        f" The dose of {day(at, 'en')} does not count: it was given too early.",
    )


def undated() -> Why:
    return (
        " Ce qui a été fait sans date connue ne suffit pas ici.",
        " What was done on an unknown date is not enough here.",
    )


def course_of(rule: Rule) -> Why:
    return f"Un rappel plus ancien est en cours : {rule.title}.", f"An earlier reminder is open: {rule.title_en}."


_LEVELS: Final = {"obligatoire": "Mandatory", "recommandé": "Recommended", "possible": "Possible"}
