"""What a holder settles for the whole dossier. Each change is a record with its author and date; what was never settled
is as the table says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from storage import visibilities
from storage.database import Tx

ON, OFF = "on", "off"


@dataclass(frozen=True, slots=True)
class Choice:
    """`default`: on or off, and where that comes from."""

    default: str
    source: str


CHOICES: Final = {
    "emergency": Choice(ON, "CSP L.1111-17: a professional may read in an emergency unless opposed beforehand"),
    "samu": Choice(ON, "CSP L.1111-17, R.1111-48: so may the SAMU regulator on a call; a separate opposition"),
    "hidden_in_emergency": Choice(OFF, "product.md § 2.7: a third switch; what is hidden stays so by default"),
    "hidden_by_default": Choice(OFF, "product.md § 2.7: visible to those who may, unless the holder says otherwise"),
    "measures_from_documents": Choice(ON, "product.md § 2.3: measures found in documents are copied unless opted out"),
    "file_by_itself": Choice(OFF, "ours: filing is the patient's gesture, until they say « always »"),
}


def chosen(tx: Tx, space_id: str) -> dict[str, bool]:
    """Every choice as it stands now."""
    known = visibilities.chosen(tx, space_id)
    return {name: known.get(name, (choice.default, 0, ""))[0] == ON for name, choice in CHOICES.items()}
