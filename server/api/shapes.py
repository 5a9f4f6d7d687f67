"""What the HTTP API takes and gives: one struct a body, strict. The published description is made from these, so it
cannot drift.

A field that is not here is refused; what a limit says is what is enforced. `maxLength` of texts and `maxItems` of
attachments are written in the description and enforced by `server.posting`, which says it in a sentence (413).
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from server.actions.catalogue import GrantView
from server.agenda.book import AppointmentView
from server.dossier.delays import DELAYS
from server.dossier.documents import DocumentView
from server.drafts import MAX_FILES, MAX_SUBJECT, MAX_TEXT
from server.views import AuthorView, ConversationView, Entry

ID = r"^[A-Za-z][A-Za-z0-9_-]{21}$"
MOST = 2**53 - 1  # the largest number that JSON readers agree on
# What never stands in one line of text: control characters, line separators, and what turns the reading direction
# (item 28).
NOT_IN_A_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
NOT_IN_A_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

Id = Annotated[str, Meta(pattern=ID, max_length=22, description="An id that the server gave.")]
Line = Annotated[
    str, Meta(extra_json_schema={"pattern": r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]*$"})
]
Key = Annotated[
    Line,
    Meta(
        max_length=200,
        description="Makes a retry safe: the same key gives the same receipt. As the header Idempotency-Key.",
    ),
]
Text = Annotated[
    str, Meta(extra_json_schema={"maxLength": MAX_TEXT, "pattern": r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"})
]
Short = Annotated[str, Meta(max_length=300)]
Cursor = Annotated[int, Meta(ge=0, le=MOST)]


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What comes from outside."""


class _Card(Request, frozen=True, tag_field="type", omit_defaults=True):
    """What every card has: a title, a text, and English beside them. `for`: who may answer, besides the patient."""

    title: Annotated[str, Meta(min_length=1, max_length=300)]
    text: Annotated[str, Meta(max_length=10_000)] = ""
    title_en: Short = ""
    text_en: Annotated[str, Meta(max_length=10_000)] = ""
    for_: Literal["holder", "anyone"] = msgspec.field(name="for", default="holder")


class AppointmentCard(_Card, frozen=True, tag="appointment"):
    """A proposed appointment. Times are ISO 8601 with their offset; `ics` the iCalendar invitation (RFC 5545), when
    there is one.
    """

    uid: Short = ""
    sequence: Annotated[int, Meta(ge=0, le=2**31)] = 0
    start: Annotated[str, Meta(max_length=40)] = ""
    end: Annotated[str, Meta(max_length=40)] = ""
    all_day: bool = False
    location: Short = ""
    organizer: Short = ""
    ics: Annotated[str, Meta(max_length=10_000)] = ""


class CancellationCard(_Card, frozen=True, tag="cancellation"):
    """An appointment that will not be."""

    uid: Short = ""
    sequence: Annotated[int, Meta(ge=0, le=2**31)] = 0
    start: Annotated[str, Meta(max_length=40)] = ""
    end: Annotated[str, Meta(max_length=40)] = ""
    all_day: bool = False
    location: Short = ""
    organizer: Short = ""


class ReminderCard(_Card, frozen=True, tag="reminder"):
    """A prevention reminder. `rule`: the rule it comes from, with its version and source."""

    rule: Annotated[str, Meta(min_length=1, max_length=100)] = "other"
    version: Annotated[str, Meta(max_length=100)] = ""
    source: Annotated[str, Meta(max_length=500)] = ""


class ServiceCard(Request, frozen=True, tag_field="type", tag="service", omit_defaults=True):
    """A service of the catalogue. Its title, text, scopes and duration are the catalogue's, whatever is sent here."""

    service: Annotated[str, Meta(min_length=1, max_length=100)]
    title: Short = ""
    text: Annotated[str, Meta(max_length=10_000)] = ""
    title_en: Short = ""
    text_en: Annotated[str, Meta(max_length=10_000)] = ""
    scopes: Annotated[list[Short], Meta(max_length=20)] = []
    months: Annotated[int, Meta(ge=1, le=12)] = 1


class ConsentRequestCard(Request, frozen=True, tag_field="type", tag="consent_request", omit_defaults=True):
    """A professional or a team asks to read the dossier. `things`: categories, or PLI-MEASURES, PLI-RECORD,
    PLI-PROFILE; all that may be shared when empty. `reason`: why, which the patient reads. Title and text are ours,
    whatever is sent here.
    """

    reason: Annotated[str, Meta(min_length=3, max_length=1_000)]
    things: Annotated[list[Short], Meta(max_length=20)] = []
    days: Annotated[int, Meta(ge=1, le=DELAYS.consent_days_most)] = 90
    title: Short = ""
    text: Annotated[str, Meta(max_length=10_000)] = ""
    title_en: Short = ""
    text_en: Annotated[str, Meta(max_length=10_000)] = ""


Whose = Annotated[Literal["holder", "anyone", "them"], Meta(description="Whom it asks.")]


class FormCard(Request, frozen=True, tag_field="type", tag="form", omit_defaults=True):
    """A form to fill in: a FHIR R4 `questionnaire`. Its title and text are the questionnaire's, unless they are given.
    Answered by `forms.send`, with `a.{linkId}` for each answer.
    """

    questionnaire: dict[str, Any]
    title: Short = ""
    text: Annotated[str, Meta(max_length=10_000)] = ""
    title_en: Short = ""
    text_en: Annotated[str, Meta(max_length=10_000)] = ""
    for_: Whose = msgspec.field(name="for", default="holder")


