"""The live chat door: server-rendered pages that work without JavaScript, and the Socket.IO door that makes them live.

    __init__   `add_routes(app, site)`: all of it on one aiohttp application
    visit      who looks, at which mailbox: every page begins there
    lists      the list of conversations, search; marks: follow, archive, pin, mute, label
    thread     a conversation
    pages      agenda, services
    health     the synthèse, vaccinations; results: of laboratories, over time; profile: the medical profile; charts:
               a few numbers as a picture and its table
    prevention what may be thought of, what one says of it; prevention_questions: three of them; prevention_line: the
               vaccines of a life; prevention_record: for a professional
    shelf      documents; shelf_actions: what is done with them; adding: to add one's own
    writing    to write, answer a card, open a conversation, correct; composing: what stands where one writes;
               drafting: drafts; uploading: files in pieces; forms: what comes in a form
    form_pages a form or a checklist filled in; form_words: for templates; questionnaires: those of an office;
               form_asking: to send one
    oidc       to come in by Pro Santé Connect or FranceConnect
    door       to sign in and out, to change language; steps: what each step of it shows; signing: « Connexion et
               sécurité »; account: what a person settles about their own account
    display    text size, contrast, motion of this device
    record     a patient's dossier, for a professional; record_finding, record_documents, record_deposit, record_ways
    office     the board of a team, hours, absences, texts; opening: hours in words
    ready      who is ready for a day; planning: the days of an office, and what it does in them
    sequences  what an office prepares around an appointment, and what is bound to one
    journal    who read the dossier, and each document
    files      downloads, and the few kinds of file that may be shown; viewer: a document to look at, page by page
    socket     Socket.IO: sync, post, act, read, typing; live: a reader for each socket, pulling from its cursor
    present    entry → HTML (`templates/`), the same for a page and for the socket; words: French and English
               (`locale/`)
    security   headers, origins, the session cookie
    campaigns  for the operator: how far each is, pause, go on
    notices    what somebody is told outside Pli; app_shell: Pli as an app, and without a network
    mail_setup one's own mail program: what programs ask for, the help, a page and a profile
    assets     `static/`: stylesheets, icons, ES modules checked by their JSDoc types; what is compressed

Promises: every page works by forms and reloads; with JavaScript it gets faster, never different. No request leaves
for another site; no inline script or style is ever allowed. A page shows nothing that `server.access` did not give a
handle for, and what is absent and what is forbidden look the same.

Does not: decide a right, write a row, or send anything. Messages go through `server.posting.post`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from webchat import (
    account,
    adding,
    agenda,
    agenda_feeds,
    agenda_one,
    agenda_own,
    app_shell,
    asking,
    assets,
    campaigns,
    closing,
    copies,
    delegates,
    devices,
    display,
    door,
    drafting,
    files,
    form_asking,
    form_pages,
    health,
    journal,
    lists,
    mail_access,
    mail_setup,
    marks,
    measures,
    notices,
    office,
    oidc,
    pages,
    passkeys,
    planning,
    prescriptions,
    prevention,
    prevention_questions,
    prevention_record,
    profile,
    questionnaires,
    ready,
    record,
    record_deposit,
    record_documents,
    record_finding,
    record_ways,
    reminders,
    results,
    security,
    sequences,
    sharing,
    shelf,
    shelf_actions,
    signing,
    socket,
    step_up,
    thread,
    uploading,
    viewer,
    writing,
)

if TYPE_CHECKING:
    from server.app import App


def add_routes(app: App, site: web.Application) -> None:
    """Pages, files, static parts and the live socket, with their headers and checks."""
    security.guard(app, site)
    assets.add_routes(app, site)
    lists.add_routes(app, site)
    journal.add_routes(app, site)
    campaigns.add_routes(app, site)
    reminders.add_routes(app, site)
    marks.add_routes(app, site)
    asking.add_routes(app, site)
    measures.add_routes(app, site)
    thread.add_routes(app, site)
    form_pages.add_routes(app, site)
    questionnaires.add_routes(app, site)
    pages.add_routes(app, site)
    agenda.add_routes(app, site)
    agenda_feeds.add_routes(app, site)
    agenda_own.add_routes(app, site)  # its /agenda/new stands before any /agenda/{appointment}
    agenda_one.add_routes(app, site)
    health.add_routes(app, site)
    results.add_routes(app, site)
    profile.add_routes(app, site)
    prevention.add_routes(app, site)
    prevention_questions.add_routes(app, site)
    prevention_record.add_routes(app, site)
    record.add_routes(app, site)
    record_finding.add_routes(app, site)
    record_documents.add_routes(app, site)
    record_deposit.add_routes(app, site)
    record_ways.add_routes(app, site)
    shelf.add_routes(app, site)
    adding.add_routes(app, site)
    shelf_actions.add_routes(app, site)
    writing.add_routes(app, site)
    door.add_routes(app, site)
    oidc.add_routes(app, site)
    account.add_routes(app, site)
    delegates.add_routes(app, site)
    sharing.add_routes(app, site)
    signing.add_routes(app, site)
    passkeys.add_routes(app, site)
    devices.add_routes(app, site)
    mail_access.add_routes(app, site)
    step_up.add_routes(app, site)
    closing.add_routes(app, site)
    prescriptions.add_routes(app, site)
    copies.add_routes(app, site)
    drafting.add_routes(app, site)
    uploading.add_routes(app, site)
    office.add_routes(app, site)
    planning.add_routes(app, site)
    form_asking.add_routes(app, site)
    sequences.add_routes(app, site)
    ready.add_routes(app, site)
    display.add_routes(app, site)
    files.add_routes(app, site)
    viewer.add_routes(app, site)
    notices.add_routes(app, site)
    app_shell.add_routes(app, site)
    mail_setup.add_routes(app, site)
    socket.attach(app, site)
