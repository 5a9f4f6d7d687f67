"""Writing by forms alone, as a browser without JavaScript does: to whom, to one of several, with documents, as a draft;
and corrected.
"""

from __future__ import annotations

import re

import aiohttp

from server import access, demo, lookups, reading
from server.actions.acting import act
from server.drafts import Draft, Member, Opening
from server.posting import post
from tests.browser.scenes import REPORT, letter_with_documents
from tests.browser.visitor import Answer, Visitor, visitor
from tests.house import House


async def three(house: House) -> str:
    """Dr Morel writes to Dominique with the admissions team; the conversation."""
    space = await access.patient(house.app, house.morel, house.ins("dominique"))
    team = house.admissions
    members = (Member(team.account_id, team.mailbox_id, team.organisation_id, team.name, team.address, team.role),)
    draft = Draft(to=Opening(space, "Votre entrée", members), text="Nous vous attendons lundi.")
    return (await post(house.app, house.morel, draft)).conversation


def fields(page: Answer, ending: str = "") -> dict[str, str]:
    """The hidden fields and ticked boxes of the sheet of a page, as a browser would send them."""
    sheet = re.search(r'<form[^>]*id="write".*?</form>', page.text, re.DOTALL)
    assert sheet, "nothing to write in"
    tags = re.findall(r"<input[^>]*>", sheet[0])
    sent = [tag for tag in tags if 'type="hidden"' in tag or " checked" in tag]
    found = {re.findall(r'name="([^"]*)"', tag)[0]: re.findall(r'value="([^"]*)"', tag)[0] for tag in sent}
    text = re.search(r"<textarea[^>]*>(.*?)</textarea>", sheet[0], re.DOTALL)
    return {**found, "text": text[1] if text else "", **({"text": ending} if ending else {})}


async def _texts(house: House, who: str) -> list[str]:
    page = await reading.since(house.app, await house.mailbox(who), 0)
    return [entry.message.text for entry in page.entries if entry.kind == "message"]


async def test_before_typing_dominique_sees_whom_she_may_write_to_and_why_not_the_others(house: House) -> None:
    await house.letter("morel", "dominique")
    ended = await house.letter("admissions", "dominique")
    await house.letter("lab", "dominique")
    await house.stand("admissions", "dominique", "replies", "ended")
    async with visitor(house, "dominique") as dominique:
        page = await dominique.get("/new")
        assert re.search(
            r"Dr Agathe MOREL Chirurgienne orthopédiste · CHU de Pli Dernier échange le \d+ \w+", page.said
        )
        assert re.search(
            r"Admissions, CHU de Pli a mis fin à cet échange le \d+ \w+ \d+\. Vous pourrez écrire", page.said
        )
        assert "Ce service automatique ne prend pas de nouveau message." in page.said
        assert f'href="/c/{ended.conversation}/new' not in page.text
        assert "Urgence ?" in page.said
        assert "Dr Agathe MOREL" in (await dominique.get("/new?q=orthopediste")).said
        assert "Personne ne correspond" in (await dominique.get("/new?q=dentiste")).said
        closed = await dominique.get(f"/c/{ended.conversation}")
        assert re.search(r"Admissions, CHU de Pli a mis fin à cet échange le \d+ \w+ \d+\.", closed.said)


async def test_dr_morel_writes_to_a_patient_by_ins_and_birth_date_that_stand_in_no_address(house: House) -> None:
    ins, born = house.ins("marcel"), demo.HOLDERS["marcel"].birth_date
    async with visitor(house, "morel") as morel:
        wrong = await morel.post("/new/patient", {"ins": ins, "birth": "1950-01-02"})
        absent = await morel.post("/new/patient", {"ins": "184127512345640", "birth": born})
        refusal = "Aucun espace ouvert ne correspond à ce matricule et à cette date de naissance."
        assert wrong.status == absent.status == 404
        assert refusal in wrong.said
        assert refusal in absent.said
        sheet = await morel.post("/new/patient", {"ins": ins, "birth": born})
        assert "Marcel" in sheet.said
        form = {**fields(sheet, "Venez me voir."), "subject": "Votre genou"}
        sent, again = await morel.post("/new/patient", form), await morel.post("/new/patient", form)
        assert sent.place == again.place
        assert ins not in sent.place
        for _ in range(lookups.MOST):
            braked = await morel.post("/new/patient", {"ins": ins, "birth": "1950-01-02"})
        assert braked.status == 429
    assert await _texts(house, "marcel") == ["Venez me voir."]
    async with visitor(house, "dominique") as dominique:
        assert (await dominique.post("/new/patient", {"ins": ins, "birth": born})).status == 404