class ChecklistCard(Request, frozen=True, tag_field="type", tag="checklist", omit_defaults=True):
    """Things to do and tick, until a day. Answered by `checklists.tick` (`items`: « 1 3 ») and `checklists.done`."""

    title: Annotated[str, Meta(min_length=1, max_length=300)]
    items: Annotated[list[Short], Meta(min_length=1, max_length=30)]
    items_en: Annotated[list[Short], Meta(max_length=30)] = []
    until: Annotated[str, Meta(max_length=10)] = ""
    text: Annotated[str, Meta(max_length=10_000)] = ""
    title_en: Short = ""
    text_en: Annotated[str, Meta(max_length=10_000)] = ""
    for_: Whose = msgspec.field(name="for", default="holder")


Card = AppointmentCard | CancellationCard | ChecklistCard | ConsentRequestCard | FormCard | ReminderCard | ServiceCard
Uploads = Annotated[
    list[Id],
    Meta(extra_json_schema={"maxItems": MAX_FILES}, description="Ids of files uploaded before, by the same account."),
]


class NewConversation(Request, frozen=True):
    """A first letter. `to`: a patient's INS or address; for a patient, the address of a professional who wrote to
    them.
    """

    to: Annotated[str, Meta(min_length=3, max_length=320)]
    subject: Annotated[Line, Meta(min_length=1, max_length=MAX_SUBJECT)]
    text: Text = ""
    card: Card | None = None
    attachments: Uploads = []
    client_key: Key = ""


class NewMessage(Request, frozen=True):
    """One more message of a conversation. `in_reply_to`: a message of the same conversation."""

    text: Text = ""
    card: Card | None = None
    attachments: Uploads = []
    in_reply_to: Id | None = None
    client_key: Key = ""


class NewReturn(Request, frozen=True):
    """The service may write again."""

    client_key: Key = ""


class NewHandover(Request, frozen=True):
    """A person goes on in a conversation. `to`: the address of a team; else one of the service's own organisation.
    `text`: what the service says of it.
    """

    to: Annotated[str, Meta(max_length=320)] = ""
    text: Annotated[str, Meta(max_length=2000)] = ""
    client_key: Key = ""


Value = Annotated[str, Meta(max_length=10_000)] | Annotated[int, Meta(ge=-(2**31), le=2**31)] | bool | None


class NewAction(Request, frozen=True):
    """An answer to a card. `values`: what the action asks for (`{"attachment": id}`, `{"scope": …, "months": …}`,
    `{"on": date}`, `{"text": …, "start": ISO 8601}` to ask for another moment, `{"a.linkId": …}` of a form, a line
    each where several are asked).
    """

    values: Annotated[dict[Annotated[str, Meta(max_length=100)], Value], Meta(max_length=80)] = {}
    client_key: Key = ""


class ReadUpTo(Request, frozen=True):
    """Everything of the conversation up to this number of the mailbox is read."""

    up_to: Cursor


class Nothing(Request, frozen=True):
    """No parameter."""


class SpaceQuery(Request, frozen=True):
    """Whose things."""

    mailbox: Annotated[str, Meta(pattern=ID, description="Whose: a mailbox the caller may act in; their own.")] = ""


class EntriesQuery(Request, frozen=True):
    """From where, how many, and how many seconds to wait for something new."""

    cursor: Annotated[int, Meta(ge=0, le=MOST, description="The last cursor given; 0 is the beginning.")] = 0
    limit: Annotated[int, Meta(ge=1, le=200)] = 100
    wait: Annotated[int, Meta(ge=0, le=60, description="Seconds to wait when there is nothing new (long poll).")] = 0
    mailbox: Annotated[str, Meta(pattern=ID, description="Whose: a mailbox the caller may act in; their own.")] = ""


class PageQuery(Request, frozen=True):
    """A page: those below `before` (0: from the newest), `limit` of them."""

    before: Annotated[int, Meta(ge=0, le=MOST, description="The cursor of the page before; 0: from the newest.")] = 0
    limit: Annotated[int, Meta(ge=1, le=199)] = 50
    mailbox: Annotated[str, Meta(pattern=ID, description="Whose: a mailbox the caller may act in; their own.")] = ""


class Receipt(msgspec.Struct, frozen=True):
    """Committed: what the writer may rely on. `seq`: the number in the writer's own mailbox."""

    conversation: str
    message: str
    seq: int


class Upload(msgspec.Struct, frozen=True):
    """A file that waits for a message to take it."""

    id: str
    name: str
    type: str
    size: int


class Conversations(msgspec.Struct, frozen=True):
    """The newest first. `cursor`: what to give as `before` for older ones, when `more`."""

    conversations: list[ConversationView]
    cursor: int
    more: bool


class Conversation(msgspec.Struct, frozen=True):
    """One conversation and a page of its entries, oldest first. `cursor`: what to give as `before` for older ones,
    when `more`.
    """

    id: str
    subject: str
    with_: list[AuthorView] = msgspec.field(name="with")
    replies: str
    unread: int
    entries: list[Entry]
    cursor: int
    more: bool


class Unread(msgspec.Struct, frozen=True):
    """What is left unread in the mailbox."""

    unread: int


class Documents(msgspec.Struct, frozen=True):
    """Documents of a dossier, the newest filed first."""

    documents: list[DocumentView]


class Grants(msgspec.Struct, frozen=True):
    """Permissions: for a patient all of theirs, for a service those in force."""

    grants: list[GrantView]


class Appointments(msgspec.Struct, frozen=True):
    """The agenda, in order of date."""

    appointments: list[AppointmentView]
