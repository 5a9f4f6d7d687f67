"""What is said of somebody who acts for somebody: in « Votre espace », in French and in English.

Names stand in them: the sentences are sealed with the message that tells them.
"""

from __future__ import annotations

from datetime import datetime

from server.settings import PLACE
from storage.delegations import AREAS, WRITE

# What happened → what Pli says of it. `by`: who did it, `name`: of whom.
NEWS: dict[str, tuple[str, str]] = {
    "helper.invited": (
        "{by} a invité {name} à agir pour cet espace. L’invitation est valable 14 jours.",
        "{by} invited {name} to act for this space. The invitation is good for 14 days.",
    ),
    "helper.withdrawn": ("{by} a annulé l’invitation de {name}.", "{by} withdrew the invitation of {name}."),
    "helper.accepted": (
        "{name} peut agir dans cet espace jusqu’au {until} : {scopes}.",
        "{name} may act in this space until {until}: {scopes}.",
    ),
    "helper.refused": ("{name} a refusé l’invitation.", "{name} refused the invitation."),
    "helper.changed": (
        "{by} a changé ce que {name} peut faire ici, jusqu’au {until} : {scopes}.",
        "{by} changed what {name} may do here, until {until}: {scopes}.",
    ),
    "helper.ended": (
        "{by} a mis fin à l’accès de {name} à cet espace.",
        "{by} ended the access of {name} to this space.",
    ),
    "helper.resigned": (
        "{name} n’agit plus dans cet espace, à sa demande.",
        "{name} no longer acts in this space, by their own wish.",
    ),
    "helper.expired": (
        "{name} n’a plus accès à cet espace : la date prévue est passée.",
        "{name} no longer has access to this space: the agreed date has passed.",
    ),
    "representative.invited": (
        "{by} a invité {name} comme représentant légal. L’invitation est valable 14 jours.",
        "{by} invited {name} as a legal representative. The invitation is good for 14 days.",
    ),
    "representative.withdrawn": ("{by} a annulé l’invitation de {name}.", "{by} withdrew the invitation of {name}."),
    "representative.accepted": (
        "{name} agit désormais dans cet espace en tant que représentant légal.",
        "{name} now acts in this space as a legal representative.",
    ),
    "representative.recorded": (
        "{name} agit désormais dans cet espace en tant que représentant légal.",
        "{name} now acts in this space as a legal representative.",
    ),
    "representative.refused": ("{name} a refusé l’invitation.", "{name} refused the invitation."),
    "representative.ended": (
        "{name} n’est plus représentant légal dans cet espace.",
        "{name} is no longer a legal representative in this space.",
    ),
    "representative.expired": (
        "{name} n’est plus représentant légal dans cet espace : la date prévue est passée.",
        "{name} is no longer a legal representative in this space: the date has passed.",
    ),
    "representative.majority": (
        "Vous avez 18 ans : cet espace est désormais le vôtre seul. Leur accès est terminé : {name}.",
        "You are 18: this space is now yours alone. Their access has ended: {name}.",
    ),
}

_AREAS = {
    "messages": ("messages", "messages"),
    "dossier": ("documents", "documents"),
    "agenda": ("agenda", "calendar"),
    "services": ("services", "services"),
}


def said(key: str, *, by: str, name: str, until: int | None, scopes: frozenset[str]) -> tuple[str, str]:
    """(French, English) of what happened."""
    fr, en = NEWS[key]
    day_fr, day_en = last_day(until, "fr"), last_day(until, "en")
    what_fr, what_en = (_scopes(scopes, language) for language in (0, 1))
    return (
        fr.format(by=by, name=name, until=day_fr, scopes=what_fr),
        en.format(by=by, name=name, until=day_en, scopes=what_en),
    )


def _scopes(scopes: frozenset[str], language: int) -> str:
    areas = ", ".join(_AREAS[area][language] for area in AREAS if area in scopes)
    does = ("lire et écrire", "lire seulement") if language == 0 else ("read and write", "read only")
    return f"{areas} ({does[0] if WRITE in scopes else does[1]})"


def last_day(until: int | None, language: str) -> str:
    """« 23 novembre 2027 »: the last day on which it holds, in Paris."""
    if until is None:
        return ""
    from babel.dates import format_date  # its data takes 20 MB: only who has news to tell pays

    return format_date(datetime.fromtimestamp((until - 1) / 1000, PLACE), "d MMMM y", locale=language)
