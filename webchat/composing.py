"""What stands where one writes: the kept draft with its files, whom it goes to, what is offered to begin from, and why
there is nothing to write in when there is not.

Does not: send or keep anything (`webchat.writing`, `webchat.drafting`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from server import access, keeping, mail_drafts, uploads, writing_rules
from server.dossier import documents as shelf
from server.errors import PliError
from server.handles import ConversationHandle, MailboxHandle
from server.keeping import Kept, Writing
from server.reading import Contact
from server.scopes import WRITE
from server.views import Entry
from storage.exchanges import Standing
from storage.ids import new_id
from webchat import present
from webchat.forms import Form
from webchat.visit import Visit

ENTER_COOKIE = "pli-enter"
_CLOSED = frozenset({"closed", "blocked"})
_WRITABLE = frozenset({"open", "told"})  # told: Pli itself answers
QUICK_FOR = frozenset({"professional", "team", "holder"})  # a machine is not thanked


def writing_of(form: Form) -> Writing:
    """What a form of ours holds of a draft."""
    return Writing(
        text=form["text"].replace("\r\n", "\n"),
        subject=form["subject"],
        in_reply_to=form["in_reply_to"][:40],
        only=form["only"][:40],
        uploads=_named(form, "file."),
        documents=_named(form, "document."),
        whom=form["whom"][:40],
    )


def _named(form: Form, prefix: str) -> tuple[str, ...]:
    return tuple(name[len(prefix) :][:40] for name, value in form.fields.items() if name.startswith(prefix) and value)


async def composer(
    visit: Visit,
    to: ConversationHandle,
    others: Sequence[Contact],
    standings: Mapping[str, Standing],
    entries: Sequence[Entry],
    form: Form | None,
    kept: str,
) -> dict[str, Any]:
    """For a thread. `form`: what came back unsent; `kept`: the text that a link asked to begin from."""
    drafts = await keeping.kept(visit.app, visit.box, to.conversation_id) if to.replies in _WRITABLE else []
    named = visit.request.query.get("draft", "")
    drafts.sort(key=lambda item: item.id != named)  # the one that is opened, else the latest
    begun = await mail_drafts.take_files(visit.app, visit.box, drafts[0]) if drafts and form is None else None
    writing = writing_of(form) if form is not None else begun.writing if begun else Writing()
    asked = visit.request.query.get("reply", "") if form is None else ""
    replied = next((entry.message for entry in entries if entry.message.id == (asked or writing.in_reply_to)), None)
    takers = [one for one in others if not _deaf(standings.get(one.member_id))]
    author = next((one for one in takers if replied and asked and one.name == replied.author.name), None)
    text = writing.text or kept or _quick(visit, visit.request.query.get("say", ""))
    return {
        "kept": text,
        "draft": await _draft(visit, form, begun, writing),
        "other_drafts": [item for item in drafts if begun is None or item.id != begun.id] if form is None else [],
        "takers": takers,
        "only": author.member_id if author and len(takers) > 1 else writing.only,
        "replied": replied,
        "quick": replies(visit.words.language),
        "quick_shown": bool(entries) and _may_thank(entries[-1]) and not text,
        "enter_sends": visit.request.cookies.get(ENTER_COOKIE) == "1",
        "has_dossier": visit.box.owner_kind == "holder" and visit.box.may("dossier"),
        "read_only": not visit.box.may(WRITE),
        "ended_by": await writing_rules.closed_since(visit.app, to) if to.replies in _CLOSED else ("", ""),
    }


def _deaf(standing: Standing | None) -> bool:
    return standing is not None and (standing.ended or standing.blocked)


def _may_thank(entry: Entry) -> bool:
    message = entry.message
    return not message.mine and message.kind == "text" and not message.automatic and message.author.kind in QUICK_FOR


async def _draft(visit: Visit, form: Form | None, begun: Kept | None, writing: Writing) -> dict[str, Any]:
    return {
        "id": (form["draft"] if form else "") or (begun.id if begun else new_id()),
        "version": int(form["version"]) if form and form["version"].isdecimal() else begun.version if begun else 0,
        "at": begun.at if begun else "",
        "files": await uploads.listed(visit.app, visit.actor, writing.uploads),
        "documents": await papers(visit, writing.documents),
        "left": [file.name for file in begun.writing.mail.files] if begun and begun.writing.mail else [],
    }


async def sheet(visit: Visit, begun: Kept | None, form: Form | None, documents: Sequence[str] = ()) -> dict[str, Any]:
    """For a new letter. `documents`: chosen before, on the shelf; those that may be sent go with it."""
    begun = await mail_drafts.take_files(visit.app, visit.box, begun) if begun else None
    writing = writing_of(form) if form is not None else begun.writing if begun else Writing()
    more = [document for document in documents if document and document not in writing.documents]
    writing = msgspec.structs.replace(writing, documents=(*writing.documents, *more))
    return {
        "kept": writing.text,
        "kept_subject": writing.subject,
        "draft": await _draft(visit, form, begun, writing),
        "enter_sends": False,
        "has_dossier": visit.box.owner_kind == "holder" and visit.box.may("dossier"),
    }


async def papers(visit: Visit, wanted: Sequence[str] | None = None) -> list[shelf.DocumentView]:
    """Documents of the dossier that may be sent, all of them or those; none where there is no dossier to see."""
    if visit.box.owner_kind != "holder" or (wanted is not None and not wanted):
        return []
    try:
        handle = await access.dossier(visit.app, visit.box)
    except PliError:
        return []  # messages were entrusted to them, not the dossier
    found = await shelf.list_documents(visit.app, handle)
    return [item for item in found if item.change is None and item.size and (wanted is None or item.id in wanted)]


@lru_cache
def replies(language: str) -> list[dict[str, str]]:
    """What is offered to begin from, in this language."""
    known = json.loads((present.FOLDER / "data" / "replies.json").read_text(encoding="utf-8"))
    return list(known.get(language) or known["fr"])


def _quick(visit: Visit, name: str) -> str:
    return next((item["text"] for item in replies(visit.words.language) if item["name"] == name), "")


async def find_draft(visit: Visit, box: MailboxHandle, draft_id: str, conversation: str, whom: str) -> Kept | None:
    """The draft of a new letter to the person of that conversation: the one asked for, else the latest."""
    if draft_id:
        return await keeping.one(visit.app, box, draft_id)
    begun = await keeping.kept(visit.app, box, "")
    return next((item for item in begun if item.writing.to == conversation and item.writing.whom == whom), None)
