"""Changing what is said of a document (PDSm, flux 03): a JSON Patch (RFC 6902) of status, securityLabel or isArchived,
found by its business identifier (`PATCH /DocumentReference?identifier=…`) or its id.

The patch is applied to the resource as its reader sees it, and what then differs is what is asked; anything else that
differs is refused (405). Each change is done by the dossier's own functions: withdrawing (entered-in-error, for its
author alone), hiding, showing, archiving; one after the other, each with its line in the patient's thread.
"""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import replace
from typing import Any, Final

import msgspec
from aiohttp import web

from server.api.fhir import asking, documents, outcome, searching, terms, whom
from server.api.fhir.asking import Param
from server.api.fhir.front import Call, Found
from server.api.fhir.outcome import NotMatched, NotServed, Unprocessed
from server.api.fhir.terms import Json
from server.dossier import depositing, visibility
from server.dossier.habilitation import ARCHIVED
from server.errors import Invalid, NotAllowed, Refused
from server.handles import DossierHandle

MOST_OPERATIONS: Final = 50
_BY: Final = (*asking.PATIENT, Param("identifier", "token"))
_OLDER: Final = re.compile(r"/extension\[url:[\"“”']?([^\"“”'\]]+)[\"“”']?\](/.*)?")  # as the guide wrote it at first


class _Operation(msgspec.Struct, frozen=True):
    op: str
    path: str
    value: Any = None


async def patch(call: Call) -> web.Response:
    """`PATCH /DocumentReference?identifier=…`, `PATCH /DocumentReference/{id}`."""
    handle, found = await _which(call)
    before = searching.versioned(found)
    condition = call.request.headers.get("If-Match", "")
    if condition and f'W/"{before["meta"]["versionId"]}"' not in condition:
        raise NotMatched("changed_meanwhile", "Ce document a changé depuis : relisez-le.")
    if before["status"] == "entered-in-error":
        raise Refused
    after = patched(before, _operations(call.body))
    await _do(call, handle, terms.inner(found.id)[1], before, after)
    told = [one for one in await documents.everything(call, handle) if one.id == found.id]
    if not told:  # what its author withdrew, or made secret, is not theirs to see any more
        return web.Response(status=204, headers={"Cache-Control": "no-store"})
    resource = searching.versioned(told[0])
    return outcome.response(resource, headers={"ETag": f'W/"{resource["meta"]["versionId"]}"'})


async def _which(call: Call) -> tuple[DossierHandle, Found]:
    """The one document that is meant. Raises `Refused`; `NotMatched` when several are."""
    if call.id:
        handle = await whom.opened(call, terms.inner(call.id)[0])
        found = [one for one in await documents.everything(call, handle) if one.id == call.id]
    else:
        asked = asking.asked(call.given, _BY)
        wanted = asked.wanted.get("identifier", ())
        if len(wanted) != 1 or len(wanted[0]) != 1:
            raise Unprocessed("no_identifier", "Dites quel document : ?identifier=système|valeur.")
        system, _, value = wanted[0][0].rpartition("|")
        own = value if system == terms.ENTRIES and not asked.space else asked.space
        handle = await whom.searched(call, replace(asked, space=own))
        everything = await documents.everything(call, handle)
        found = [one for one in everything if asking.matches("token", wanted, one.values("identifier"))]
        found = [one for one in found if len(found) == 1 or "current" in dict(one.values("status")).values()]  # type: ignore[arg-type]
    if len(found) > 1:
        raise NotMatched("several_match", "Plusieurs documents ont cet identifiant.")
    if not found:
        raise Refused
    return handle, found[0]


def _operations(body: bytes) -> list[_Operation]:
    try:
        operations = msgspec.json.decode(body, type=list[_Operation])
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise Unprocessed("bad_patch", "Une liste d’opérations JSON Patch (RFC 6902) est attendue.") from None
    if not 1 <= len(operations) <= MOST_OPERATIONS:
        raise Unprocessed("bad_patch", f"Une demande a {MOST_OPERATIONS} opérations au plus, et une au moins.")
    return operations


# ---- RFC 6902 --------------------------------------------------------------------------------------------------------


def patched(resource: Json, operations: list[_Operation]) -> Json:
    """The resource with these operations done. Raises `NotServed` for an element that may not be changed, `Invalid`
    for one that cannot, or a test that fails.
    """
    after = deepcopy(resource)
    for one in operations:
        path = _path(one.path)
        if one.op != "test" and path[:1] not in (["status"], ["securityLabel"], ["extension"]):
            raise NotServed("not_patchable", "Seuls status, securityLabel et isArchived peuvent être changés.")
        if one.op not in {"test", "replace", "add", "remove"}:
            raise NotServed("not_patchable", "Opérations servies : test, replace, add, remove.")
        try:
            _apply(after, _by_url(after, path), one)
        except (AttributeError, KeyError, IndexError, ValueError, TypeError):
            raise Invalid("bad_path", "Une opération vise un élément qui n’existe pas.") from None
    return after


def _path(pointer: str) -> list[str]:
    """RFC 6901; besides, an extension by its URL: extension, that, and the rest."""
    older = _OLDER.fullmatch(pointer)
    if older is not None:
        return ["extension", older.group(1), *(older.group(2) or "").split("/")[1:]]
    if not pointer.startswith("/"):
        raise Invalid("bad_path", "Une opération vise un élément qui n’existe pas.")
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")]


