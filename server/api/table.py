"""The table of the API: every route, once. aiohttp serves it and the OpenAPI is made from it, so neither knows more
than the other.
"""

from __future__ import annotations

from server.agenda.planned import Planned
from server.api import campaigns, files, measures, organising, own_agenda, reads, shapes, writing
from server.api.door import Download, Multipart, Route
from server.api.problems import TooSlow, WrongType
from server.dossier.synthesis import Synthesis
from server.errors import Conflict, Invalid, NotAllowed, Refused, TooLarge
from server.prevention.summary import Summary
from server.views import Page

V1 = "/api/v1"
_BODY = (Invalid, TooLarge, TooSlow, WrongType)

ROUTES: tuple[Route, ...] = (
    Route(
        "POST", f"{V1}/conversations", "openConversation", "Write a first letter",
        writing.open_conversation, shapes.Receipt, body=shapes.NewConversation, status=201, retry_key=True,
        refusals=(*_BODY, Refused, NotAllowed),
    ),
    Route(
        "GET", f"{V1}/conversations", "listConversations", "The caller's conversations, the newest first",
        reads.list_conversations, shapes.Conversations, query=shapes.PageQuery, refusals=(Refused,),
    ),
    Route(
        "GET", f"{V1}/conversations/{{id}}", "readConversation", "One conversation and a page of its entries",
        reads.one_conversation, shapes.Conversation, query=shapes.PageQuery, refusals=(Refused,),
    ),
    Route(
        "POST", f"{V1}/conversations/{{id}}/messages", "postMessage", "Write in a conversation",
        writing.post_message, shapes.Receipt, body=shapes.NewMessage, status=201, retry_key=True,
        refusals=(*_BODY, Refused, NotAllowed),
    ),
    Route(
        "POST", f"{V1}/conversations/{{id}}/read", "markRead", "Say that a conversation was read",
        writing.mark_read, shapes.Unread, body=shapes.ReadUpTo, refusals=(*_BODY, Refused),
    ),
    Route(
        "GET", f"{V1}/entries", "readEntries", "The caller's mailbox from a cursor; `wait` makes it a long poll",
        reads.entries, Page, query=shapes.EntriesQuery, refusals=(Refused,),
    ),
    Route(
        "POST", f"{V1}/messages/{{id}}/actions/{{action}}", "act", "Answer a card",
        writing.act, shapes.Receipt, body=shapes.NewAction, status=201, retry_key=True,
        refusals=(*_BODY, Refused, NotAllowed, Conflict),
    ),
    Route(
        "POST", f"{V1}/attachments", "upload", "Upload a file that a message will take",
        files.upload, shapes.Upload, body=Multipart, status=201, refusals=(*_BODY, Refused),
    ),
    Route(
        "GET", f"{V1}/attachments/{{id}}", "download", "A file of a message, or of one's own uploads",
        files.download, Download, query=shapes.SpaceQuery, refusals=(Refused,),
    ),
    Route(
        "GET", f"{V1}/documents", "listDocuments", "The documents of the patient who calls",
        reads.documents, shapes.Documents, query=shapes.SpaceQuery, refusals=(Refused,),
    ),
    Route(
        "GET", f"{V1}/documents/{{id}}", "downloadDocument", "One document of the patient who calls",
        files.document, Download, query=shapes.SpaceQuery, refusals=(Refused,),
    ),
    Route(
        "GET", f"{V1}/health", "readHealth", "What is noted of the patient who calls, each line with who says so",
        reads.health, Synthesis, query=shapes.SpaceQuery, refusals=(Refused,),
    ),
    Route(
        "GET", f"{V1}/prevention", "readPrevention", "What is recommended to the patient who calls, why, who says so",
        reads.prevention, Summary, query=shapes.SpaceQuery, refusals=(Refused,),
    ),
    Route(
        "GET", f"{V1}/appointments", "listAppointments", "The agenda of the patient who calls",
        reads.appointments, shapes.Appointments, query=shapes.SpaceQuery, refusals=(Refused,),
    ),
    Route(
        "POST", f"{V1}/appointments", "proposeAppointment", "Propose an appointment to a patient",
        organising.propose, organising.Organised, query=organising.WhereQuery, body=organising.NewProposal, status=201,
        retry_key=True, refusals=(*_BODY, Refused, NotAllowed, Conflict),
    ),
    Route(
        "GET", f"{V1}/appointments/{{id}}", "readAppointment", "An appointment, for its organiser",
        organising.one, Planned, query=organising.WhereQuery, refusals=(Refused, NotAllowed),
    ),
    Route(
        "PATCH", f"{V1}/appointments/{{id}}", "moveAppointment", "Another version of an appointment",
        organising.move, organising.Organised, query=organising.WhereQuery, body=organising.MovedProposal,
        retry_key=True, refusals=(*_BODY, Refused, NotAllowed, Conflict),
    ),
    Route(
        "DELETE", f"{V1}/appointments/{{id}}", "cancelAppointment", "Call an appointment off",
        organising.cancel, organising.Organised, query=organising.CancelQuery,
        refusals=(Invalid, Refused, NotAllowed, Conflict),
    ),
    Route(
        "GET", f"{V1}/planning", "readPlanning", "The days of the office that calls",
        organising.schedule, organising.Schedule, query=organising.DaysQuery, refusals=(Refused, NotAllowed, Invalid),
    ),
    Route(
        "POST", f"{V1}/agenda", "noteAppointment", "Note an appointment or a reminder in one's own agenda",
        own_agenda.note, own_agenda.Noted, query=shapes.SpaceQuery, body=own_agenda.NewAppointment, status=201,
        retry_key=True, refusals=(*_BODY, Refused, NotAllowed),
    ),
    Route(
        "PUT", f"{V1}/agenda/{{id}}", "changeNotedAppointment", "Change what one noted in one's own agenda",
        own_agenda.change, own_agenda.Noted, query=shapes.SpaceQuery, body=own_agenda.NewAppointment, retry_key=True,
        refusals=(*_BODY, Refused, NotAllowed, Conflict),
    ),
    Route(
        "DELETE", f"{V1}/agenda/{{id}}", "removeNotedAppointment", "Remove what one noted from one's own agenda",
        own_agenda.remove, own_agenda.Removed, query=shapes.SpaceQuery, refusals=(Refused, NotAllowed, Conflict),
    ),
    Route(
        "GET", f"{V1}/measures", "listMeasures", "Measures of health of the patient who calls, or who granted it",
        measures.list_measures, measures.Measures, query=measures.MeasuresQuery, refusals=(Refused,),
    ),
    Route(
        "POST", f"{V1}/measures", "addMeasures", "Add measures of health to a dossier, by its patient or a service",
        measures.add_measures, measures.Kept, query=measures.WhoseQuery, body=measures.NewMeasures, status=201,
        retry_key=True, refusals=(*_BODY, Refused, NotAllowed),
    ),
    Route(
        "GET", f"{V1}/grants", "listGrants", "A patient's permissions, or those of the service that calls",
        reads.grants, shapes.Grants, query=shapes.SpaceQuery, refusals=(Refused,),
    ),
    Route(
        "GET", f"{V1}/grants/{{id}}/documents", "listGrantedDocuments", "What a patient let this service see",
        reads.granted_documents, shapes.Documents, refusals=(Refused,),
    ),
    Route(
        "GET", f"{V1}/grants/{{id}}/appointments", "listGrantedAppointments",
        "The agenda that a patient let this service see",
        reads.granted_appointments, shapes.Appointments, refusals=(Refused,),
    ),
    Route(
        "POST", f"{V1}/conversations/{{id}}/handover", "handOver", "A person goes on in place of a service",
        writing.hand_over, shapes.Receipt, body=shapes.NewHandover, status=201, retry_key=True,
        refusals=(*_BODY, Refused, NotAllowed, Conflict),
    ),
    Route(
        "POST", f"{V1}/conversations/{{id}}/handover/return", "giveBack", "The service may write again",
        writing.give_back, shapes.Receipt, body=shapes.NewReturn, status=201, retry_key=True,
        refusals=(*_BODY, Refused, NotAllowed, Conflict),
    ),
    Route(
        "GET", f"{V1}/campaigns", "listCampaigns", "Every campaign with its counts, for the operator",
        campaigns.list_campaigns, campaigns.Campaigns, refusals=(Refused,),
    ),
    Route(
        "GET", f"{V1}/campaigns/{{id}}", "readCampaign", "One campaign with its counts, for the operator",
        campaigns.one_campaign, campaigns.CampaignView, refusals=(Refused,),
    ),
    Route(
        "POST", f"{V1}/campaigns", "addCampaign", "A campaign as a draft, by the operator",
        campaigns.add_campaign, campaigns.CampaignView, body=campaigns.NewCampaign, status=201,
        refusals=(*_BODY, Refused),
    ),
    Route(
        "POST", f"{V1}/campaigns/{{id}}/moves", "moveCampaign", "Start, pause, resume or stop, by the operator",
        campaigns.move_campaign, campaigns.CampaignView, body=campaigns.NewMove, status=200,
        refusals=(*_BODY, Refused, Conflict),
    ),
)  # fmt: skip
