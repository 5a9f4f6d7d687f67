"""Who may do what through the API: every route, by everybody, on what belongs to Dominique.

The expectations stand beside the table of routes: a route without a line here fails the test.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from server.api import described
from server.api.door import Multipart
from server.api.table import ROUTES
from storage.ids import new_id
from tests.support.api import Api, Reply, open_api

EVERYBODY = ("dominique", "camille", "marcel", "morel", "admissions", "lab", "carnet", "operator")
WITH_MAILBOX = set(EVERYBODY)
HOLDERS = {"dominique", "camille", "marcel"}

# route → who gets a 2xx on Dominique's own things: her conversation with the laboratory, its file, her dossier, her
# permission to `carnet`. On a list, everybody gets their own.
MAY: Mapping[str, set[str]] = {
    "openConversation": {"morel", "admissions", "lab", "carnet"},
    "listConversations": WITH_MAILBOX,
    "readConversation": {"dominique", "lab"},
    "postMessage": {"dominique", "lab"},
    "markRead": {"dominique", "lab"},
    "handOver": {"dominique"},
    "giveBack": set(),
    "readEntries": WITH_MAILBOX,
    "act": {"dominique"},
    "upload": WITH_MAILBOX,
    "download": {"dominique", "lab"},
    "listDocuments": HOLDERS,
    "downloadDocument": {"dominique"},
    "readHealth": HOLDERS,
    "readPrevention": HOLDERS,
    "listAppointments": HOLDERS,
    "proposeAppointment": {"morel", "admissions", "lab", "carnet"},
    "readAppointment": {"lab"},
    "moveAppointment": {"lab"},
    "cancelAppointment": {"lab"},
    "readPlanning": {"morel", "admissions", "lab", "carnet"},
    "listCampaigns": {"operator"},
    "readCampaign": set(),
    "addCampaign": {"operator"},
    "moveCampaign": set(),
    "noteAppointment": HOLDERS,
    "changeNotedAppointment": {"dominique"},
    "removeNotedAppointment": {"dominique"},
    "listMeasures": HOLDERS,
    "addMeasures": HOLDERS,
    "listGrants": WITH_MAILBOX,
    "listGrantedDocuments": {"carnet"},
    "listGrantedAppointments": set(),  # carnet was granted the list of documents alone
}
# Who sees the thing, and is told why not.
TOLD = {
    ("act", "lab"): (403, "not_for_you"), ("handOver", "lab"): (409, "handed_over"),
    ("giveBack", "lab"): (409, "nothing_to_return"), ("giveBack", "dominique"): (409, "nothing_to_return"),
}  # fmt: skip
LISTS = ("listConversations", "readEntries", "listDocuments", "listAppointments", "listMeasures", "listGrants")


@dataclass
class Things:
    """What is Dominique's, by id."""

    conversation: str
    card: str
    attachment: str
    document: str
    grant: str
    appointment: str
    noted: str


@pytest.fixture
async def api(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Api]:
    async with open_api(tmp_path, database_url=sqlite_url) as opened:
        yield opened


async def settle(api: Api) -> Things:
    upload = (await api.upload("lab", b"%PDF-1.4")).json["id"]
    sent = await api.letter("lab", "dominique", subject="Vos résultats", attachments=[upload])
    entry = (await api.get("dominique", "/entries")).json["entries"][0]
    attachment = entry["message"]["attachments"][0]["id"]
    await api.post(
        "dominique", f"/messages/{sent['message']}/actions/dossier.file", {"values": {"attachment": attachment}}
    )
    offer = await api.letter("carnet", "dominique", card={"type": "service", "service": "carnet-sante"})
    await api.post("dominique", f"/messages/{offer['message']}/actions/catalogue.grant", {})
    document = (await api.get("dominique", "/documents")).json["documents"][0]["id"]
    grant = (await api.get("dominique", "/grants")).json["grants"][0]["id"]
    card = await api.post("lab", f"/conversations/{sent['conversation']}/messages", {"card": CARD})
    proposed = await api.post("lab", "/appointments", PROPOSED | {"to": api.house.ins("dominique")})
    appointment = proposed.json["appointment"]["id"]
    noted = (await api.post("dominique", "/agenda", NOTED)).json["appointment"]["id"]
    return Things(sent["conversation"], card.json["message"], attachment, document, grant, appointment, noted)


