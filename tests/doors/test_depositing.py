"""A professional deposits in a dossier, replaces and withdraws their own; what must be told first; a minor's secret."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import aiohttp
import msgspec
import pytest
from time_machine import TimeMachineFixture

from server import access, reading
from server.delivery import Parcel
from server.dossier import depositing, volume
from server.dossier import documents as shelf
from server.dossier.announcing import UntoldDocuments
from server.dossier.habilitation import HIDDEN, SECRET, UNTOLD
from server.drafts import FileFacts
from server.enrolment import lifecycle
from server.errors import Conflict, Invalid, NotAllowed, PliError, Refused
from server.handles import DossierHandle
from storage import delegations, deliveries
from tests.browser.visitor import visitor
from tests.house import House
from tests.letters import pdf
from tests.support.cda_documents import GLUCOSE, cda

REPORT = "34874-8"  # compte rendu opératoire


async def record(house: House, who: str, patient: str = "dominique") -> DossierHandle:
    """Their handle, after finding this patient by identity."""
    space_id = house.people[patient].space_id
    await house.app.db.write(volume.found, house.people[who].account_id, space_id)
    return await access.record_of(house.app, await house.mailbox(who), space_id)


async def deposit(
    house: House, who: str, title: str, *marks: str, patient: str = "dominique", kind: str = REPORT,
    created: str = "2026-11-20", replaces: str = "",
) -> str:  # fmt: skip
    to = await access.patient(house.app, house.people[who], house.ins(patient))
    facts = FileFacts(f"{title}.txt", "text/plain", 0, title=title, document_type=kind, created=created)
    return await depositing.deposit(house.app, to, facts, title.encode() + b" :", frozenset(marks), replaces)


async def told(house: House, who: str) -> list[str]:
    box = await house.mailbox(who)
    return [entry.message.text for entry in (await reading.since(house.app, box, 0)).entries]


async def titles(house: House, who: str, of: str = "") -> list[str]:
    """What somebody of the holder's side sees, in their own space or in that of `of`."""
    box = await house.mailbox(who, house.people[of].mailbox_id if of else "")
    found = await shelf.list_documents(house.app, await access.dossier(house.app, box))
    return sorted(one.title for one in found)


async def test_what_dr_morel_deposits_is_in_the_dossier_and_dominique_is_told(house: House) -> None:
    await house.letter("morel", "dominique")
    base = f"/patient/{house.dominique.space_id}"
    async with visitor(house, "morel") as visit:
        form = aiohttp.FormData({"title": "Prothèse du genou", "type": REPORT, "date": "2026-11-20", "seen_by": ""})
        form.add_field("file", pdf(), filename="cr.pdf", content_type="application/pdf")
        done = await visit.post(f"{base}/deposit", form)
        assert done.status == 303
        shown = await visit.get(done.place)
        said = ("Le document est dans le dossier.", "Prothèse du genou", "Déposé par vous")
        assert [one for one in said if one not in shown.said] == []
    assert "Dr Agathe MOREL a déposé « Prothèse du genou » dans votre dossier." in await told(house, "dominique")
    assert await titles(house, "dominique") == ["Prothèse du genou"]


async def test_a_form_that_lacks_something_says_what_and_keeps_what_was_typed(house: House) -> None:
    await house.letter("morel", "dominique")
    base = f"/patient/{house.dominique.space_id}/deposit"
    async with visitor(house, "morel") as visit:
        none = await visit.post(base, {"title": "Genou", "type": REPORT, "date": "2026-11-20"})
        assert (none.status, "Choisissez un fichier." in none.said) == (422, True)
        assert 'value="Genou"' in none.text
        assert 'value="34874-8" selected' in none.text
        for name, octets, said in (
            ("a.html", b"<html><script>1</script></html>", "n’est pas un document de santé"),
            ("a.exe", b"MZ\x90\0\x03", "ni un PDF"),
            ("a.pdf", pdf(), "futur"),
        ):
            form = aiohttp.FormData({"title": "Genou", "type": REPORT, "date": "2126-11-20"})
            form.add_field("file", octets, filename=name)
            answer = await visit.post(base, form)
            assert (answer.status, said in answer.said) == (422, True), (name, answer.said)
    assert await titles(house, "dominique") == []


