"""Who may ask for what: each route of the pages with its rule, each event of the live chat with its. A route that is
not here is a route nobody thought about: `test_matrix` fails.
"""

from __future__ import annotations

from enum import Enum


class Rule(Enum):
    """What one must be to get an answer.

    Under a mailbox (`/…` one’s own, `/for/{mailbox}/…` another’s), whoever may open that mailbox, and besides:
    """

    ANYBODY = "nobody needs to be signed in, and nothing of anybody is shown"
    SIGNED_IN = "it is about one's own account"
    MAILBOX = "nothing more"
    MESSAGES = "for a delegate, the scope messages; the conversation, message or file is in that mailbox"
    AUTHOR = "as MESSAGES, and one wrote that message oneself"
    DOSSIER = "the mailbox is a patient's; for a delegate, the scope dossier"
    AGENDA = "the mailbox is a patient's; for a delegate, the scope agenda"
    SERVICES = "the mailbox is a patient's; for a delegate, the scope services"
    OWN_AFFAIRS = "the mailbox is a patient's, and one is that patient or represents them by law"
    HOLDER = "the mailbox is one's own, and a patient's"
    OFFICE = "the mailbox is a professional's or a team's"
    TEAM = "the mailbox is a team's"
    RECORD = "as OFFICE, by a professional who writes with that patient, was allowed by them, or found them lately"


R = Rule

