"""The synthèse as parts of what a person reads of their copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from server.copies.readable import Part
from server.dossier import synthesis
from server.dossier.synthesis import Line
from server.formats.findings import MASKED

if TYPE_CHECKING:
    from server.app import App
    from server.handles import DossierHandle

_TITLES: Final = {
    "allergies": "Allergies", "treatments": "Traitements en cours", "problems": "Problèmes de santé",
    "results": "Derniers résultats", "measures": "Dernières mesures", "vaccinations": "Vaccinations",
    "stays": "Hospitalisations", "past": "Antécédents", "old_treatments": "Traitements passés", "people": "Personnes",
}  # fmt: skip


async def parts(app: App, handle: DossierHandle) -> list[Part]:
    """Each section of the synthèse, with who says so."""
    made = await app.db.read(lambda tx: synthesis.of(app, tx, handle))
    found = []
    for section in made.sections:
        title = f"Synthèse : {_TITLES.get(section.name, section.name)}"
        rows = tuple(_row(line) for line in section.lines)
        said = "Déclaré : aucun." if section.said_none else "Rien n’est noté."
        found.append(Part(title, () if rows else (said,), ("Quoi", "Valeur", "Date", "Qui le dit"), rows))
    return found


def _row(line: Line) -> tuple[str, ...]:
    value = f"{line.value.comparator}{line.value.value} {line.value.unit}".strip() if line.value else ""
    text = "Masqué par son auteur" if line.text == MASKED else line.text
    details = ", ".join(words for _, words in line.details)
    who = "; ".join(source.title or source.author or "vous" for source in line.sources)
    return text, value or details, line.at[:10], who
