"""The façade's own door: who calls, what for, and every refusal as an OperationOutcome.

One route of the site serves all of `/api/fhir`; what is there is the table (`table.RESOURCES`), from which the
CapabilityStatement is made too, so neither knows more than the other. A handler decides nothing about rights: it
obtains a handle (`whom`), and everything in it is decided on item by item (`server.dossier`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from server.api import door as doors
from server.api.door import Door
from server.api.fhir import capability, outcome
from server.api.fhir.asking import Param, Value
from server.api.fhir.outcome import NotAcceptable, NotServed, Unprocessed
from server.api.problems import WrongType
from server.drafts import Actor
from server.errors import NotAllowed, PliError, Refused

if TYPE_CHECKING:
    from server.app import App
    from server.handles import DossierHandle

BASE: Final = "/api/fhir"
MAX_BODY: Final = 30 * 1024 * 1024  # octets: a document of 20 MiB in base64, and what is said of it
MAX_FORM: Final = 16 * 1024
JSON: Final = frozenset({"application/fhir+json", "application/json", "text/json"})
PATCHES: Final = JSON | {"application/json-patch+json"}
_ACCEPTED: Final = frozenset({*JSON, "json", "*/*", "application/*", ""})


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `given`: the parameters, of the URL and of a form. `prefer`: as `return=minimal`, one by one."""

    app: App
    door: Door
    request: web.Request
    actor: Actor
    resource: Resource
    id: str = ""
    given: tuple[tuple[str, str], ...] = ()
    prefer: frozenset[str] = frozenset()
    body: bytes = field(default=b"", repr=False)

    @property
    def base(self) -> str:
        public = self.app.settings.public_url.rstrip("/") or f"{self.request.scheme}://{self.request.host}"
        return f"{public}{BASE}"

    def json(self) -> dict[str, Any]:
        """The body, an object. Raises `Unprocessed`."""
        try:
            found = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            found = None
        if not isinstance(found, dict):
            raise Unprocessed("bad_json", "Le corps de la demande n’est pas une ressource FHIR en JSON.")
        return found


@dataclass(frozen=True, slots=True)
class Found:
    """Something that may be seen. `at`: when it last changed (ms). `values`: what a search compares, by parameter.
    `resource`: makes it; asked only for what is given out. `when`: when it was true, to sort by.
    """

    id: str
    at: int
    values: Callable[[str], list[Value]]
    resource: Callable[[], dict[str, Any]]
    when: str = ""


Finds = Callable[[Call, "DossierHandle"], Awaitable[list[Found]]]
Handles = Callable[[Call], Awaitable[web.Response]]


@dataclass(frozen=True, slots=True)
class Resource:
    """A row of the table. `finds`: all that a reader may see of it in a dossier. `scope`: what a service of the
    catalogue must have been granted to read it ("": never). `everywhere`: what is found when no patient is named.
    """

    name: str
    about: str
    params: tuple[Param, ...] = ()
    finds: Finds | None = None
    scope: str = ""
    everywhere: Callable[[Call], Awaitable[list[Found] | None]] | None = None
    read: Handles | None = None
    search: Handles | None = None
    create: Handles | None = None
    patch: Handles | None = None
    update: Handles | None = None  # by id, and by its identifier
    profiles: tuple[str, ...] = ()

    def interactions(self) -> list[str]:
        served = (("read", self.read), ("search-type", self.search), ("create", self.create), ("patch", self.patch),
                  ("update", self.update))  # fmt: skip
        return [name for name, handler in served if handler is not None]


@dataclass(frozen=True, slots=True)
class Table:
    """`transaction`: what takes a Bundle at the base."""

    resources: Mapping[str, Resource]
    transaction: Handles


SYSTEM: Final = Resource("", "The whole system")


def handler(door: Door, table: Table) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """What serves everything under the base."""

    async def serve(request: web.Request) -> web.StreamResponse:
        told = await doors.answered(door, request, _serve(door, table, request))
        return outcome.refusal(told) if isinstance(told, PliError) else told

    return serve


