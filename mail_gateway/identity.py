"""Whether a letter's documents may be shown to the person whose mailbox they came to. Pure.

Promises (security item 35): what is not about them (`server.dossier.about`) is `Held`, never shown and never filed:
904 for somebody else, 903 when nothing says whom it is about, 905 when the traits that would have to say it are
incomplete. What its author hides from the patient, or from those who read for them, is held with 906: the patient's
mailbox never legitimately receives it (dossier facts § 1.5). Does not open anything.

Codes: volet de transmission d'un document CDA par messagerie, error codes 900-906.
"""

from __future__ import annotations

from typing import Final

from mail_gateway.quarantine import Held
from server.dossier import about
from server.dossier.about import Recipient
from server.formats.package import Package

_WHY: Final = {
    about.SOMEBODY_ELSE: ("904", "Un document joint concerne une autre personne que le destinataire"),
    about.NOBODY: ("903", "Un document joint ne dit pas de quel patient il parle (INS absent ou non admis)"),
    about.INCOMPLETE: ("905", "Un document joint sans INS n’a pas les traits d’identité complets de son patient"),
}
_HIDDEN: Final = "Un document joint est marqué invisible au patient (INVISIBLE_PATIENT)"
_HIDDEN_DELEGATES: Final = (
    "Un document joint est marqué invisible aux représentants légaux, qui lisent la messagerie de ce patient"
)


def check(package: Package, recipient: Recipient, *, established: bool = False) -> None:
    """Raises `Held` when what was sent must not be shown to the recipient. `established`: somebody looked, and it is
    about them whatever it says; what its author hides stays hidden.
    """
    if "INVISIBLE_PATIENT" in package.marks:
        raise Held("invisible_patient", _HIDDEN, "906")
    if recipient.represented and "INVISIBLE_REPRESENTANTS_LEGAUX" in package.marks:
        raise Held("invisible_representatives", _HIDDEN_DELEGATES, "906")
    why = "" if established else about.problem(package, recipient)
    if why:
        code, said = _WHY[why]
        raise Held("wrong_patient", said, code)