# (method, path without `/for/{mailbox}`) → rule.
PAGES: dict[tuple[str, str], Rule] = {
    # Messages.
    ("GET", "/"): R.MAILBOX,
    ("GET", "/rows"): R.MAILBOX,
    ("GET", "/search"): R.MAILBOX,
    ("GET", "/c/{conversation}"): R.MESSAGES,
    ("POST", "/c/{conversation}"): R.MESSAGES,
    ("GET", "/c/{conversation}/entries"): R.MESSAGES,
    ("POST", "/c/{conversation}/act"): R.MESSAGES,
    ("POST", "/c/{conversation}/attach"): R.MESSAGES,
    ("POST", "/c/{conversation}/block"): R.MESSAGES,
    ("POST", "/c/{conversation}/draft"): R.MESSAGES,
    ("GET", "/c/{conversation}/labels"): R.MESSAGES,
    ("POST", "/c/{conversation}/labels"): R.MESSAGES,
    ("POST", "/c/{conversation}/marks"): R.MESSAGES,
    ("GET", "/c/{conversation}/m/{message}"): R.MESSAGES,
    ("GET", "/c/{conversation}/m/{message}/correct"): R.AUTHOR,
    ("POST", "/c/{conversation}/m/{message}/correct"): R.AUTHOR,
    ("GET", "/c/{conversation}/m/{message}/html"): R.MESSAGES,
    ("GET", "/c/{conversation}/new"): R.MESSAGES,
    ("POST", "/c/{conversation}/new"): R.MESSAGES,
    ("POST", "/c/{conversation}/new/attach"): R.MESSAGES,
    ("POST", "/c/{conversation}/new/draft"): R.MESSAGES,
    ("POST", "/c/{conversation}/person"): R.MESSAGES,
    ("POST", "/c/{conversation}/team"): R.TEAM,
    ("GET", "/labels"): R.MAILBOX,
    ("POST", "/labels"): R.MAILBOX,
    ("GET", "/new"): R.MAILBOX,
    ("POST", "/new/patient"): R.OFFICE,
    ("GET", "/drafts"): R.MAILBOX,
    ("POST", "/drafts"): R.MAILBOX,
    ("GET", "/drafts/{draft}"): R.MAILBOX,
    ("GET", "/drafts/{draft}/attach"): R.MAILBOX,
    ("POST", "/drafts/{draft}/attach"): R.MAILBOX,
    # Files.
    ("GET", "/files/{space}/{attachment}"): R.MESSAGES,
    ("GET", "/files/{space}/{attachment}/page"): R.MESSAGES,
    ("GET", "/files/{space}/{attachment}/read"): R.MESSAGES,
    ("GET", "/files/{space}/{attachment}/thumbnail"): R.MESSAGES,
    ("GET", "/files/{space}/{attachment}/view"): R.MESSAGES,
    ("GET", "/documents/{document}"): R.DOSSIER,
    ("GET", "/documents/{document}/page"): R.DOSSIER,
    ("GET", "/documents/{document}/read"): R.DOSSIER,
    ("GET", "/documents/{document}/thumbnail"): R.DOSSIER,
    ("GET", "/documents/{document}/view"): R.DOSSIER,
    ("POST", "/uploads"): R.MAILBOX,
    ("OPTIONS", "/uploads"): R.MAILBOX,
    ("PATCH", "/uploads/{upload}"): R.MAILBOX,
    ("DELETE", "/uploads/{upload}"): R.MAILBOX,
    ("GET", "/documents/{document}/readers"): R.DOSSIER,
    # The dossier, the agenda, services.
    ("GET", "/journal"): R.DOSSIER,
    ("GET", "/journal/file"): R.DOSSIER,
    ("GET", "/documents"): R.DOSSIER,
    ("GET", "/documents/add"): R.DOSSIER,
    ("POST", "/documents/add"): R.DOSSIER,
    ("POST", "/documents/act"): R.DOSSIER,
    ("POST", "/documents/by-itself"): R.DOSSIER,
    ("POST", "/documents/folders"): R.DOSSIER,
    ("GET", "/documents/{document}/manage"): R.DOSSIER,
    ("POST", "/documents/{document}/manage"): R.DOSSIER,
    ("GET", "/measures"): R.DOSSIER,
    ("POST", "/measures"): R.DOSSIER,
    ("GET", "/measures/{slug}"): R.DOSSIER,
    ("POST", "/measures/{slug}"): R.DOSSIER,
    ("POST", "/measures/{slug}/correct"): R.DOSSIER,
    ("POST", "/measures/{slug}/send"): R.DOSSIER,
    ("POST", "/measures/{slug}/target"): R.DOSSIER,
    ("GET", "/health"): R.DOSSIER,
    ("GET", "/health/results"): R.DOSSIER,
    ("GET", "/health/results/{key}"): R.DOSSIER,
    ("GET", "/health/vaccinations"): R.DOSSIER,
    ("GET", "/health/profile"): R.DOSSIER,
    ("GET", "/health/profile/{section}"): R.DOSSIER,
    ("POST", "/health/profile/{section}"): R.DOSSIER,
    ("GET", "/agenda"): R.AGENDA,
    ("GET", "/services"): R.SERVICES,
    # Who may read the dossier: the holder's side, then who asks.
    ("GET", "/sharing"): R.HOLDER,
    ("POST", "/sharing/choices"): R.HOLDER,
    ("POST", "/sharing/withdraw"): R.HOLDER,
    ("GET", "/sharing/allow/{account}"): R.HOLDER,
    ("POST", "/sharing/allow/{account}"): R.HOLDER,
    ("GET", "/sharing/ask/{card}"): R.HOLDER,
    ("POST", "/sharing/ask/{card}"): R.HOLDER,
    ("GET", "/sharing/request/{thread}"): R.OFFICE,
    ("POST", "/sharing/request/{thread}"): R.OFFICE,
    ("GET", "/sharing/first/{record}"): R.OFFICE,
    ("POST", "/sharing/first/{record}"): R.OFFICE,
    # Offices.
    ("GET", "/team"): R.TEAM,
    ("GET", "/ready"): R.OFFICE,
    ("POST", "/ready/calls/{call}"): R.OFFICE,
    ("GET", "/hours"): R.OFFICE,
    ("POST", "/hours"): R.OFFICE,
    ("POST", "/absence"): R.OFFICE,
    ("GET", "/templates"): R.OFFICE,
    ("POST", "/templates"): R.OFFICE,
    ("GET", "/prescriptions"): R.DOSSIER,
    ("GET", "/prescriptions/{prescription}"): R.DOSSIER,
    ("POST", "/prescriptions/{prescription}/send"): R.DOSSIER,
    # A copy of everything; the life of the space.
    ("GET", "/export"): R.OWN_AFFAIRS,
    ("GET", "/export/standing"): R.OWN_AFFAIRS,
    ("POST", "/export"): R.OWN_AFFAIRS,
    ("POST", "/export/cancel"): R.OWN_AFFAIRS,
    ("POST", "/export/bring"): R.OWN_AFFAIRS,
    ("GET", "/export/{copy}/{volume}"): R.OWN_AFFAIRS,
    ("GET", "/closing"): R.OWN_AFFAIRS,
    ("POST", "/closing"): R.OWN_AFFAIRS,
    ("GET", "/closed"): R.SIGNED_IN,
    ("POST", "/closed"): R.OWN_AFFAIRS,
    # A patient's dossier, for a professional.
    ("GET", "/patients"): R.OFFICE,
    ("POST", "/patients"): R.OFFICE,
    ("GET", "/patient/{space}"): R.RECORD,
    ("GET", "/patient/{space}/deposit"): R.RECORD,
    ("POST", "/patient/{space}/deposit"): R.RECORD,
    ("POST", "/patient/{space}/secret"): R.RECORD,
    ("POST", "/patient/{space}/emergency"): R.RECORD,
    ("POST", "/patient/{space}/emergency/end"): R.RECORD,
    ("GET", "/patient/{space}/documents/{document}"): R.RECORD,
    ("GET", "/patient/{space}/documents/{document}/page"): R.RECORD,
    ("GET", "/patient/{space}/documents/{document}/read"): R.RECORD,
    ("GET", "/patient/{space}/documents/{document}/thumbnail"): R.RECORD,
    ("GET", "/patient/{space}/documents/{document}/view"): R.RECORD,
    ("POST", "/patient/{space}/documents/{document}/told"): R.RECORD,
    ("POST", "/patient/{space}/documents/{document}/withdraw"): R.RECORD,
    # One's own account.
    ("GET", "/account"): R.SIGNED_IN,
    ("GET", "/account/devices"): R.SIGNED_IN,
    ("GET", "/account/notices"): R.SIGNED_IN,
    ("GET", "/account/notices/offer"): R.SIGNED_IN,
    ("GET", "/account/people"): R.SIGNED_IN,
    ("GET", "/account/people/change/{account}"): R.SIGNED_IN,
    ("GET", "/account/people/code"): R.SIGNED_IN,
    ("GET", "/account/people/invite"): R.SIGNED_IN,
    ("GET", "/account/people/proof/{account}"): R.SIGNED_IN,
    ("GET", "/account/security"): R.SIGNED_IN,
    ("POST", "/account/devices/end"): R.SIGNED_IN,
    ("POST", "/account/devices/everywhere"): R.SIGNED_IN,
    ("POST", "/account/devices/forget"): R.SIGNED_IN,
    ("POST", "/account/devices/others"): R.SIGNED_IN,
    ("POST", "/account/notices"): R.SIGNED_IN,
    ("POST", "/account/notices/offer"): R.SIGNED_IN,
    ("POST", "/account/notices/offline"): R.SIGNED_IN,
    ("POST", "/account/notices/pause"): R.SIGNED_IN,
    ("POST", "/account/notices/push"): R.SIGNED_IN,
    ("POST", "/account/notices/push/end"): R.SIGNED_IN,
    ("POST", "/account/notices/trial"): R.SIGNED_IN,
    ("POST", "/account/passkeys"): R.SIGNED_IN,
    ("POST", "/account/passkeys/options"): R.SIGNED_IN,
    ("POST", "/account/passkeys/{id}/rename"): R.SIGNED_IN,
    ("POST", "/account/passkeys/{id}/revoke"): R.SIGNED_IN,
    ("POST", "/account/people/accept"): R.SIGNED_IN,
    ("POST", "/account/people/change/{account}"): R.SIGNED_IN,
    ("POST", "/account/people/code"): R.SIGNED_IN,
    ("POST", "/account/people/end"): R.SIGNED_IN,
    ("POST", "/account/people/invite"): R.SIGNED_IN,
    ("POST", "/account/people/refuse"): R.SIGNED_IN,
    ("POST", "/account/people/resign"): R.SIGNED_IN,
    ("POST", "/account/people/withdraw"): R.SIGNED_IN,
    ("POST", "/account/security"): R.SIGNED_IN,
    ("GET", "/step-up"): R.SIGNED_IN,
    ("POST", "/step-up"): R.SIGNED_IN,
    ("POST", "/step-up/code"): R.SIGNED_IN,
    ("POST", "/step-up/options"): R.SIGNED_IN,
    # At the door.
    ("GET", "/sign-in"): R.ANYBODY,
    ("POST", "/sign-in"): R.ANYBODY,
    ("GET", "/sign-in/lost"): R.ANYBODY,
    ("POST", "/sign-in/lost"): R.ANYBODY,
    ("GET", "/sign-in/step"): R.ANYBODY,
    ("POST", "/sign-in/step"): R.ANYBODY,
    ("GET", "/sign-in/{link}"): R.ANYBODY,
    ("POST", "/sign-in/{link}"): R.ANYBODY,
    ("GET", "/sign-in/franceconnect"): R.ANYBODY,
    ("GET", "/sign-in/franceconnect/back"): R.ANYBODY,
    ("GET", "/sign-in/psc"): R.ANYBODY,
    ("GET", "/sign-in/psc/back"): R.ANYBODY,
    ("GET", "/sign-out/franceconnect"): R.ANYBODY,
    ("GET", "/sign-out/psc"): R.ANYBODY,
    ("POST", "/sign-out"): R.ANYBODY,
    ("POST", "/passkey/options"): R.ANYBODY,
    ("POST", "/passkey/sign-in"): R.ANYBODY,
    ("GET", "/notices/{link}"): R.ANYBODY,
    ("POST", "/notices/{link}"): R.ANYBODY,
    ("GET", "/display"): R.ANYBODY,
    ("POST", "/display"): R.ANYBODY,
    ("POST", "/language"): R.ANYBODY,
    ("GET", "/manifest.webmanifest"): R.ANYBODY,
    ("GET", "/sw.js"): R.ANYBODY,
    ("GET", "/offline"): R.ANYBODY,
    ("GET", "/offline/copy"): R.ANYBODY,
    ("GET", "/offline/none"): R.ANYBODY,
}

# Events of the live chat that name a conversation, a message or a mailbox.
EVENTS: dict[str, Rule] = {
    "connect": R.SIGNED_IN,
    "disconnect": R.ANYBODY,
    "sync": R.MAILBOX,
    "post": R.MESSAGES,
    "act": R.MESSAGES,
    "read": R.MESSAGES,
    "typing": R.MESSAGES,
}