async def _serve(door: Door, table: Table, request: web.Request) -> web.Response:
    at = [part for part in request.match_info.get("rest", "").split("/") if part]
    if at == ["metadata"]:
        return _statement(door.app, table, request)
    actor, _ = await doors.caller(door.app, request)
    if actor.kind == "operator":
        raise NotAllowed("no_content", "Un compte d’exploitation ne lit ni n’écrit aucun dossier.")
    _acceptable(request)
    resource, resource_id, served = _place(table, request.method, at)
    if request.method not in served:
        answer = outcome.refusal(NotServed())
        answer.headers["Allow"] = ", ".join(sorted(served)) or "GET"
        door.app.metrics.refused("api", NotServed.code)
        return answer
    with door.holding() as hold:
        body = await _body(request, hold, form=at[-1:] == ["_search"])
        given = [*request.query.items(), *(_form(body) if at[-1:] == ["_search"] else ())]
        call = Call(door.app, door, request, actor, resource, resource_id, tuple(given), _prefer(request), body)
        return await served[request.method](call)


def _statement(app: App, table: Table, request: web.Request) -> web.Response:
    if request.method != "GET":
        raise NotServed
    _acceptable(request)
    public = app.settings.public_url.rstrip("/") or f"{request.scheme}://{request.host}"
    return outcome.response(capability.statement(table.resources.values(), f"{public}{BASE}"))


def _place(table: Table, method: str, at: list[str]) -> tuple[Resource, str, dict[str, Handles]]:
    """(resource, id, what is served there by method). Raises `Refused` when nothing is."""
    served: dict[str, Handles | None]
    if not at:
        return SYSTEM, "", {"POST": table.transaction}
    resource = table.resources.get(at[0])
    if resource is None or len(at) > 2:
        raise Refused("not_found", "Il n’y a rien à cette adresse.")
    if len(at) == 1:
        served = {"GET": resource.search, "POST": resource.create, "PATCH": resource.patch, "PUT": resource.update}
    elif at[1] == "_search":
        served = {"POST": resource.search}
    else:
        served = {"GET": resource.read, "PATCH": resource.patch, "PUT": resource.update}
    named = "" if len(at) == 1 or at[1] == "_search" else at[1]
    return resource, named, {verb: does for verb, does in served.items() if does is not None}


def _acceptable(request: web.Request) -> None:
    """Raises `NotAcceptable` for a caller who wants XML only."""
    wanted = request.query.get("_format", "") or request.headers.get("Accept", "")
    kinds = {part.partition(";")[0].strip().lower() for part in wanted.split(",")}
    binary = "Binary/" in request.path  # its own type is negotiated there
    if not binary and kinds.isdisjoint(_ACCEPTED):
        raise NotAcceptable


async def _body(request: web.Request, hold: Callable[[int], None], *, form: bool) -> bytes:
    if request.method not in {"POST", "PATCH", "PUT"}:
        return b""
    if form:
        if request.content_type != "application/x-www-form-urlencoded" and request.can_read_body:
            raise WrongType("not_a_form", "Une recherche par POST est un formulaire (x-www-form-urlencoded).")
        return await doors.read(request, MAX_FORM, hold)
    if request.content_type not in (PATCHES if request.method == "PATCH" else JSON):
        raise WrongType("not_json", "Le corps de la demande doit être en JSON (application/fhir+json).")
    return await doors.read(request, MAX_BODY, hold)


def _form(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100)
    except ValueError:
        raise Unprocessed("bad_form", "Le formulaire de la recherche n’est pas lisible.") from None


def _prefer(request: web.Request) -> frozenset[str]:
    """RFC 7240: several headers, several preferences in each."""
    said = ",".join(request.headers.getall("Prefer", []))
    return frozenset(part.strip().lower().replace(" ", "") for part in said.replace(";", ",").split(",") if part)