NOTED = {"title": "Dentiste", "start": "2028-12-01"}
PROPOSED: dict[str, Any] = {"title": "Prise de sang", "moments": [{"start": "2028-12-01T09:00:00+01:00"}]}
CAMPAIGN = {
    "name": "N", "title": "T", "text": "T", "title_en": "T", "text_en": "T", "text_falc": "T", "population": [{}],
}  # fmt: skip
CARD = {"type": "reminder", "title": "Contrôle dans un mois", "rule": "controle"}


async def call(api: Api, who: str, name: str, ids: Things, key: str) -> Reply:
    """A request that is right in form, on these things."""
    route = next(route for route in ROUTES if route.name == name)
    at = {
        "readConversation": ids.conversation, "postMessage": ids.conversation, "markRead": ids.conversation,
        "handOver": ids.conversation, "giveBack": ids.conversation,
        "act": ids.card, "download": ids.attachment, "downloadDocument": ids.document,
        "readCampaign": ids.conversation, "moveCampaign": ids.conversation,
        "listGrantedDocuments": ids.grant, "listGrantedAppointments": ids.grant, "readAppointment": ids.appointment,
        "moveAppointment": ids.appointment, "cancelAppointment": ids.appointment,
        "changeNotedAppointment": ids.noted, "removeNotedAppointment": ids.noted,
    }  # fmt: skip
    path = route.path.replace("{id}", at.get(name, "")).replace("{action}", "reminders.later")
    if route.body is Multipart:
        return await api.upload(who, b"x")
    bodies: dict[str, Any] = {
        "openConversation": {"to": api.house.ins("dominique"), "subject": "S", "text": "T"},
        "postMessage": {"text": "T", "client_key": key}, "markRead": {"up_to": 1}, "act": {"client_key": key},
        "noteAppointment": NOTED, "changeNotedAppointment": NOTED,
        "handOver": {"client_key": key}, "giveBack": {"client_key": key},
        "proposeAppointment": PROPOSED | {"to": api.house.ins("dominique")}, "moveAppointment": {"text": "À jeun."},
        "addCampaign": {"campaign": CAMPAIGN}, "moveCampaign": {"do": "start"},
        "addMeasures": {"measures": [{"measure": "weight", "values": ["72"]}], "client_key": key},
    }  # fmt: skip
    return await api.reach(who, route.method, path, json=bodies.get(name))


def test_every_route_says_who_may() -> None:
    assert {route.name for route in ROUTES} == set(MAY)


async def test_nobody_reaches_what_is_dominiques_but_those_who_may(api: Api) -> None:
    things = await settle(api)
    absent = Things(*(new_id() for _ in range(7)))
    served: dict[str, set[str]] = {name: set() for name in MAY}
    for route in ROUTES:
        nobody = await call(api, "", route.name, things, "nobody")
        assert (nobody.status, nobody.code) == (401, "unauthorised"), route.name
        for who in EVERYBODY:
            answer = await call(api, who, route.name, things, who)
            if answer.status < 300:
                served[route.name].add(who)
            elif (route.name, who) in TOLD:
                assert (answer.status, answer.code) == TOLD[route.name, who]
            elif "{id}" in route.path:
                nothing = await call(api, who, route.name, absent, who)
                assert (answer.status, answer.data) == (nothing.status, nothing.data), (route.name, who)
    assert served == MAY


async def test_what_others_list_holds_nothing_of_dominiques(api: Api) -> None:
    things = await settle(api)
    ids = (things.conversation, things.card, things.attachment, things.document, things.grant)
    for name in LISTS:
        for who in ("camille", "marcel", "morel", "admissions", "operator"):
            answer = await call(api, who, name, things, who)
            assert not [one for one in ids if one.encode() in answer.data], (name, who)
            assert b"Dominique" not in answer.data


async def test_no_address_and_no_answer_carries_an_ins(api: Api) -> None:
    assert not [route.path for route in described(api.house.app) if "ins" in route.path.split("/")]
    await settle(api)
    for who in ("lab", "dominique"):
        for name in LISTS:
            answer = await api.get(who, next(route.path for route in ROUTES if route.name == name))
            assert api.house.ins("dominique").encode() not in answer.data