async def test_among_several_one_is_answered_alone_and_everybody_sees_whom(house: House) -> None:
    conversation = await three(house)
    async with visitor(house, "dominique") as dominique:
        page = await dominique.get(f"/c/{conversation}")
        assert "À : Admissions, CHU de Pli, Dr Agathe MOREL" in page.said or (
            "À : Dr Agathe MOREL, Admissions, CHU de Pli" in page.said
        )
        message = re.findall(r'href="[^"]*\?reply=([^"#]+)#write"', page.text)[0]
        answering = await dominique.get(f"/c/{conversation}?reply={message}")
        form = fields(answering, "Pour vous seule.")
        assert (form["in_reply_to"], form["only"]) == (message, house.morel.account_id)
        assert "En réponse à Dr Agathe MOREL" in answering.said
        await dominique.post(f"/c/{conversation}", form)
        assert "À Dr Agathe MOREL seulement" in (await dominique.get(f"/c/{conversation}")).said
    assert await _texts(house, "admissions") == ["Nous vous attendons lundi."]
    async with visitor(house, "morel") as morel:
        assert "À Dr Agathe MOREL seulement" in (await morel.get(f"/c/{conversation}")).said


async def _filed(house: House, dominique: Visitor) -> str:
    """A document in Dominique's dossier; the conversation it came in."""
    letter = await letter_with_documents(house)
    box = await house.mailbox("dominique")
    handle = await access.conversation(house.app, box, letter.conversation)
    entry = (await reading.thread(house.app, handle)).entries[0]
    await act(house.app, box, letter.message, "dossier.file", {"attachment": entry.message.attachments[1].id}, "1")
    return letter.conversation


async def test_a_document_of_the_dossier_goes_with_a_message_and_the_way_there_keeps_the_words(house: House) -> None:
    async with visitor(house, "dominique") as dominique:
        conversation = await _filed(house, dominique)
        sheet = fields(await dominique.get(f"/c/{conversation}"), "Voici le compte rendu")
        chooser = (await dominique.post(f"/c/{conversation}/attach", sheet)).place
        page = await dominique.get(chooser)
        document = re.findall(r'name="(document\.[^"]+)"', page.text)[0]
        assert REPORT in (await dominique.get(f"{chooser}?q=anesthesie durand")).said
        assert "Aucun document ne correspond" in (await dominique.get(f"{chooser}?q=dentiste")).said
        back = await dominique.post(chooser, {document: "1", "shown": document.removeprefix("document.")})
        form = fields(await dominique.get(back.place.partition("#")[0]))
        assert form["text"] == "Voici le compte rendu"
        assert form[document] == "1"
        sent = await dominique.post(f"/c/{conversation}", form)
        assert sent.status == 303
        assert fields(await dominique.get(f"/c/{conversation}"))["text"] == "", "the draft ended with its message"
    async with visitor(house, "morel") as morel:
        thread = await morel.get(f"/c/{conversation}")
        assert thread.said.count(REPORT) > 1
    rows = await house.app.db.read(lambda tx: tx.run("SELECT object FROM audit WHERE act = 'document:sent'"))
    assert rows == [(document.removeprefix("document."),)]
    async with visitor(house, "marcel") as marcel:
        theirs = await house.letter("morel", "marcel")
        stolen = {**fields(await marcel.get(f"/c/{theirs.conversation}"), "x"), document: "1"}
        assert (await marcel.post(f"/c/{theirs.conversation}", stolen)).status == 404