def _by_url(resource: Json, path: list[str]) -> list[str]:
    """With the place of the extension that a URL names."""
    if path[0] != "extension" or len(path) < 2 or ":" not in path[1]:
        return path
    older = path[1].rpartition("/")[2].casefold() in {"pdsm-isarchived", "pdsm_isarchived"}
    listed = [one.get("url") for one in resource.get("extension", ())]
    return ["extension", str(listed.index(terms.IS_ARCHIVED if older else path[1])), *path[2:]]


def _apply(resource: Json, path: list[str], one: _Operation) -> None:
    target: Any = resource
    for part in path[:-1]:
        target = target[_index(target, part)] if isinstance(target, list) else target[part]
    last = path[-1]
    if one.op == "test":
        if (target[_index(target, last)] if isinstance(target, list) else target[last]) != one.value:
            raise Invalid("test_failed", "Une vérification (test) de la demande n’est pas remplie.")
    elif isinstance(target, list):
        if one.op == "add":
            target.insert(len(target) if last == "-" else _index(target, last, one_more=1), one.value)
        elif one.op == "replace":
            target[_index(target, last)] = one.value
        else:
            del target[_index(target, last)]
    elif one.op == "remove" or (one.op == "replace" and last not in target):
        del target[last]
    else:
        target[last] = one.value


def _index(target: list[Any], part: str, one_more: int = 0) -> int:
    if not re.fullmatch(r"0|[1-9][0-9]{0,4}", part) or int(part) >= len(target) + one_more:
        raise IndexError(part)
    return int(part)


# ---- what is asked ---------------------------------------------------------------------------------------------------


async def _do(call: Call, handle: DossierHandle, document_id: str, before: Json, after: Json) -> None:
    if any(before.get(name) != after.get(name) for name in before.keys() | after.keys() if name not in _MAY):
        raise NotServed("not_patchable", "Seuls status, securityLabel et isArchived peuvent être changés.")
    archived, deleted = _flags(before), _flags(after)
    withdrawn = _withdrawn(before, after, deleted.get(terms.IS_DELETED) is True)
    hidden, shown = _marks(before, after)
    for mark, on in [*((mark, False) for mark in shown), *((mark, True) for mark in hidden)]:
        await visibility.change(call.app, handle, [document_id], mark, on=on)
    if archived.get(terms.IS_ARCHIVED) != deleted.get(terms.IS_ARCHIVED, False) and not withdrawn:
        on = deleted.get(terms.IS_ARCHIVED, False)
        await visibility.change(call.app, handle, [document_id], ARCHIVED, on=on)
    if withdrawn:
        if handle.ground == "self":
            raise NotAllowed("not_your_deposit", "Seul l’auteur d’un document peut le remplacer ou le retirer.")
        await depositing.withdraw(call.app, handle, document_id)


_MAY: Final = frozenset({"status", "securityLabel", "extension"})


def _flags(resource: Json) -> dict[str, bool]:
    """The extensions, all of them ours: url → true or false. Raises `NotServed`, `Invalid`."""
    found: dict[str, bool] = {}
    listed = resource.get("extension", [])
    for one in listed if isinstance(listed, list) else [listed]:
        url = one.get("url") if isinstance(one, dict) else None
        if url not in (terms.IS_ARCHIVED, terms.IS_DELETED):
            raise NotServed("not_patchable", "Seules les extensions isArchived et isDeleted peuvent être changées.")
        value = {"true": True, "false": False}.get(str(one.get("valueBoolean")).lower())
        if value is None or set(one) != {"url", "valueBoolean"} or url in found:
            raise Invalid("bad_extension", "Une extension a une valeur booléenne, une seule fois.")
        found[str(url)] = value
    return found


def _withdrawn(before: Json, after: Json, deleted: bool) -> bool:
    """Withdrawing is `entered-in-error`, or isDeleted with `superseded`, by draft of the guide. Raises `Invalid`."""
    status = after.get("status")
    if status == before["status"]:
        if deleted:
            raise Invalid("bad_status", "isDeleted va avec le statut « superseded ».")
        return False
    if status == "entered-in-error" or (deleted and status == "superseded"):
        return True
    raise Invalid(
        "bad_status", "Un document est remplacé par le dépôt d’un autre (ITI-65), ou retiré (entered-in-error)."
    )


def _marks(before: Json, after: Json) -> tuple[list[str], list[str]]:
    """(put on, taken off). Raises `Invalid`."""
    level, had = _labels(before)
    wanted_level, wanted = _labels(after)
    if wanted_level != level:
        raise Invalid("bad_mark", "securityLabel : le niveau (N, R, V) est celui du document et ne change pas.")
    return [one for one in wanted if one not in had], [one for one in had if one not in wanted]


def _labels(resource: Json) -> tuple[str, tuple[str, ...]]:
    try:
        concepts = msgspec.convert(resource.get("securityLabel", []), list[dict[str, Any]])
        return terms.marks_of([str(coding["code"]) for one in concepts for coding in one["coding"]])
    except (msgspec.ValidationError, KeyError, TypeError, ValueError):
        raise Invalid("bad_mark", "securityLabel : cette confidentialité n’existe pas.") from None
