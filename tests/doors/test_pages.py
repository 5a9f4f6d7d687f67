"""The pages by HTTP alone, as a browser without JavaScript uses them: what is read, written, answered and filed."""

from __future__ import annotations

import io
import re

import aiohttp

from tests.browser.scenes import DOCUMENT, LABEL, REPORT, SUBJECT, appointment, letter_with_documents, offer, reminded
from tests.browser.visitor import visitor
from tests.house import House

# ---- reading and writing --------------------------------------------------------------------------------------------


async def test_somebody_unknown_is_led_to_the_door_and_told_how_to_get_in(house: House) -> None:
    async with visitor(house) as stranger:
        for path in ("/", "/documents", "/c/anything", "/files/a/b"):
            answer = await stranger.get(path)
            assert (answer.status, answer.place) == (303, "/sign-in")
        door = await stranger.get("/sign-in")
    assert "Ouvrez le lien personnel que vous avez reçu" in door.said


async def test_dominique_reads_the_letter_that_waits_and_dr_morel_sees_that_she_did(house: House) -> None:
    receipt = await letter_with_documents(house)
    async with visitor(house, "dominique") as dominique:
        shown = await dominique.get("/")
        assert "1 non lu" in shown.said
        assert "Chirurgienne orthopédiste · CHU de Pli" in shown.said
        assert "Dominique PAT-TROIS Votre espace · née en 1979" in shown.said
        thread = await dominique.get(f"/c/{receipt.conversation}")
        assert thread.text.count("<h1") == 1
        assert SUBJECT in thread.said
        assert "Nouveaux messages" in thread.said
        assert "Urgence ?" in thread.said
        assert 'href="tel:15"' in thread.text
        assert re.search(f"{REPORT} {LABEL} · \\d+ o · par Dr Jean DURAND · du 20 novembre 2026", thread.said)
        assert "1 non lu" not in (await dominique.get("/")).said
    async with visitor(house, "morel") as morel:
        thread = await morel.get(f"/c/{receipt.conversation}")
    assert re.search(r"Lu (à|le) ", thread.said)
    assert "Dominique PAT-TROIS née le 28 mars 1979 sexe féminin" in thread.said


async def test_a_form_sent_twice_is_one_message(house: House) -> None:
    receipt = await house.letter("morel", "dominique")
    async with visitor(house, "dominique") as dominique:
        thread = f"/c/{receipt.conversation}"
        form = {"text": "Merci docteur.", "client_key": "one-and-the-same"}
        first, second = await dominique.post(thread, form), await dominique.post(thread, form)
        assert first.status == second.status == 303
        assert first.place == second.place
        assert first.place.startswith(f"{thread}#m-")
        assert (await dominique.get(thread)).text.count("Merci docteur.") == 2  # the message, and its line in the list


async def test_an_empty_message_is_refused_and_says_what_to_do(house: House) -> None:
    receipt = await house.letter("morel", "dominique")
    async with visitor(house, "dominique") as dominique:
        answer = await dominique.post(f"/c/{receipt.conversation}", {"text": "  "})
    assert answer.status == 422
    assert "Écrivez un texte ou joignez un fichier." in answer.said


async def test_a_photo_too_heavy_is_refused_and_the_text_is_kept(house: House) -> None:
    receipt = await house.letter("morel", "dominique")
    form = aiohttp.FormData()
    form.add_field("text", "Voici la photo <de mon ordonnance>")
    form.add_field(
        "files", io.BytesIO(b"\xff\xd8\xff" + bytes(21 * 1024 * 1024)), filename="photo.jpg", content_type="image/jpeg"
    )
    async with visitor(house, "dominique") as dominique:
        answer = await dominique.post(f"/c/{receipt.conversation}", form)
        thread = await dominique.get(f"/c/{receipt.conversation}")
    assert answer.status == 413
    assert "C’est trop lourd (20 Mo au plus). Votre texte est gardé." in answer.said
    assert "Voici la photo &lt;de mon ordonnance&gt;</textarea>" in answer.text
    assert "photo.jpg" not in thread.text