async def test_a_health_document_about_somebody_else_or_restricted_is_refused(core: House) -> None:
    to = await access.patient(core.app, core.lab, core.ins("dominique"))
    facts = FileFacts("cr.xml", "application/xml", 0)
    with pytest.raises(Invalid) as wrong:
        await depositing.deposit(core.app, to, facts, cda("marcel", results=[GLUCOSE]))
    assert wrong.value.code == "wrong_patient_somebody_else"
    with pytest.raises(NotAllowed) as restricted:
        await depositing.deposit(core.app, to, facts, cda(results=[GLUCOSE], confidentiality=("R",)))
    assert restricted.value.code == "restricted"
    with pytest.raises(NotAllowed) as both:
        await deposit(core, "lab", "Rien", HIDDEN, UNTOLD)
    assert both.value.code == "hidden_and_untold"
    assert await titles(core, "dominique") == []
    await depositing.deposit(core.app, to, facts, cda(results=[GLUCOSE]))
    with pytest.raises(Conflict):
        await depositing.deposit(core.app, to, facts, cda(results=[GLUCOSE]))
    assert len(await titles(core, "dominique")) == 1


async def test_who_deposits_what_they_may_not_see_is_not_told_that_it_is_there(core: House) -> None:
    first = await deposit(core, "lab", "Sérologie", HIDDEN, kind="11502-2")
    second = await deposit(core, "morel", "Sérologie", kind="11502-2")
    assert first != second
    seen = await shelf.list_documents(core.app, await record(core, "morel"))
    assert [one.id for one in seen] == [second]
    for who in ("lab", "morel"):
        with pytest.raises(Conflict):
            await deposit(core, who, "Sérologie", kind="11502-2")


async def test_only_its_author_replaces_or_withdraws_a_document(core: House) -> None:
    first = await deposit(core, "morel", "Genou")
    for who in ("leroy", "lab"):
        with pytest.raises(Refused):
            await deposit(core, who, "Autre", replaces=first)
    leroy = await record(core, "leroy")
    with pytest.raises(Refused):
        await depositing.withdraw(core.app, leroy, first)
    second = await deposit(core, "morel", "Genou, corrigé", replaces=first)
    with pytest.raises(Conflict):
        await deposit(core, "morel", "Genou, encore", replaces=first)
    dominique = await access.dossier(core.app, await core.mailbox("dominique"))
    states = {
        one.title: one.change.state if one.change else "" for one in await shelf.list_documents(core.app, dominique)
    }
    assert states == {"Genou": "replaced", "Genou, corrigé": ""}
    await depositing.withdraw(core.app, await record(core, "morel"), second)
    with pytest.raises(Conflict):
        await depositing.withdraw(core.app, await record(core, "morel"), second)
    last = (await told(core, "dominique"))[-1]
    assert last == "Dr Agathe MOREL a retiré « Genou, corrigé » de votre dossier : ce document y était par erreur."


async def test_a_health_document_replaces_the_one_it_names_when_the_same_hand_deposited_both(core: House) -> None:
    first, second = "1.2.250.1.213.99.1^CR-1", "1.2.250.1.213.99.1^CR-2"
    facts = FileFacts("cr.xml", "application/xml", 0)
    third = "1.2.250.1.213.99.1^CR-3"
    for who, number, replaces in (("lab", first, ""), ("leroy", third, first), ("lab", second, first)):
        to = await access.patient(core.app, core.people[who], core.ins("dominique"))
        set_id, title = "1.2.250.1.213.99.2^CR", number[-4:]
        octets = cda(results=[GLUCOSE], document_id=number, replaces=replaces, set_id=set_id, title=title)
        await depositing.deposit(core.app, to, facts, octets)
    own = await access.dossier(core.app, await core.mailbox("dominique"))
    found = {one.title: bool(one.change) for one in await shelf.list_documents(core.app, own)}
    assert found == {"CR-1": True, "CR-2": False, "CR-3": False}  # Dr Leroy's names it, and replaces nothing of theirs


async def test_who_is_blocked_deposits_and_does_not_read_and_who_is_no_health_professional_does_neither(
    core: House,
) -> None:
    await deposit(core, "lab", "Analyses", kind="11502-2")
    await core.stand("morel", "dominique", "block", "blocked")
    await deposit(core, "morel", "Genou")
    seen = await shelf.list_documents(core.app, await record(core, "morel"))
    assert [one.title for one in seen] == ["Genou"]
    for who in ("petit", "carnet"):
        with pytest.raises(NotAllowed) as refused:
            await deposit(core, who, "Rien")
        assert refused.value.code == "no_depositor"


async def test_nothing_is_deposited_in_a_closed_space(core: House) -> None:
    to = await record(core, "morel")
    await lifecycle.close(core.app, await core.mailbox("dominique"))
    facts = FileFacts("a.txt", "text/plain", 0, title="Genou", document_type=REPORT, created="2026-11-20")
    with pytest.raises(PliError):
        await depositing.deposit(core.app, to, facts, b"Genou")
    with pytest.raises(Refused):
        await access.patient(core.app, core.morel, core.ins("dominique"))


