"""A house where everything has happened once: the letters, cards, teams, helpers, drafts and documents that
`tests.browser.states` looks at. `ids` names each of them. Made once a test process (fixture `everything`).
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from mail_gateway.imap.draft_shelf import DraftShelf
from server import (
    absence,
    access,
    correcting,
    filing,
    hours,
    keeping,
    marks,
    people,
    posting,
    push,
    reading,
    teams,
    templates,
    undelivered,
)
from server.actions import acting, consent, own_appointments
from server.actions import measures as measured
from server.agenda import book, feeds, organising, own
from server.agenda.proposals import Moment, Proposal
from server.dossier import asking, consents, depositing, measures
from server.dossier import documents as shelf
from server.dossier.consents import Giving
from server.drafts import Draft, FileFacts, Opening
from server.handles import ConversationHandle
from server.journeys import Sequence, Step, binding, board, sequences
from server.prevention import situations, statuses
from server.prevention.known import rules_of
from server.settings import PLACE
from storage import appointments, delegations
from storage.ids import now_ms
from tests.browser import asked, campaigns, endings, planned
from tests.browser.scenes import appointment, from_elsewhere, letter_with_documents, offer, reminded
from tests.doors.test_emergencies import declare
from tests.doors.test_viewer import letter, three_pages
from tests.doors.test_writing import three
from tests.house import House, Kept
from tests.notice_post import reached, wish
from tests.signing import settle
from tests.support import cda_documents as made
from tests.support.told import lived
from webchat.mail_setup import PROGRAMS

DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
LONG = "\n".join(f"Ligne {number} des consignes." for number in range(60)) + "\n\n> Un\n>> Deux\n\n-- \nDr Morel\nCHU"
REPORT = made.cda(
    results=made.GLUCOSE_TWICE, measures=[made.WEIGHT], immunisations=[made.TETANUS], treatments=[made.PARACETAMOL],
    allergies=[made.PENICILLIN], problems=[made.DIABETES],
)  # fmt: skip
MAIL_DRAFT = (
    "To: Dr Yves Lambert <yves.lambert@clinique-des-lilas-et-des-roses.example>\r\nSubject: Avis demandé\r\n"
    "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain;"
    " charset=utf-8\r\n\r\nCher confrère,\r\n\r\nQue pensez-vous de ces clichés ?\r\n--b\r\nContent-Type: image/png;"
    " name=genou_droit_de_face_et_de_profil_2026.png\r\n\r\nx\r\n--b--\r\n"
).encode()
NADIA = people.Traits("279035121518990", "1.2.250.1.213.1.4.10", "NEUF", "Nadia", "1980-01-01", "F", "75056")
RELAY = {"notice_smtp": "127.0.0.1:1", "notice_tls": "none", "notice_from": "avis@pli.example"}


@dataclass
class Everything:
    """`ids`: what stands for each name in the addresses of `states`."""

    house: House
    ids: dict[str, str] = field(default_factory=dict)

    def address(self, path: str) -> str:
        return path.format(**self.ids)


def kept_everything(folder: Path) -> Kept[dict[str, str]]:
    """Notices may leave by mail and SMS, to where nobody listens."""
    return Kept(folder, _happen, sms_url="http://127.0.0.1:1/", **RELAY)


async def _happen(house: House) -> dict[str, str]:
    scene = Everything(house)
    for name in ("camille", "marcel", "admissions", "anesthesia"):
        scene.ids[name] = f"/for/{house.people[name].mailbox_id}"
    house.people["nadia"] = await people.open_space(house.app, NADIA)
    await _letters(scene)
    await _cards(scene)
    await _agenda(scene)
    await _documents(scene)
    await _measures(scene)
    scene.ids |= await lived(house)
    await _prevention(scene)
    await _sharing(scene)
    await _kept(scene)
    await _office(scene)
    await _expected(scene)
    await _people(scene)
    await _notices(scene)
    await _records(scene)
    await endings.made(scene)
    scene.ids["campaign"] = await campaigns.made(house)
    scene.ids |= await planned.made(house)
    scene.ids |= await asked.made(house)
    scene.ids |= {name: name for name in PROGRAMS}
    return scene.ids


async def _letters(scene: Everything) -> None:
    """Every way a message may look, and every reason for which one may not write."""
    house, ids = scene.house, scene.ids
    app, box = house.app, await house.mailbox("dominique")
    long = await house.letter("morel", "dominique", LONG, "Vos consignes complètes")
    await house.answer("dominique", long.conversation, "Merci.\n\n> Bonjour,\n> lisez-les")
    ids["long"] = long.conversation
    ids["several"] = await three(house)
    sent = await house.answer("dominique", ids["several"], "Je prends 50 mg")
    await correcting.correct(app, box, sent.message, "Je prends 5 mg")
    ids["mine"] = (await house.answer("dominique", ids["several"], "À quelle heure ?")).message
    ids["ended"] = (await from_elsewhere(house)).conversation
    ids["blocked"] = (await house.letter("lab", "dominique", "Votre bilan est prêt.", "Bilan")).conversation
    await house.stand("lab", "dominique", "block", "blocked")
    writer = people.correspondent("cabinet@hopital.example", "Dr Paul BERTIN")
    space = await access.patient(app, writer, house.ins("dominique"))
    ids["failed"] = (
        await posting.post(app, writer, Draft(Opening(space, "Vos résultats"), "Tout va bien."))
    ).conversation
    lost = await house.answer("dominique", ids["failed"], "Merci docteur.")
    there = await reading.people_in(app, await _open(scene, "failed"))
    (member,) = [one.member_id for one in there if one.address == writer.address]
    await undelivered.never(app, space.keys, lost.message, member, "Cette adresse n’existe pas.")
    ids["child"] = (await letter_with_documents(house, "camille")).conversation
    ids["helped"] = (await house.letter("morel", "marcel", "Comment allez-vous ?", "Votre suivi")).conversation


async def _open(scene: Everything, name: str) -> ConversationHandle:
    return await access.conversation(scene.house.app, await scene.house.mailbox("dominique"), scene.ids[name])


async def _cards(scene: Everything) -> None:
    """A card that waits, one that was answered, and one that is over; a reminder."""
    house, ids = scene.house, scene.ids
    box = await house.mailbox("dominique")
    answered, asked = await appointment(house), await offer(house)
    ids |= {"answered": answered.conversation, "granted": asked.conversation}
    await acting.act(house.app, box, answered.message, "agenda.accept", {}, "2")
    await acting.act(house.app, box, asked.message, "catalogue.grant", {}, "3")
    ids["asked"] = (await offer(house, "marcel")).conversation
    ids["reminder"] = await reminded(house)


async def _agenda(scene: Everything) -> None:
    """What Dominique noted alone: at the same time as another, again and again, elsewhere; and a card that asks."""
    house, app = scene.house, scene.house.app
    box, day = await house.mailbox("dominique"), datetime.now(UTC).date()
    handle = await access.dossier(app, box, "agenda")
    for number, entry in enumerate((
        own.Entry("Kiné", f"{day - timedelta(days=6)}T18:00", f"{day - timedelta(days=6)}T18:30", repeats="weekly"),
        own.Entry("Dentiste", f"{day + timedelta(days=1)}T18:15", who="Dr Roche", place="Reims", note="Carte Vitale"),
        own.Entry("Cure à Vichy", f"{day}", f"{day + timedelta(days=3)}"),
        own.Entry("Prendre le traitement", f"{day}T08:00", kind="reminder"),
        own.Entry("Visioconférence", f"{day + timedelta(days=2)}T08:00", zone="Indian/Reunion"),
    )):  # fmt: skip
        await own_appointments.record(app, box, entry, f"noted{number}")
    found = {one.title: one.id for one in await book.appointments(app, handle)}
    scene.ids |= {"noted": found["Dentiste"], "planned": found["Consultation préopératoire"]}
    await feeds.make(app, box, handle, "Mon téléphone", "busy", "")
    asked = await own.offer(app, box, own.Entry("Ophtalmologue", f"{day + timedelta(days=9)}T10:30"))
    scene.ids["to_note"] = asked.conversation


async def _documents(scene: Everything) -> None:
    """A letter with documents, one of them filed; and one of each kind for the viewer."""
    house, ids = scene.house, scene.ids
    box = await house.mailbox("dominique")
    sent = await letter_with_documents(house)
    ids["letter"], ids["message"] = sent.conversation, sent.message
    report = (await reading.thread(house.app, await _open(scene, "letter"))).entries[0].message.attachments[1]
    await acting.act(house.app, box, sent.message, "dossier.file", {"attachment": report.id}, "1")
    (document,) = await shelf.list_documents(house.app, await access.dossier(house.app, box))
    ids |= {"space": report.space, "report": report.id, "document": document.id}
    files = (
        ("pages.pdf", "application/pdf", three_pages()), ("note.txt", "text/plain", b"Une note"),
        ("photo.png", "image/png", DOT), ("notes.zip", "application/zip", b"PK"), ("bilan.xml", "text/xml", REPORT),
    )  # fmt: skip
    ids["files"] = (await letter(house, *files)).conversation
    found = (await reading.thread(house.app, await _open(scene, "files"))).entries[0].message.attachments
    ids |= dict(zip(("pdf", "text", "image", "archive", "data"), (item.id for item in found), strict=True))


async def _measures(scene: Everything) -> None:
    """Curves of hers and of her child, a target, and a card that asks whether to note one."""
    app, now = scene.house.app, datetime.now(UTC)
    said = {
        "": (("blood-pressure", ("13,5", "8,5"), "cm[Hg]"), ("blood-pressure", ("128", "79"), ""),
             ("weight", ("72400",), "g"), ("weight", ("71,8",), "kg"), ("height", ("168",), "cm"),
             ("hba1c", ("6,8",), "")),
        "camille": (("height", ("113",), "cm"), ("height", ("122",), "cm")),
    }  # fmt: skip
    for name, values in said.items():
        box = await scene.house.mailbox("dominique", scene.house.people[name].mailbox_id if name else "")
        handle = await access.dossier(app, box)
        for number, (slug, given, unit) in enumerate(values):
            at = (now - timedelta(days=400 - 60 * number)).date().isoformat()
            entry = await measures.checked(app, handle, measures.Entry(slug, given, unit, at))
            await measured.record(app, box, [entry], f"{name}{number}")
    scene.ids |= {"pressure": "blood-pressure", "weight": "weight", "height": "height", "fever": "temperature"}
    box = await scene.house.mailbox("dominique")
    await measured.aim(app, box, "blood-pressure", "", "135/85", "")
    scene.ids["noting"] = (await measured.offer(app, box, "tension 13/8 pouls 72 et un peu mal")).conversation


async def _prevention(scene: Everything) -> None:
    """An answer of each kind, and what she lives with."""
    app, box = scene.house.app, await scene.house.mailbox("dominique")
    handle, rules = await access.dossier(app, box), rules_of(app)
    for rule, state in (("prevention-45", "done"), ("cervix-b", "refused"), ("influenza", "not_concerned")):
        await statuses.say(app, box, handle, rules.by_id[rule], statuses.Saying(state))
    await situations.say(app, box, handle, situations.checked("carer", "so"), "so")
    scene.ids["rule"] = "prevention-45"


async def _sharing(scene: Everything) -> None:
    """Dr Leroy is the médecin traitant, Dr Benali opened in an emergency, Dr Morel asks; one permission is over."""
    house, ids = scene.house, scene.ids
    box = await house.mailbox("dominique")
    for who in ("leroy", "pharmacy"):
        await house.letter(who, "dominique", "Bonjour", "Votre suivi")
    pharmacy = house.pharmacy.account_id
    await consents.give(house.app, box, Giving(pharmacy, "explicit", ("prescriptions",), 90))
    await consents.give(house.app, box, Giving(pharmacy, "explicit", (), 1))
    await consents.give(house.app, box, Giving(house.leroy.account_id, "treating"))
    await declare(house, "benali")
    office = await house.mailbox("morel")
    to = await access.conversation(house.app, office, ids["long"])
    asked = await asking.ask(house.app, office, to, consent.Wish(("biology", "imaging"), 90, "Préparer l’opération"))
    ids |= {"reader": house.morel.account_id, "request": asked.message}


async def _kept(scene: Everything) -> None:
    """What is kept of the list, and what was begun."""
    app, ids = scene.house.app, scene.ids
    box = await scene.house.mailbox("dominique")
    ids["label"] = label = await marks.name_label(app, box, "Camille et l’école de musique de Reims !")
    for name, kind in (("letter", "pinned"), ("granted", "muted"), ("letter", "label"), ("blocked", "archived")):
        await marks.put(app, box, await _open(scene, name), kind, True, label if kind == "label" else "")
    ids["draft"] = "x" * 22
    await keeping.keep(app, box, ids["draft"], 0, ids["several"], keeping.Writing(text="Encore une question"))
    office = await scene.house.mailbox("morel")
    followed = await access.conversation(app, office, ids["letter"])
    await filing.follow(app, office, followed, True)
    await DraftShelf(app, office).append(MAIL_DRAFT, (), None)
    ids["mail_draft"] = (await keeping.kept(app, office))[0].id


async def _office(scene: Everything) -> None:
    """The admissions: one who waits, one that Claire Petit took, one handed over; hours, texts, an absence."""
    house, ids, app = scene.house, scene.ids, scene.house.app
    team = await access.mailbox(app, house.petit, house.admissions.mailbox_id)
    for name, patient in (("waits", "marcel"), ("taken", "dominique"), ("handed", "dominique")):
        sent = await house.letter("admissions", patient, "Bonjour", "Votre admission")
        await house.answer(patient, sent.conversation, "À quelle heure dois-je venir ?")
        ids[name] = sent.conversation
    await teams.take(app, team, ids["taken"])
    await teams.hand_over(app, team, ids["handed"], house.anesthesia.account_id)
    week = {day: hours.parse("9:00-12:00, 14 h - 17 h") for day in ("mon", "tue", "wed", "thu", "fri")}
    await hours.say(app, house.petit, house.admissions.account_id, week, 48)
    await templates.save(app, team, "À jeun", "Venez à jeun depuis minuit.")
    now = datetime.now(UTC)
    await absence.declare(app, house.morel.account_id, now - timedelta(days=1), now + timedelta(days=3), "Je reviens.")


async def _expected(scene: Everything) -> None:
    """Marcel is due tomorrow at the admissions, which ask something of him; Dominique too, of whom nothing is asked."""
    app, team = (
        scene.house.app,
        await access.mailbox(scene.house.app, scene.house.petit, scene.house.admissions.mailbox_id),
    )
    asked = Step(
        1, "confirmation", "À jeun : bien compris ?", -1, "00:00", "Rien après minuit.", essential=True, at_once=True
    )
    prepared = await sequences.save(app, team, Sequence("Entrée", "Pour les entrées du lendemain", (asked,)))
    scene.ids["sequence"] = await sequences.save(app, team, sequences.shipped()["operation"])
    scene.ids["step"] = "3"
    start = datetime.combine(board.tomorrow(datetime.now(UTC)), time(9, 30), PLACE)
    for name in ("waits", "taken"):
        to = await access.conversation(app, team, scene.ids[name])
        moment = Moment(start.isoformat(), (start + timedelta(hours=1)).isoformat())
        await organising.propose(app, team, to, Proposal("Votre entrée", (moment,), "Accueil, bâtiment A"))
        (found,) = [
            one for one in await app.db.read(appointments.of_space, to.space_id) if one.organiser_id == team.owner
        ]
        scene.ids[f"due_{name}"] = found.id
        if name == "waits":
            await binding.attach(app, team, to.conversation_id, found.id, prepared)


async def _people(scene: Everything) -> None:
    """Dominique helps Marcel, with his messages alone, and may not write; Camille has two ways in."""
    house = scene.house
    helper, owner = house.dominique.account_id, house.marcel
    until = now_ms() + 90 * 86_400_000
    await house.app.db.write(
        delegations.grant, owner.space_id, helper, "helper", until, owner.account_id, frozenset({"messages"})
    )
    scene.ids["helper"], scene.ids["helped_by"] = owner.account_id, helper
    await settle(house, "nadia")


async def _notices(scene: Everything) -> None:
    house = scene.house
    await reached(house, "dominique", "email", "dominique@exemple.fr")
    await push.subscribe(house.app, house.dominique.account_id, "https://push.example/1", "", "Chrome (Android)")
    link = (await wish(house, "dominique", paused_until=now_ms() + 86_400_000, sms=60)).link
    scene.ids["notice"] = link


async def _records(scene: Everything) -> None:
    """Dr Leroy cares for Marcel, who lets him read; of Camille he may read nothing."""
    house, ids = scene.house, scene.ids
    for patient in ("marcel", "camille"):
        await house.letter("leroy", patient, "Bonjour", f"Consultation de {patient}")
        ids[f"{patient}s"] = house.people[patient].space_id
    giving = consents.Giving(house.leroy.account_id, "treating")
    await consents.give(house.app, await house.mailbox("marcel"), giving)
    to = await access.patient(house.app, house.leroy, house.ins("marcel"))
    older = ""
    for title, code, created, hidden in (
        ("Genou droit", "34874-8", "2026-01-10", frozenset[str]()),
        ("Genou droit, corrigé", "34874-8", "2026-01-10", frozenset[str]()),
        ("Ordonnance", "57833-6", "2022-03-01", frozenset({"hidden"})),
        ("Biopsie", "60568-3", "2026-11-02", frozenset({"untold"})),
    ):
        facts = FileFacts(f"{title}.txt", "text/plain", 0, title=title, document_type=code, created=created)
        replaces = older if title.endswith("corrigé") else ""
        older = await depositing.deposit(house.app, to, facts, f"{title} :".encode(), hidden, replaces)
    ids["untold"] = older
