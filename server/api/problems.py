"""Every error as `application/problem+json` (RFC 9457): `type`, `title`, `status`, a stable `code`, and `detail` for
a person.

Promises: no text of a library, no stack, no word of what was sent. What an operator needs goes to the log as fields,
which name the kind of failure and where in our code, never a value.
"""

from __future__ import annotations

import re
import traceback
from typing import Any

import msgspec
import structlog
from aiohttp import web

from server.errors import Invalid, PliError

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
TITLES = {
    400: "Demande illisible",
    401: "Non connecté",
    403: "Pas permis",
    404: "Introuvable",
    405: "Méthode inconnue ici",
    408: "Trop lent",
    409: "Déjà fait",
    413: "Trop lourd",
    415: "Format non compris",
    422: "Demande non comprise",
    429: "Trop souvent",
    500: "Erreur de notre part",
    503: "Momentanément indisponible",
}
RETRY_AFTER_S = {429: "60", 503: "5"}


class Problem(msgspec.Struct, frozen=True):
    """RFC 9457. `code` never changes meaning once published; `detail` is in French."""

    type: str
    title: str
    status: int
    code: str
    detail: str


class Unreadable(PliError):
    status, code, detail = 400, "unreadable", "Cette demande HTTP ne peut pas être lue."


class WrongMethod(PliError):
    status, code, detail = 405, "method_not_allowed", "Cette méthode n’existe pas ici."


class TooSlow(PliError):
    status, code, detail = 408, "too_slow", "La demande n’est pas arrivée à temps."


class WrongType(PliError):
    status, code, detail = 415, "unsupported_type", "Le corps de la demande n’est pas du type attendu."


def response(error: PliError) -> web.Response:
    """The answer that tells of an error."""
    status = error.status
    problem = Problem(f"urn:pli:problem:{error.code}", TITLES[status], status, error.code, error.detail)
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    if status in RETRY_AFTER_S:
        headers["Retry-After"] = RETRY_AFTER_S[status]
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="pli"'
    return web.Response(body=msgspec.json.encode(problem), status=status, content_type=MEDIA_TYPE, headers=headers)


def unexpected(error: BaseException) -> PliError:
    """What the caller is told of a fault of ours; the log gets its kind and its place, not its text, which may quote
    a letter.
    """
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else ""
    log.error("api.failed", error=type(error).__name__, where=where)
    return PliError()


# What the validator says, in words for whoever wrote the request. Group 1 is a name of ours or of theirs, shown only
# when plain.
_SAID: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"missing required field `([^`]*)`"), "Il manque le champ « {} »."),
    (re.compile(r"unknown field `([^`]*)`"), "Le champ « {} » n’est pas connu."),
    (re.compile(r"`str` of length >= (\d+)"), "Il faut au moins {} caractère(s)."),
    (re.compile(r"`str` of length <= (\d+)"), "{} caractères au plus."),
    (re.compile(r"`(?:array|object)` of length <= (\d+)"), "{} éléments au plus."),
    (re.compile(r"`int` <= (-?\d+)"), "Le nombre doit être au plus {}."),
    (re.compile(r"`int` >= (-?\d+)"), "Le nombre doit être au moins {}."),
    (re.compile(r"matching regex ()"), "La forme n’est pas celle attendue."),
    (re.compile(r"^Expected `([a-z |]+)`"), "Le type attendu est {}."),
)
_TYPES = {
    "str": "une chaîne",
    "int": "un entier",
    "bool": "un booléen",
    "array": "une liste",
    "object": "un objet",
    "null": "null",
}
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,60}")
_PLACE = re.compile(r" - at (?:`key` in )?`\$\.?([a-z_0-9.\[\]]*)`$")


def not_valid(error: msgspec.ValidationError) -> Invalid:
    """The validator's refusal, in our words: what is wrong and in which field."""
    said = str(error)
    place = _PLACE.search(said)
    for pattern, sentence in _SAID:
        found = pattern.search(said)
        if found is not None:
            told = sentence.format(_word(found.group(1)))
            break
    else:
        told = "La valeur n’est pas une de celles possibles."
    return Invalid("invalid", f"{place.group(1)} : {told}" if place and place.group(1) else told)


def _word(text: str) -> str:
    if text and all(part in _TYPES for part in text.split(" | ")):
        return " ou ".join(_TYPES[part] for part in text.split(" | "))
    return text if _PLAIN.fullmatch(text) or text.lstrip("-").isdecimal() else "…"


def schema() -> dict[str, Any]:
    """The media type of every error, for the published description."""
    return {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