async def test_a_form_that_is_cut_short_or_nonsense_is_refused_and_keeps_nothing(house: House) -> None:
    receipt = await house.letter("morel", "dominique")
    thread = f"/c/{receipt.conversation}"
    async with visitor(house, "dominique") as dominique:
        for body in (b"--x\r\nno header at all", b"--x", b"", b"--x\r\nContent-Disposition: form-data\r\n\r\n\xff\xfe"):
            answer = await dominique.post(thread, body, headers={"Content-Type": "multipart/form-data; boundary=x"})
            assert answer.status in {413, 422}
        assert (await dominique.get(thread)).text.count(" data-seq=") == 1


async def test_dominique_sends_a_photo_and_dr_morel_opens_it(house: House) -> None:
    receipt = await house.letter("morel", "dominique")
    picture = b"\x89PNG\r\n\x1a\n" + b"the rest of a picture"
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("text", "")
    form.add_field("client_key", "k")
    form.add_field("files", picture, filename="ordonnance «1».png", content_type="image/png")
    async with visitor(house, "dominique") as dominique:
        assert (await dominique.post(f"/c/{receipt.conversation}", form)).status == 303
    async with visitor(house, "morel") as morel:
        thread = await morel.get(f"/c/{receipt.conversation}")
        assert "ordonnance «1».png Image · 29 o" in thread.said
        (path,) = set(re.findall(r'href="(/files/[^"?]+)" download', thread.text))
        async with morel.session.get(house.http + path) as given:
            assert await given.read() == picture
            assert given.headers["Content-Disposition"].startswith("attachment; ")
            assert given.headers["X-Content-Type-Options"] == "nosniff"
            assert "sandbox" in given.headers["Content-Security-Policy"]
            assert given.headers["Cache-Control"] == "no-store"
        async with morel.session.get(f"{house.http}{path}?view=1") as shown:
            assert shown.headers["Content-Disposition"].startswith("inline; ")
            assert "sandbox" in shown.headers["Content-Security-Policy"]


async def test_dominique_begins_a_new_conversation_with_somebody_who_wrote_before(house: House) -> None:
    receipt = await house.letter("morel", "dominique")
    async with visitor(house, "dominique") as dominique:
        known = await dominique.get("/new")
        assert f'href="/c/{receipt.conversation}/new"' in known.text
        sheet = f"/c/{receipt.conversation}/new"
        refused = await dominique.post(sheet, {"subject": " ", "text": "gardé ?", "client_key": "a"})
        assert refused.status == 422
        assert "gardé ?</textarea>" in refused.text
        sent = await dominique.post(sheet, {"subject": "Ma cicatrice", "text": "Elle est rouge.", "client_key": "b"})
        assert sent.status == 303
        assert not sent.place.startswith(f"/c/{receipt.conversation}")
    async with visitor(house, "morel") as morel:
        assert "Ma cicatrice" in (await morel.get("/")).said


async def test_when_the_exchange_was_ended_there_is_nothing_to_write_in_and_the_page_says_why(house: House) -> None:
    receipt = await house.letter("morel", "dominique")
    await house.stand("morel", "dominique", "replies", "ended")
    async with visitor(house, "dominique") as dominique:
        thread = await dominique.get(f"/c/{receipt.conversation}")
        assert "Dr MOREL a mis fin à cet échange le" in thread.said
        assert "<textarea" not in thread.text
        answer = await dominique.post(f"/c/{receipt.conversation}", {"text": "Et pourtant"})
    assert answer.status == 403
    assert "Vous pourrez écrire s’il vous recontacte." in answer.said


async def test_words_of_a_message_are_found_again(house: House) -> None:
    receipt = await house.letter("morel", "dominique", "Buvez de l’eau jusqu’à six heures.", "Consignes")
    async with visitor(house, "dominique") as dominique:
        found = await dominique.get("/search", params={"q": "EAU heures"})
        assert "1 message trouvé" in found.said
        assert f'href="/c/{receipt.conversation}?at={receipt.message}#m-{receipt.message}"' in found.text
        assert "Rien ne correspond." in (await dominique.get("/search", params={"q": "<script>"})).said


# ---- cards, documents, agenda, services -----------------------------------------------------------------------------


