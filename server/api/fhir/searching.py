"""Searching and reading, for every resource alike: a searchset in pages, one resource with its version.

Promises: what is not served to this caller is not there, in `total` neither. No link holds an INS or a name: a search
that goes on does so by an opaque mark, sealed for the dossier it is about.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from server.api.fhir import asking, outcome, whom
from server.api.fhir.asking import Asked
from server.api.fhir.front import Call, Found
from server.api.fhir.outcome import Unprocessed
from server.api.fhir.terms import inner, instant, outer
from server.errors import Refused
from server.handles import DossierHandle
from storage.ids import new_id
from storage.vault import CannotOpen

_PAGE: Final = "fhir-page"  # what the mark of a page is sealed for
_UNSAID: Final = frozenset({"author.family", "author.given", "author", "identifier", "title"})  # may name somebody


class _Page(msgspec.Struct, frozen=True):
    """Where a search goes on: what was asked, how many resources were given, and the last of them."""

    given: list[tuple[str, str]]
    offset: int
    last: str


async def search(call: Call) -> web.Response:
    """`GET /R?…`, `POST /R/_search`."""
    asked = asking.asked(call.given, call.resource.params)
    if asked.unknown and "handling=strict" in call.prefer:
        raise Unprocessed("unknown_parameter", f"Paramètre inconnu ici : {_names(asked.unknown)}.")
    everywhere = call.resource.everywhere
    if everywhere is not None and not (asked.space or asked.ins[1]):
        anywhere = await everywhere(call)
        if anywhere is not None:
            return outcome.response(bundle(call, asked, None, anywhere, 0, ""))
    handle = await whom.searched(call, asked)
    if not asked.page:
        return outcome.response(bundle(call, asked, handle, await _all(call, handle), 0, ""))
    page = _opened(handle, call.resource.name, asked.page)
    again = asking.asked([*page.given, ("_count", str(asked.count))], call.resource.params)
    return outcome.response(bundle(call, again, handle, await _all(call, handle), page.offset, page.last))


async def read(call: Call) -> web.Response:
    """`GET /R/{id}`; 304 when the caller has this version (If-None-Match)."""
    found = await one(call)
    resource = versioned(found)
    tag = f'W/"{resource["meta"]["versionId"]}"'
    if tag in call.request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers={"ETag": tag, "Cache-Control": "no-store"})
    return outcome.response(resource, headers={"ETag": tag})


async def search_patient(call: Call) -> web.Response:
    """Patient is named by its own identifier, and by its own id."""
    names = {"identifier": "patient.identifier", "_id": "patient"}
    return await search(replace(call, given=tuple((names.get(name, name), value) for name, value in call.given)))


async def one(call: Call) -> Found:
    """The resource that the path names. Raises `Refused`."""
    space_id, _ = inner(call.id)
    handle = await whom.opened(call, space_id)
    found = next((item for item in await _all(call, handle) if item.id == call.id), None)
    if found is None:
        raise Refused
    return found


async def _all(call: Call, handle: DossierHandle) -> list[Found]:
    assert call.resource.finds is not None  # noqa: S101 - the table serves search and read of what can be found
    return await call.resource.finds(call, handle)


def versioned(found: Found) -> dict[str, Any]:
    """The resource with its id, when it changed, and a version that is another one as soon as anything is."""
    resource = found.resource()
    version = hashlib.blake2b(outcome.encoded(resource), digest_size=8).hexdigest()
    changed = {"lastUpdated": instant(found.at)} if found.at else {}
    meta = {"versionId": version, **changed, **resource.pop("meta", {})}
    return {"resourceType": resource.pop("resourceType"), "id": found.id, "meta": meta, **resource}


# ---- the answer of a search ----


def bundle(
    call: Call, asked: Asked, handle: DossierHandle | None, found: list[Found], offset: int, last: str
) -> dict[str, Any]:
    matching = [item for item in found if _matches(asked, item)]
    since = next((n + 1 for n, item in enumerate(matching) if item.id == last), offset) if last else offset
    shown = matching[since : since + asked.count]
    entries: list[dict[str, Any]] = [
        {
            "fullUrl": f"{call.base}/{call.resource.name}/{item.id}",
            "resource": versioned(item),
            "search": {"mode": "match"},
        }
        for item in shown
    ]
    if asked.unknown:
        entries.append({"resource": _passed_over(asked.unknown), "search": {"mode": "outcome"}})
    links = [{"relation": "self", "url": _self(call, asked, handle)}]
    if handle is not None and shown and since + len(shown) < len(matching):
        links.append({"relation": "next", "url": _next(call, asked, handle, since + len(shown), shown[-1].id)})
    return {
        "resourceType": "Bundle",
        "id": outer(new_id()),
        "type": "searchset",
        "total": len(matching),
        "link": links,
    } | ({"entry": entries} if entries else {})


def _matches(asked: Asked, item: Found) -> bool:
    for name, wanted in asked.wanted.items():
        if name == "_id":
            has: list[asking.Value] = [item.id]
        elif name == "_lastUpdated":
            has = [instant(item.at)]
        else:
            has = item.values(name)
        if not asking.matches(asked.kinds[name], wanted, has):
            return False
    return True


def _passed_over(names: tuple[str, ...]) -> dict[str, Any]:
    said = f"Paramètre inconnu ici, passé outre : {_names(names)}."
    return outcome.outcome(outcome.issue("unknown_parameter", said, "not-supported", "warning"))


def _names(names: tuple[str, ...]) -> str:
    """Names alone, never values, and only such as a parameter may have."""
    plain = [name if name.replace("_", "a").replace(".", "a").replace("-", "a").isalnum() else "…" for name in names]
    return ", ".join(name[:40] for name in dict.fromkeys(plain[:20]))


def _self(call: Call, asked: Asked, handle: DossierHandle | None) -> str:
    said = [(name, ",".join(values)) for name, all_ in asked.wanted.items() for values in all_ if name not in _UNSAID]
    if handle is not None:
        said.insert(0, ("patient", f"Patient/{outer(handle.space_id)}"))
    return f"{call.base}/{call.resource.name}?{urlencode([*said, ('_count', str(asked.count))])}"


def _next(call: Call, asked: Asked, handle: DossierHandle, offset: int, last: str) -> str:
    given = [(name, ",".join(values)) for name, all_ in asked.wanted.items() for values in all_]
    page = msgspec.json.encode(_Page(given, offset, last))
    sealed = bytes(handle.keys.seal(_PAGE, call.resource.name, page))
    mark = base64.urlsafe_b64encode(sealed).decode().rstrip("=")
    query = {"patient": f"Patient/{outer(handle.space_id)}", "_count": str(asked.count), "_page": mark}
    return f"{call.base}/{call.resource.name}?{urlencode(query)}"


def _opened(handle: DossierHandle, resource: str, mark: str) -> _Page:
    try:
        sealed = base64.urlsafe_b64decode(mark + "=" * (-len(mark) % 4))
        return msgspec.json.decode(handle.keys.open(_PAGE, resource, sealed), type=_Page)
    except (ValueError, CannotOpen, msgspec.DecodeError):
        raise Unprocessed(
            "bad_page", "Cette suite de recherche n’est plus lisible : recommencez la recherche."
        ) from None
