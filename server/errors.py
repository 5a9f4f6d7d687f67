"""The errors of Pli.

    PliError                    has a stable `code`, a `status` (HTTP) and a `detail` for a person, in French
    ├── Unauthorised      401   nobody is signed in, or no longer
    ├── Refused           404   absent or forbidden: the same answer, so that nobody learns which
    ├── NotAllowed        403   the person may see it but not do this, and is told why
    │   ├── SpaceClosed   403   the space is closed: nothing of it opens but the page that opens it again
    │   └── StepUp        403   to go on, a second factor must be given again (« step-up »)
    ├── Conflict          409   it was already done, or done otherwise
    ├── TooLarge          413   over a stated limit
    ├── Invalid           422   what came cannot be understood
    ├── Throttled         429   too often
    └── Unavailable       503   our fault or our load: the same request may work later

The detail is for the person and generic; what helps an operator goes to the log as fields.
"""

from __future__ import annotations


class PliError(Exception):
    """Root of the tree. `code` never changes meaning once published."""

    status = 500
    code = "error"
    detail = "Une erreur s’est produite."

    def __init__(self, code: str | None = None, detail: str | None = None) -> None:
        self.code = code or type(self).code
        self.detail = detail or type(self).detail
        super().__init__(f"{self.code}: {self.detail}")


class Unauthorised(PliError):
    status, code, detail = 401, "unauthorised", "Connectez-vous pour continuer."


class Refused(PliError):
    status, code, detail = 404, "not_found", "Cet élément n’existe pas, ou vous n’y avez pas accès."


class NotAllowed(PliError):
    status, code, detail = 403, "not_allowed", "Cette action n’est pas possible."


class SpaceClosed(NotAllowed):
    """The page /closed says since when, and opens it again."""

    code, detail = "space_closed", "Cet espace est fermé."


class StepUp(NotAllowed):
    """The page /step-up asks for it, then leads back."""

    code, detail = "step_up", "Pour continuer, prouvez à nouveau que c’est bien vous."


class Conflict(PliError):
    status, code, detail = 409, "conflict", "Cette action a déjà été faite."


class TooLarge(PliError):
    status, code, detail = 413, "too_large", "C’est trop lourd."


class Invalid(PliError):
    status, code, detail = 422, "invalid", "Cette demande n’est pas comprise."


class Throttled(PliError):
    status, code, detail = 429, "too_often", "Trop de tentatives. Réessayez dans quelques minutes."


class Unavailable(PliError):
    status, code, detail = 503, "unavailable", "Le service est momentanément indisponible. Rien n’est perdu, réessayez."