async def test_a_draft_is_kept_without_javascript_listed_taken_up_and_thrown_away(house: House) -> None:
    receipt = await house.letter("morel", "dominique", subject="Consignes")
    thread = f"/c/{receipt.conversation}"
    async with visitor(house, "dominique") as dominique, visitor(house, "marcel") as marcel:
        page = await dominique.get(thread)
        assert f'formaction="{thread}/draft"' in page.text
        photo = aiohttp.FormData({**fields(page, "Merci, et"), "version": "0"})
        photo.add_field("files", b"\x89PNG\r\n\x1a\n", filename="photo.png", content_type="image/png")
        assert (await dominique.post(f"{thread}/draft", photo)).place == "/drafts"
        listed = await dominique.get("/drafts")
        assert re.search(r"Consignes Réponse · .* Merci, et 1 fichier joint", listed.said)
        draft = re.findall(r'href="(/drafts/[^"]+)"', listed.text)[0]
        assert (await marcel.get(draft)).status == 404
        assert (await marcel.post("/drafts", {"draft": draft.rpartition("/")[2]})).status == 303
        again = await dominique.get((await dominique.get(draft)).place.partition("#")[0])
        assert "Merci, et</textarea>" in again.text
        assert "photo.png" in again.said
        await dominique.post("/drafts", {"draft": draft.rpartition("/")[2]})
        assert "Vous n’avez aucun brouillon." in (await dominique.get("/drafts")).said
        assert "Merci, et" not in (await dominique.get(thread)).text


async def test_the_documents_can_be_chosen_before_a_word_is_written_and_an_empty_sheet_is_no_draft(
    house: House,
) -> None:
    async with visitor(house, "dominique") as dominique:
        conversation = await _filed(house, dominique)
        sheet = fields(await dominique.get(f"/c/{conversation}"))
        chooser = (await dominique.post(f"/c/{conversation}/attach", sheet)).place
        assert REPORT in (await dominique.get(chooser)).said
        assert "Vous n’avez aucun brouillon." in (await dominique.get("/drafts")).said
        json = {"Accept": "application/json"}
        kept = await dominique.post(f"/c/{conversation}/draft", {**sheet, "text": "Oui", "version": "1"}, headers=json)
        assert '"version": 2' in kept.text
        rubbed = await dominique.post(f"/c/{conversation}/draft", {**sheet, "version": "2"}, headers=json)
        assert '"version": 0' in rubbed.text


async def test_a_new_letter_is_kept_with_whom_it_is_for(house: House) -> None:
    receipt = await house.letter("morel", "dominique")
    place = f"/c/{receipt.conversation}/new"
    async with visitor(house, "dominique") as dominique:
        form = {**fields(await dominique.get(place), "Ma cicatrice"), "subject": "Une question"}
        await dominique.post(f"{place}/draft", form)
        kept = await dominique.get(place)
        assert "Ma cicatrice</textarea>" in kept.text
        assert 'value="Une question"' in kept.text
        await dominique.post(place, {**fields(kept), "subject": "Une question"})
        assert "Vous n’avez aucun brouillon." in (await dominique.get("/drafts")).said
    assert "Ma cicatrice" in await _texts(house, "morel")


async def test_quick_replies_fill_the_sheet_and_send_nothing(house: House) -> None:
    receipt = await house.letter("morel", "dominique")
    async with visitor(house, "dominique") as dominique:
        page = await dominique.get(f"/c/{receipt.conversation}")
        assert "Merci, bien reçu J’ai une question Je vous rappelle" in page.said
        filled = await dominique.get(f"/c/{receipt.conversation}?say=thanks")
        assert "Merci, j’ai bien reçu votre message.</textarea>" in filled.text
    assert len(await _texts(house, "morel")) == 1


async def test_a_correction_by_form_leaves_its_trace_and_only_its_author_may_make_it(house: House) -> None:
    receipt = await house.letter("morel", "dominique")
    sent = await house.answer("dominique", receipt.conversation, "Je prends 50 mg")
    place = f"/c/{receipt.conversation}/m/{sent.message}/correct"
    async with visitor(house, "dominique") as dominique:
        assert f'href="{place}"' in (await dominique.get(f"/c/{receipt.conversation}")).text
        assert "Je prends 50 mg</textarea>" in (await dominique.get(place)).text
        done = await dominique.post(place, {"text": "Je prends 5 mg", "client_key": "k"})
        assert done.place == f"/c/{receipt.conversation}#m-{sent.message}"
        same = await dominique.post(place, {"text": "Je prends 5 mg", "client_key": "other"})
        assert same.status == 422
        assert "Rien n’a été envoyé." in same.said
    async with visitor(house, "morel") as morel:
        assert (await morel.get(place)).status == 404
        assert (await morel.post(place, {"text": "x"})).status == 403
        thread = await morel.get(f"/c/{receipt.conversation}")
        assert re.search(
            r"Je prends 5 mg Corrigé le .* – voir le texte d’avant Jusqu’au .* Je prends 50 mg", thread.said
        )
        assert re.search(r"Correction du message du \d+ \w+ \d+ à", thread.said)
