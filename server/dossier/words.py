"""How the sentences of the dossier say days, moments and lists. Pure; French first, English second."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from server.settings import PLACE


def day(ms: int, language: str = "fr") -> str:
    """« 3 mai 2026 », in Paris."""
    from babel.dates import format_date  # its data takes 20 MB: who says no date pays nothing

    return format_date(datetime.fromtimestamp(ms / 1000, PLACE).date(), "long", locale=language)


def moment(ms: int, language: str = "fr") -> str:
    """« 3 mai 2026 à 14 h 05 », in Paris."""
    at = datetime.fromtimestamp(ms / 1000, PLACE)
    hour = f"{at.hour} h {at.minute:02}" if language == "fr" else f"{at.hour}:{at.minute:02}"
    return f"{day(ms, language)} {'à' if language == 'fr' else 'at'} {hour}"


def named(names: Sequence[str], language: str = "fr") -> str:
    """« ordonnances, analyses et mesures »."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {'et' if language == 'fr' else 'and'} {names[-1]}"
