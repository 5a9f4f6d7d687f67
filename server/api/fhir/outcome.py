"""Every refusal as an OperationOutcome (FHIR R4 § 2.32.1): the same errors, codes and sentences as the rest of the API.

Promises, as `server.api.problems`: no text of a library, no stack, no word of what was sent.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import msgspec
from aiohttp import web

from server.api.problems import RETRY_AFTER_S
from server.errors import PliError

MEDIA_TYPE: Final = "application/fhir+json"
CODES: Final = "urn:pli:problem"  # the system of our codes
# IssueType (http://hl7.org/fhir/issue-type), by status; what has another stands in `_BY_CODE`.
_ISSUES: Final = {
    400: "invalid", 401: "login", 403: "forbidden", 404: "not-found", 405: "not-supported", 406: "not-supported",
    408: "timeout", 409: "conflict", 412: "conflict", 413: "too-long", 415: "not-supported", 422: "processing",
    429: "throttled", 503: "transient",
}  # fmt: skip
_BY_CODE: Final = {"already_filed": "duplicate", "several_match": "multiple-matches", "blocked": "suppressed"}
_NUMBERS: Final = msgspec.json.Encoder(decimal_format="number")  # a decimal keeps its digits (FHIR R4 § 2.6.1.4)


class Unprocessed(PliError):
    """What the request asks cannot be understood as FHIR."""

    status, code, detail = 400, "bad_request", "Cette demande n’est pas comprise."


class NotMatched(PliError):
    """A condition that was set does not hold (If-Match; a conditional change that no or several resources match)."""

    status, code, detail = 412, "precondition_failed", "La condition posée n’est pas remplie."


class NotServed(PliError):
    status, code, detail = 405, "not_supported", "Cela n’est pas permis par cette interface."


class NotAcceptable(PliError):
    status, code, detail = 406, "not_acceptable", "Seul le format JSON est servi (application/fhir+json)."


def issue(code: str, detail: str, kind: str, severity: str = "error", where: str = "") -> dict[str, Any]:
    told: dict[str, Any] = {
        "severity": severity,
        "code": kind,
        "details": {"coding": [{"system": CODES, "code": code}], "text": detail},
    }
    return told | ({"expression": [where]} if where else {})


def outcome(*issues: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "OperationOutcome", "issue": list(issues)}


def told(error: PliError) -> dict[str, Any]:
    kind = _BY_CODE.get(error.code) or _ISSUES.get(error.status, "exception")
    return outcome(issue(error.code, error.detail, kind, "fatal" if error.status >= 500 else "error"))


def refusal(error: PliError) -> web.Response:
    headers = {}
    if error.status in RETRY_AFTER_S:
        headers["Retry-After"] = RETRY_AFTER_S[error.status]
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="pli"'
    return response(told(error), error.status, headers)


def encoded(resource: Any) -> bytes:
    return _NUMBERS.encode(resource)


def response(resource: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A resource as an answer that no cache keeps."""
    kept = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **(headers or {})}
    return web.Response(body=encoded(resource), status=status, content_type=MEDIA_TYPE, headers=kept)


def decimal(text: str) -> Decimal | None:
    """The number that a decimal text is, with its digits; None when it is words."""
    try:
        number = Decimal(text.strip().replace(",", "."))
    except (ArithmeticError, ValueError):
        return None
    return number if number.is_finite() and abs(number.as_tuple().exponent) < 20 else None  # type: ignore[arg-type]
