"""The OpenAPI 3.1 description, made from the table of routes and the structs of their bodies."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

import msgspec

from server.api import problems, shapes
from server.api.door import Download, Multipart, Route
from server.errors import Invalid, PliError, Throttled, Unauthorised, Unavailable

_REF = "#/components/schemas/{name}"
_ABOUT = """\
Write to patients and read one's own mailbox, from an application. The token is that of an account (a service, a team, a
patient); it has the rights of that account and no more.

What is absent and what is forbidden get the same 404. Every error is `application/problem+json` with a stable `code`.
An `Idempotency-Key` makes a retry safe: the same key of the same account, for the same conversation (or the same
patient, for a first letter), gives the same receipt. The live events are described in `/api/asyncapi.json`. The FHIR R4
facade over the patient's record, under `/api/fhir`, describes itself in `/api/fhir/metadata` (CapabilityStatement).
"""


def document(routes: tuple[Route, ...], version: str) -> dict[str, Any]:
    """The whole description, ready for JSON."""
    bodies = [t for route in routes for t in (route.body, route.answer) if t not in {None, Multipart, Download}]
    queries = [route.query for route in routes]
    schemas, components = msgspec.json.schema_components([*bodies, *queries, problems.Problem], ref_template=_REF)
    refs = dict(zip([*bodies, *queries], schemas, strict=False))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, refs, components)
    kept = {name: schema for name, schema in components.items() if name not in {query.__name__ for query in queries}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Pli", "version": version, "description": _ABOUT},
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": kept, "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
    }


def _operation(route: Route, refs: dict[Any, Any], components: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": _parameters(route, components),
        "responses": _responses(route, refs),
        "security": [{"bearer": []}] if route.signed_in else [],
    }
    if route.body is Multipart:
        schema = {
            "type": "object",
            "properties": {"file": {"type": "string", "format": "binary", "description": "The file."}},
            "required": ["file"],
        }
        operation["requestBody"] = {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
    elif route.body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": refs[route.body]}}}
    return operation


def _parameters(route: Route, components: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name in re.findall(r"\{(\w+)\}", route.path):
        schema = {"type": "string", "pattern": shapes.ID} if name == "id" else {"type": "string", "minLength": 1}
        found.append({"name": name, "in": "path", "required": True, "schema": schema})
    for name, schema in components[route.query.__name__].get("properties", {}).items():
        found.append({"name": name, "in": "query", "required": False, "schema": schema})
    if route.retry_key:
        schema = {"type": "string", "maxLength": 200, "pattern": r"^[!-~]+( [!-~]+)*$"}
        found.append({"name": "Idempotency-Key", "in": "header", "required": False, "schema": schema})
    return found


def refusals(route: Route) -> tuple[type[PliError], ...]:
    """Every error a route may answer with."""
    return (*route.refusals, Invalid, Unavailable, *((Unauthorised, Throttled) if route.signed_in else ()))


def _responses(route: Route, refs: dict[Any, Any]) -> dict[str, Any]:
    if route.answer is Download:
        content: dict[str, Any] = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
    else:
        content = {"application/json": {"schema": refs[route.answer]}}
    found: dict[str, Any] = {str(route.status): {"description": HTTPStatus(route.status).phrase, "content": content}}
    for error in sorted(refusals(route), key=lambda error: error.status):
        entry: dict[str, Any] = {"description": problems.TITLES[error.status], "content": problems.schema()}
        if error.status in problems.RETRY_AFTER_S:
            entry["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "string"}}}
        found[str(error.status)] = entry
    return found
