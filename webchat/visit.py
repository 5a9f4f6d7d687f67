"""Who looks, and at which mailbox: every page begins here, with a handle of `server.access` or with a refusal."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from server import access, people, sessions
from server.drafts import Actor
from server.handles import MailboxHandle
from webchat import present
from webchat.present import Desk, Whose
from webchat.security import language_of, session_secret
from webchat.words import Words, words

if TYPE_CHECKING:
    from server.app import App

HOLDER_SECTIONS = (("messages", "/"), ("documents", "/documents"), ("agenda", "/agenda"), ("services", "/services"))
OFFICE_SECTIONS = (("messages", "/"), ("templates", "/templates"), ("hours", "/hours"))
TEAM_SECTIONS = (OFFICE_SECTIONS[0], ("team", "/team"), *OFFICE_SECTIONS[1:])


@dataclass(frozen=True, slots=True)
class Visit:
    """A signed-in person at a mailbox they may open."""

    app: App
    request: web.Request
    actor: Actor
    box: MailboxHandle
    desk: Desk

    @property
    def words(self) -> Words:
        return self.desk.words

    def page(self, template: str, section: str, *, status: int = 200, **values: Any) -> web.Response:
        """A page of this desk."""
        sections = {"holder": HOLDER_SECTIONS, "team": TEAM_SECTIONS}.get(self.box.owner_kind, OFFICE_SECTIONS)
        text = present.page(
            template,
            desk=self.desk,
            words=self.words,
            section=section,
            sections=sections,
            here=self.request.path,
            **values,
        )
        return web.Response(text=text, content_type="text/html", status=status)


Page = Callable[[Visit], Awaitable[web.StreamResponse]]


async def desk_of(app: App, actor: Actor, box: MailboxHandle, language: str) -> Desk:
    """The desk at which this actor opens this mailbox."""
    spaces = await people.spaces_of(app, actor)
    traits = await app.db.read(lambda tx: people.traits(app, tx, box.space_id))
    known = tuple(Whose(own.mailbox_id, own.name, own.birth_year, own.kind) for own in spaces)
    mine = next((own for own in known if own.mailbox_id == box.mailbox_id), known[0])
    shown = Whose(box.mailbox_id, mine.name, mine.birth_year, mine.kind, traits.sex if traits else "other")
    base = "" if box.ground == "self" else f"/for/{box.mailbox_id}"
    return Desk(words(language), base, actor.name, actor.kind, shown, known)


async def enter(app: App, request: web.Request) -> Visit:
    """The visit of this request. Raises `Unauthorised`, `Refused`."""
    actor = await sessions.actor_of_session(app, session_secret(app, request))
    box = await access.mailbox(app, actor, request.match_info.get("mailbox", ""))
    return Visit(app, request, actor, box, await desk_of(app, actor, box, language_of(request, actor.language)))


def route(app: App, site: web.Application, method: str, path: str, page: Page) -> None:
    """Serve a page of one's own mailbox at `path`, and of a delegated one at `/for/{mailbox}path`."""

    async def serve(request: web.Request) -> web.StreamResponse:
        return await page(await enter(app, request))

    add = site.router.add_get if method == "GET" else site.router.add_post  # a GET brings its HEAD
    for prefix in ("", "/for/{mailbox}"):
        add(prefix + path, serve)


def nonce() -> str:
    """What makes the keys of a page's forms: pressing twice does a thing once, loading the page again allows it
    again.
    """
    return secrets.token_urlsafe(12)


def number(visit: Visit, name: str) -> int | None:
    """A whole number of the query, or None."""
    text = visit.request.query.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 18 else None
