"""The demonstration: a cast of invented people, seeded once, and the file that tells how to play them.

Everything here goes through the same functions as real life. Only `pli demo` has the sign-in paths of this module;
`pli serve` never does. The INS numbers are those of public test data, under the test OID.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from server import people, sessions, teams
from server.actions import catalogue
from server.bots import reminders
from server.certificates import Authority
from server.drafts import Actor, Draft, Opening
from server.people import Traits
from server.posting import post
from server.settings import Settings

if TYPE_CHECKING:
    from server.app import App

TEST_OID = "1.2.250.1.213.1.4.10"
OPERATOR_DOMAIN = "operator.example"

HOLDERS = {
    "dominique": Traits("279035121518989", TEST_OID, "PAT-TROIS", "Dominique", "1979-03-28", "F", "51215"),
    "camille": Traits("219067505611793", TEST_OID, "PAT-TROIS", "Camille", "2019-06-14", "F", "75056"),
    "marcel": Traits("150017505604274", TEST_OID, "PAT-DEUX", "Marcel", "1950-01-09", "M", "75056"),
}
WRITERS: dict[str, dict[str, str]] = {
    "morel": {
        "kind": "professional", "name": "Dr Agathe MOREL", "local": "agathe.morel", "role": "Chirurgienne orthopédiste",
        "organisation": "CHU de Pli", "organisation_id": "1120459876", "profession": "G15_10/SM04",
        "national_id": "810100000017",
    },
    "admissions": {
        "kind": "team", "name": "Admissions, CHU de Pli", "local": "admissions", "role": "Bureau des admissions",
        "organisation": "CHU de Pli", "organisation_id": "1120459876",
    },
    "petit": {
        "kind": "professional", "name": "Claire PETIT", "local": "claire.petit", "role": "Secrétaire médicale",
        "organisation": "CHU de Pli", "organisation_id": "1120459876",
    },
    "anesthesia": {
        "kind": "team", "name": "Anesthésie, CHU de Pli", "local": "anesthesie", "role": "Consultation d’anesthésie",
        "organisation": "CHU de Pli", "organisation_id": "1120459876",
    },
    "leroy": {
        "kind": "professional", "name": "Dr Paul LEROY", "local": "paul.leroy", "role": "Médecin généraliste",
        "organisation": "Cabinet médical du Port", "organisation_id": "1120011111", "profession": "G15_10/SM26",
        "national_id": "810100000025",
    },
    "lunel": {
        "kind": "professional", "name": "Louise LUNEL", "local": "louise.lunel", "role": "Opticienne",
        "organisation": "Optique du Port", "organisation_id": "1120022222", "profession": "G15_28",
        "national_id": "810100000033",
    },
    "benali": {
        "kind": "professional", "name": "Dr Karim BENALI", "local": "karim.benali", "role": "Médecin urgentiste",
        "organisation": "SAMU de Pli", "organisation_id": "1120033333", "profession": "G15_10/SM02",
        "national_id": "810100000041",
    },
    "rossi": {
        "kind": "professional", "name": "Marc ROSSI", "local": "marc.rossi", "role": "Pharmacien",
        "organisation": "Pharmacie du Port", "organisation_id": "1120044444", "profession": "G15_21/A",
        "national_id": "810100000058",
    },
    "pharmacy": {
        "kind": "team", "name": "Pharmacie du Port", "local": "pharmacie.du.port", "role": "Pharmacie",
        "organisation": "Pharmacie du Port", "organisation_id": "1120044444", "profession": "G15_21/A",
    },
    "noel": {
        "kind": "professional", "name": "Inès NOËL", "local": "ines.noel", "role": "Conseillère",
        "organisation": "L’aide de Pli", "organisation_id": "service:aide",
    },
    "aide": {
        "kind": "team", "name": "L’aide de Pli", "local": "aide", "role": "Des personnes pour vous aider",
        "organisation": "L’aide de Pli", "organisation_id": "service:aide",
    },
    "lab": {
        "kind": "bot", "name": "Laboratoire de Pli", "local": "labo", "role": "Laboratoire de biologie médicale",
        "organisation": "Laboratoire de Pli", "organisation_id": "1750712184",
    },
    "carnet": {
        "kind": "bot", "name": "Mon carnet de suivi", "local": "carnet", "role": "Service du catalogue",
        "organisation": "Mon carnet de suivi", "organisation_id": "service:carnet-sante",
    },
    "operator": {"kind": "operator", "name": "Exploitation de Pli", "local": "exploitation", "role": "Exploitation"},
}  # fmt: skip


TEAMS = {  # who works where
    "admissions": {"petit": "manager"}, "anesthesia": {"morel": "member"}, "pharmacy": {"rossi": "manager"},
    "aide": {"noel": "manager"},
}  # fmt: skip


def demo_settings(settings: Settings) -> Settings:
    """The settings with what a demonstration needs: its own certificates, the test OID, short retries."""
    pace = settings.submission_messages_per_hour
    authority = Authority.at(settings.data_dir / "certificates")
    certificate, key = authority.issue("pli", ["localhost", settings.mail_domain], server=True)
    return replace(
        settings, demo=True, samu_organisations=settings.samu_organisations or WRITERS["benali"]["organisation_id"],
        help_team=settings.help_team or f"{WRITERS['aide']['local']}@{settings.mail_domain}",
        ins_oids=f"{settings.ins_oids},{TEST_OID}", strict_ins_key=False,
        tls_certificate=settings.tls_certificate or str(certificate), tls_key=settings.tls_key or str(key),
        tls_ca=settings.tls_ca or str(authority.certificate),
        # One account often plays a whole ministry here: the usual limit is lifted, another one counts.
        submission_messages_per_hour=0 if pace == Settings().submission_messages_per_hour else pace,
        mail_retry_seconds="2,5,15,60", mail_give_up_hours=settings.mail_give_up_hours,
    )  # fmt: skip


async def seed(app: App) -> dict[str, Any]:
    """Make the cast, once, and return what `demo.json` says of them. Secrets are made anew at each start."""
    known = _read(app.settings.data_dir / "cast.json")
    if not known:
        known = await _make(app)
        _write(app.settings.data_dir / "cast.json", known)
    told: dict[str, Any] = {}
    for name, person in known.items():
        told[name] = {key: value for key, value in person.items() if key != "account"}
        told[name]["sign_in"] = f"/demo/sign-in/{name}"
        if person["kind"] in {"team", "bot", "operator"}:
            told[name]["token"] = await sessions.new_token(app, person["account"])
    return told


async def _make(app: App) -> dict[str, Any]:
    cast: dict[str, Any] = {}
    actors: dict[str, Actor] = {}
    for name, traits in HOLDERS.items():
        actors[name] = await people.open_space(app, traits)
        cast[name] = {
            "kind": "holder", "name": traits.name, "ins": traits.ins,
            "address": f"{traits.ins}@{app.settings.patient_domain}", "account": actors[name].account_id,
        }  # fmt: skip
    for name, who in WRITERS.items():
        password = secrets.token_urlsafe(12) if who["kind"] in {"professional", "team"} else ""
        facts = {key: value for key, value in who.items() if key not in {"kind", "name", "local"}}
        address = f"{who['local']}@{app.settings.mail_domain}"
        actors[name] = await people.add_writer(app, who["kind"], who["name"], address, password, **facts)
        cast[name] = {"kind": who["kind"], "name": who["name"], "address": address, "account": actors[name].account_id}
        if password:
            cast[name]["password"] = password
    for team, members in TEAMS.items():
        for member, role in members.items():
            await teams.join(app, actors[team].account_id, actors[member].account_id, role, "operator")
    await people.delegate(
        app, actors["camille"].space_id, actors["dominique"].account_id, "representative", None, "operator"
    )
    await _first_letters(app, actors)
    return cast


async def _first_letters(app: App, actors: dict[str, Actor]) -> None:
    """What waits for them on the first day: nobody's first minute is an empty page."""
    from server import access

    dominique = HOLDERS["dominique"].ins
    desk = await access.patient(app, actors["admissions"], dominique)
    await post(
        app, actors["admissions"],
        Draft(
            to=Opening(desk, "Préparer votre venue au CHU"),
            text="Bonjour,\n\nVotre dossier d’admission est ouvert. Le Dr Morel vous écrira ici les consignes avant "
                 "l’opération.\n\n"
            "Vous pouvez nous répondre dans cette conversation, du lundi au vendredi de 9 h à 17 h.\n\nLe bureau des "
            "admissions",
        ),
    )  # fmt: skip
    service = await access.patient(app, actors["carnet"], dominique)
    card = catalogue.service_card("carnet-sante")
    await post(
        app, actors["carnet"],
        Draft(to=Opening(service, card["title"]), kind="card", text=card["text"], card=card),
    )  # fmt: skip
    await reminders.remind(app, actors["marcel"].space_id)


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text())) if path.exists() else {}