async def test_dominique_files_a_document_and_finds_it_with_its_type_author_and_date(house: House) -> None:
    receipt = await letter_with_documents(house)
    thread = f"/c/{receipt.conversation}"
    async with visitor(house, "dominique") as dominique:
        shown = await dominique.get(thread)
        form = next(
            f for f in re.findall(r"<form.*?</form>", shown.text, re.DOTALL) if "dossier.file" in f and "primary" in f
        )
        done = await dominique.post(f"{thread}/act", dict(re.findall(r'name="([\w.]+)" value="([^"]*)"', form)))
        assert done.place == f"{thread}#m-{receipt.message}"
        shown = await dominique.get(thread)
        assert "Rangé dans votre dossier" in shown.said
        assert f"« {REPORT} » est rangé dans votre dossier." in shown.said
        mine = await dominique.get("/documents")
        assert re.search(f"{REPORT} {LABEL} · Dr Jean DURAND.* · 20 novembre 2026 ", mine.said)
        path = re.findall(r'href="(/documents/[\w-]{22})" download', mine.text)[0]
        given = await dominique.get(path)
        assert given.text == DOCUMENT
        assert given.headers["Content-Disposition"].startswith("attachment; ")
        assert (await dominique.get(f"{path}?view=1")).headers["Content-Disposition"].startswith("attachment; ")
        page = await dominique.get(f"{path}/read")
        assert "Conclusion Vous pouvez être opérée." in page.said
        assert "Tension artérielle 12,5 / 8 cm Hg" in page.said


async def test_dominique_accepts_an_appointment_and_may_change_her_mind(house: House) -> None:
    receipt = await appointment(house)
    thread = f"/c/{receipt.conversation}"
    async with visitor(house, "dominique") as dominique:
        shown = await dominique.get(thread)
        assert "mardi 1 décembre 2099, 8 h 30 – 9 h 00" in shown.said
        assert shown.text.count('class="primary"') == 1
        await dominique.press(thread, "agenda.accept")
        shown = await dominique.get(thread)
        assert re.search(r"Rendez-vous accepté le \d+ \w+ \d+ à \d+ h \d\d, par vous", shown.said)
        assert "Changer de réponse" in shown.said
        agenda = await dominique.get("/agenda")
        assert "À venir Consultation préopératoire" in agenda.said
        assert "Accepté" in agenda.said
        await dominique.press(thread, "agenda.decline")
        assert "Décliné" in (await dominique.get("/agenda")).said
    async with visitor(house, "morel") as morel:
        shown = await morel.get(thread)
        assert "par Dominique PAT-TROIS" in shown.said
        assert "agenda.accept" not in shown.text  # the answer is the patient's


async def test_marcel_says_that_it_was_done_and_when(house: House) -> None:
    thread = f"/c/{await reminded(house)}"
    async with visitor(house, "marcel") as marcel:
        shown = await marcel.get(thread)
        assert re.search(r"Déjà fait .*Me le rappeler dans un mois .*Pas concerné", shown.said)
        assert (await marcel.press(thread, "reminders.done", **{"value.on": "2099-01-01"})).status == 422
        await marcel.press(thread, "reminders.done", **{"value.on": "2026-10-12"})
        assert "Noté comme fait" in (await marcel.get(thread)).said
        assert "Déclaration du patient" in (await marcel.get("/documents")).said


async def test_dominique_lets_a_service_read_something_for_two_months_then_withdraws_it(house: House) -> None:
    receipt = await offer(house)
    thread = f"/c/{receipt.conversation}"
    async with visitor(house, "dominique") as dominique:
        await dominique.press(thread, "catalogue.grant", **{"value.months": "2"})
        mine = await dominique.get("/services")
        assert "Mon carnet de suivi Peut lire : voir la liste de vos documents" in mine.said
        gone = await dominique.press("/services", "catalogue.withdraw")
        assert gone.place == "/services"
        assert "Aucun service n’a accès à votre dossier" in (await dominique.get("/services")).said
        shown = await dominique.get(thread)
        assert "Autorisation donnée à" in shown.said
        assert "Autorisation retirée" in shown.said


async def test_a_card_answered_twice_says_that_it_was(house: House) -> None:
    receipt = await offer(house)
    form = {"message": receipt.message, "action": "catalogue.refuse"}
    async with visitor(house, "dominique") as dominique:
        await dominique.post(f"/c/{receipt.conversation}/act", {**form, "client_key": "1"})
        again = await dominique.post(f"/c/{receipt.conversation}/act", {**form, "client_key": "2"})
    assert again.status == 409
    assert "C’est déjà fait" in again.said