async def test_what_must_be_told_first_is_seen_when_its_author_says_so(house: House) -> None:
    await house.letter("morel", "dominique")
    document = await deposit(house, "morel", "Biopsie", UNTOLD)
    assert await titles(house, "dominique") == []
    assert not [line for line in await told(house, "dominique") if "Biopsie" in line]
    base = f"/patient/{house.dominique.space_id}"
    async with visitor(house, "morel") as visit:
        shown = await visit.get(f"{base}/documents/{document}/view")
        assert "n’a pas encore été annoncé au patient : n’en parlez pas" in shown.said
        assert "1 document que vous ne lui avez pas encore annoncé." in (await visit.get("/patients")).said
        assert (await visit.post(f"{base}/documents/{document}/told")).status == 303
        assert "annoncé." not in (await visit.get("/patients")).said
    assert await titles(house, "dominique") == ["Biopsie"]
    assert [line for line in await told(house, "dominique") if line.startswith("Dr Agathe MOREL a ajouté «")]


async def test_its_author_is_reminded_after_two_weeks_and_it_shows_after_a_month(
    house: House, time_machine: TimeMachineFixture
) -> None:
    await house.letter("morel", "dominique")
    await deposit(house, "morel", "Biopsie", UNTOLD)
    now = datetime.now(UTC)
    time_machine.move_to(now + timedelta(days=14, minutes=1))
    await _due(house)
    (reminder,) = [line for line in await told(house, "morel") if "Biopsie" in line]
    assert "n’a pas encore été annoncé" in reminder
    assert not [line for line in await told(house, "dominique") if "Biopsie" in line]
    time_machine.move_to(now + timedelta(days=30, minutes=1))
    await _due(house)
    assert await titles(house, "dominique") == ["Biopsie"]
    (line,) = [line for line in await told(house, "dominique") if "Biopsie" in line]
    assert line.startswith("Un document de Dr Agathe MOREL est maintenant visible dans votre dossier")


async def _due(house: House) -> None:
    """What is owed by now is done, in this task: no waiting for the worker."""
    for delivery in await house.app.db.write(deliveries.claim, 900_000, 100):
        if delivery.channel != UntoldDocuments.name:
            continue
        keys = await house.app.db.read(lambda tx: reading.space_keys(house.app, tx, house.dominique.space_id))
        target = msgspec.json.decode(keys.open("delivery", delivery.id, delivery.target))
        await UntoldDocuments(house.app).send(Parcel(delivery, keys, target, 1))
        await house.app.db.write(deliveries.done, delivery)


async def test_of_a_minor_each_deposit_says_whether_their_parents_see_it(house: House) -> None:
    await house.letter("leroy", "camille")
    base = f"/patient/{house.camille.space_id}"
    camille = house.camille.space_id
    assert await house.app.db.read(delegations.represented, camille)
    async with visitor(house, "leroy") as visit:

        async def put(title: str, **more: str) -> int:
            form = aiohttp.FormData({"title": title, "type": REPORT, "date": "2026-11-20", **more})
            form.add_field("file", title.encode() + b" :", filename="a.txt", content_type="text/plain")
            return (await visit.post(f"{base}/deposit", form)).status

        assert await put("Rien de dit") == 422
        assert await put("Vu", parents="yes") == 303
        assert await put("Secret", parents="no") == 303
        await visit.post(f"{base}/secret", {"begin": "1"})
        assert "Connexion secrète." in (await visit.get(base)).said
        assert await put("Secret aussi") == 303
        await visit.post(f"{base}/secret", {"begin": ""})
        assert "Quitter la connexion secrète" not in (await visit.get(base)).said
    assert await titles(house, "dominique", "camille") == ["Vu"]
    assert await titles(house, "camille") == ["Secret", "Secret aussi", "Vu"]
    lines = " ".join(await told(house, "camille"))
    assert ("« Vu »" in lines, "Secret" in lines) == (True, False)  # who represents her reads this mailbox
    own = await access.dossier(house.app, await house.mailbox("camille"))
    (secret,) = [one.id for one in await shelf.list_documents(house.app, own) if one.title == "Secret"]
    for who, box, status in (("camille", "", 200), ("dominique", f"/for/{house.camille.mailbox_id}", 404)):
        async with visitor(house, who) as visit:  # a picture made for her is nobody else's
            assert (await visit.get(f"{box}/documents/{secret}/thumbnail")).status == status
    with pytest.raises(Invalid):
        await deposit(house, "leroy", "Autre", "archived", patient="camille")
    assert SECRET in (await _marks(house, "camille"))["Secret"]


async def _marks(house: House, who: str) -> dict[str, tuple[str, ...]]:
    handle = await access.dossier(house.app, await house.mailbox(who))
    return {one.title: one.marks for one in await shelf.list_documents(house.app, handle)}