def _write(path: Path, content: dict[str, Any]) -> None:
    """Whole or absent, for its owner only."""
    pending = path.with_suffix(".new")
    descriptor = os.open(pending, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file, ensure_ascii=False, indent=1)
    pending.rename(path)


async def trusted_operator(app: App) -> dict[str, str]:
    """The operator that the demonstration trusts, and the files to play it."""
    from mail_gateway import trust

    authority = Authority.at(app.settings.data_dir / "certificates")
    certificate, key = authority.issue("operator", [OPERATOR_DOMAIN, f"mx.{OPERATOR_DOMAIN}", "localhost"], server=True)
    await trust.add(app, OPERATOR_DOMAIN, certificate.read_bytes())
    return {"domain": OPERATOR_DOMAIN, "certificate": str(certificate), "key": str(key)}


async def tell(app: App, cast: dict[str, Any], operator: dict[str, str]) -> Path:
    """Write `demo.json`, once every door is open."""
    settings, ports = app.settings, app.ports
    path = settings.data_dir / "demo.json"
    mail = [door for door in ("smtp", "submission", "submissions", "imap", "imaps") if door in ports]
    told: dict[str, Any] = {"http": f"http://{settings.host}:{ports['http']}"}
    told |= {door: {"host": settings.host, "port": ports[door]} for door in mail}
    told["ca"] = str(settings.data_dir / "certificates" / "authority.pem")
    told["trusted_operator"] = operator
    told["people"] = cast
    _write(path, told)
    return path


def add_sign_in(app: App, site: web.Application) -> None:
    """`GET /demo/sign-in/{name}`: sets the session cookie and leads to `/`."""
    from webchat.security import begin_session

    async def sign_in(request: web.Request) -> web.StreamResponse:
        person = _read(app.settings.data_dir / "cast.json").get(request.match_info["name"])
        if person is None:
            raise web.HTTPNotFound
        response = web.HTTPSeeOther("/")
        await begin_session(app, request, response, person["account"], "demo", strong=False)
        raise response

    site.router.add_get("/demo/sign-in/{name}", sign_in)
