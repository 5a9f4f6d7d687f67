"""The CapabilityStatement (`/api/fhir/metadata`): made from the table, so that it says what is served and no more."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from typing import TYPE_CHECKING, Any, Final

from server.api.fhir import terms
from server.api.fhir.asking import EVERYWHERE

if TYPE_CHECKING:
    from server.api.fhir.front import Resource

DATE: Final = "2026-11-23"  # of the last change of what is served
_ABOUT: Final = (
    "Facade over the patient's record. One bearer token an account, as for the rest of the API; what is absent and what"
    " is forbidden get the same 404. Patients are named by an INS in a form (POST _search), so that no INS stands in a"
    " URL, or by Patient/{id}. Every refusal is an OperationOutcome with a stable code."
)
_SECURITY: Final = "http://terminology.hl7.org/CodeSystem/restful-security-service"


def statement(rows: Iterable[Resource], base: str) -> dict[str, Any]:
    """`base`: where it is served."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": DATE,
        "publisher": "Pli",
        "kind": "instance",
        "software": {"name": "Pli", "version": _version()},
        "implementation": {"description": "Pli", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "patchFormat": ["application/json-patch+json"],
        "rest": [{
            "mode": "server",
            "documentation": _ABOUT,
            "security": {
                "cors": False,
                "service": [{"coding": [{"system": _SECURITY, "code": "OAuth"}], "text": "Bearer token (RFC 6750)"}],
            },
            "resource": [_resource(row) for row in rows if row.interactions()],
            "interaction": [
                {"code": "transaction", "documentation": "ITI-65 (List, DocumentReference, Binary); measures of health"}
            ],
        }],
    }  # fmt: skip


def _resource(row: Resource) -> dict[str, Any]:
    said: dict[str, Any] = {
        "type": row.name,
        "documentation": row.about,
        "interaction": [{"code": code} for code in row.interactions()],
        "versioning": "versioned",
        "conditionalRead": "not-match" if row.finds is not None or row.update is not None else "not-supported",
    }
    if row.update is not None:
        said |= {"conditionalCreate": True, "conditionalUpdate": True, "updateCreate": False}
    if row.profiles:
        said["supportedProfile"] = [f"{terms.PDSM}/{name}" for name in row.profiles]
    if row.search is not None:
        said["searchParam"] = [
            {"name": param.name, "type": param.kind} | ({"documentation": param.about} if param.about else {})
            for param in (*row.params, *EVERYWHERE)
        ]
    return said


def _version() -> str:
    try:
        return installed("pli")
    except PackageNotFoundError:  # run from a checkout that was not installed
        return "0"
