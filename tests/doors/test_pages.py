"""The pages by HTTP alone, as a browser without JavaScript uses them: what is seen, what is done, what is refused."""

from __future__ import annotations

import html
import io
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from server import people, reading
from server.drafts import FileFacts
from server.settings import Settings
from storage.database import Tx
from tests.browser.scenes import LABEL, REPORT, SUBJECT, appointment, letter_with_documents, offer, reminded
from tests.house import House
from webchat import files, security
from webchat.words import words

INLINE = re.compile(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|javascript:", re.IGNORECASE)


@dataclass
class Answer:
    status: int
    headers: Any
    text: str
    place: str

    @property
    def said(self) -> str:
        """The words of the page, one space between them."""
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", self.text)).split())


@dataclass
class Visitor:
    """Somebody with a browser."""

    house: House
    session: aiohttp.ClientSession

    async def ask(self, method: str, path: str, **more: Any) -> Answer:
        async with self.session.request(method, self.house.http + path, allow_redirects=False, **more) as answer:
            text = (await answer.read()).decode("utf-8", "replace")
            return Answer(answer.status, answer.headers, text, answer.headers.get("Location", ""))

    async def get(self, path: str, **more: Any) -> Answer:
        return await self.ask("GET", path, **more)

    async def post(self, path: str, data: Any = None, **more: Any) -> Answer:
        return await self.ask("POST", path, data=data, **more)

    async def press(self, page: str, action: str, **values: str) -> Answer:
        """Press the button of the card whose form does `action`, as the page that holds it gives it."""
        shown = await self.get(page)
        for form in re.findall(r"<form.*?</form>", shown.text, re.DOTALL):
            fields = dict(re.findall(r'name="([\w.]+)" value="([^"]*)"', form))
            if fields.get("action") == action:
                return await self.post(re.findall(r'action="(/[^"]*)"', form)[0], {**fields, **values})
        raise AssertionError(f"no button for {action}")


@asynccontextmanager
async def visitor(house: House, who: str = "") -> AsyncIterator[Visitor]:
    cookies = {"pli": await house.session(who)} if who else {}
    async with aiohttp.ClientSession(cookies=cookies, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield Visitor(house, session)


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
        assert "Une urgence" in thread.said
        assert 'href="tel:15"' in thread.text
        assert f"{REPORT} {LABEL} · 19 o · par Dr Jean DURAND · du 20 novembre 2026" in thread.said
        assert "1 non lu" not in (await dominique.get("/")).said
    async with visitor(house, "morel") as morel:
        thread = await morel.get(f"/c/{receipt.conversation}")
    assert re.search(r"Lu (à|le) ", thread.said)
    assert "Dominique PAT-TROIS , née le 28 mars 1979" in thread.said


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
        (path,) = set(re.findall(r'href="(/files/[^"?]+)"', thread.text))
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

    def close(tx: Tx) -> None:
        tx.run("UPDATE conversations SET replies = 'closed' WHERE id = :id", id=receipt.conversation)

    await house.app.db.write(close)
    async with visitor(house, "dominique") as dominique:
        thread = await dominique.get(f"/c/{receipt.conversation}")
        assert "Ce professionnel a mis fin à l’échange" in thread.said
        assert "<textarea" not in thread.text
        answer = await dominique.post(f"/c/{receipt.conversation}", {"text": "Et pourtant"})
    assert answer.status == 403
    assert "Vous pourrez écrire s’il vous recontacte." in answer.said


async def test_words_of_a_message_are_found_again(house: House) -> None:
    receipt = await house.letter("morel", "dominique", "Buvez de l’eau jusqu’à six heures.", "Consignes")
    async with visitor(house, "dominique") as dominique:
        found = await dominique.get("/search", params={"q": "EAU heures"})
        assert "1 message trouvé" in found.said
        assert f'href="/c/{receipt.conversation}#m-{receipt.message}"' in found.text
        assert "Aucun message" in (await dominique.get("/search", params={"q": "<script>"})).said


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
        assert f"Comptes rendus 1 document {REPORT} Type {LABEL} Auteur Dr Jean DURAND" in mine.said
        assert "Date 20 novembre 2026" in mine.said
        path = re.findall(r'href="(/documents/[^"?]+)"', mine.text)[0]
        given = await dominique.get(path)
        assert given.text == "<ClinicalDocument/>"
        assert given.headers["Content-Disposition"].startswith("attachment; ")
        assert (await dominique.get(f"{path}?view=1")).headers["Content-Disposition"].startswith("attachment; ")


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


# ---- whose space ----------------------------------------------------------------------------------------------------


async def test_dominique_opens_her_childs_space_and_the_whole_frame_says_so(house: House) -> None:
    receipt = await house.letter("morel", "camille", "Pour Camille", "Vaccination")
    camille = f"/for/{house.camille.mailbox_id}"
    async with visitor(house, "dominique") as dominique:
        own = await dominique.get("/")
        assert f'href="{camille}/"' in own.text
        assert "Vaccination" not in own.said
        theirs = await dominique.get(f"{camille}/")
        assert '<html lang="fr" class="acting">' in theirs.text
        assert "Vous agissez pour Camille PAT-TROIS née en 2019 · en tant que représentant légal" in theirs.said
        answer = await dominique.post(
            f"{camille}/c/{receipt.conversation}", {"text": "Elle viendra.", "client_key": "1"}
        )
        assert answer.place.startswith(f"{camille}/c/{receipt.conversation}#m-")
        assert (await dominique.get(f"/c/{receipt.conversation}")).status == 404  # not in her own mailbox
        for path in ("/documents", "/agenda", "/services", "/new", "/search?q=Camille"):
            assert "Vous agissez pour Camille PAT-TROIS" in (await dominique.get(camille + path)).said
    async with visitor(house, "morel") as morel:
        assert "Dominique PAT-TROIS pour Camille PAT-TROIS" in (await morel.get(f"/c/{receipt.conversation}")).said


async def test_what_is_not_marcels_looks_to_him_like_what_does_not_exist(house: House) -> None:
    receipt = await letter_with_documents(house)
    async with visitor(house, "dominique") as dominique:
        thread = await dominique.get(f"/c/{receipt.conversation}")
        await dominique.press(f"/c/{receipt.conversation}", "dossier.file")
        document = re.findall(r'href="(/documents/[^"?]+)"', (await dominique.get("/documents")).text)[0]
        file = re.findall(r'href="(/files/[^"?]+)"', thread.text)[0]
    nothing = "x" * 22
    hers = f"/for/{house.dominique.mailbox_id}"
    pairs = [
        (f"/c/{receipt.conversation}", f"/c/{nothing}"),
        (f"/c/{receipt.conversation}/new", f"/c/{nothing}/new"),
        (f"/c/{receipt.conversation}/m/{receipt.message}", f"/c/{nothing}/m/{receipt.message}"),
        (f"/c/{receipt.conversation}/m/{receipt.message}/html", f"/c/{nothing}/m/{nothing}/html"),
        (file, file[:-22] + nothing),
        (document, f"/documents/{nothing}"),
        *(
            (hers + path, f"/for/{nothing}{path}")
            for path in ("/", "/rows", "/documents", "/agenda", "/services", "/new")
        ),
        (f"{hers}{file}", f"/for/{nothing}{file}"),
    ]
    async with visitor(house, "marcel") as marcel:
        for theirs, absent in pairs:
            forbidden, missing = await marcel.get(theirs), await marcel.get(absent)
            assert forbidden.status == missing.status == 404, theirs
            assert forbidden.text.replace(theirs, "") == missing.text.replace(absent, "")
        for path in (f"/c/{receipt.conversation}", f"/c/{receipt.conversation}/act", f"/c/{receipt.conversation}/new"):
            form = {"text": "x", "subject": "x", "message": receipt.message, "action": "dossier.file"}
            assert (await marcel.post(path, form)).status == 404
        assert (await marcel.get("/nowhere/at/all")).status == 404
        assert (await marcel.ask("DELETE", "/")).status == 404


async def test_every_page_route_is_closed_to_strangers_and_to_other_patients(house: House) -> None:
    """From the route table itself, so that a new route without a rule is found."""
    open_to_all = {"/static", "/sign-in", "/sign-in/{link}", "/sign-out", "/language", "/demo/sign-in/{name}"}
    elsewhere = ("/api", "/healthz", "/readyz", "/metrics", "/socket.io")
    receipt = await letter_with_documents(house)
    page = await reading.thread(house.app, await _handle(house, receipt.conversation))
    file = page.entries[0].message.attachments[0]
    ids = {
        "mailbox": house.dominique.mailbox_id,
        "conversation": receipt.conversation,
        "message": receipt.message,
        "space": file.space,
        "attachment": file.id,
        "document": "x" * 22,
    }
    routes = {(route.method, route.resource.canonical) for route in _site(house).router.routes() if route.resource}
    tried = 0
    async with visitor(house) as stranger, visitor(house, "marcel") as marcel:
        for method, canonical in sorted(routes):
            if canonical in open_to_all or canonical.startswith(elsewhere) or method == "HEAD":
                continue
            path = canonical.format(**ids)
            refused = await stranger.ask(method, path)
            assert (refused.status, refused.place) in {(303, "/sign-in"), (401, "")}, canonical
            if "{" in canonical:
                assert (await marcel.ask(method, path)).status == 404, canonical
            tried += 1
    assert tried > 30


async def _handle(house: House, conversation: str) -> Any:
    from server import access

    return await access.conversation(house.app, await house.mailbox("dominique"), conversation)


def _site(house: House) -> Any:
    from aiohttp import web

    import webchat

    site = web.Application()
    webchat.add_routes(house.app, site)
    return site


# ---- what a page owes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["fr", "en"])
async def test_every_page_keeps_its_policy_and_has_nothing_inline(house: House, language: str) -> None:
    letter = await letter_with_documents(house)
    paths = [
        "/",
        "/documents",
        "/agenda",
        "/services",
        "/new",
        "/search?q=Bonjour",
        "/sign-in",
        "/sign-in/abc",
        "/nowhere",
    ]
    paths += [f"/c/{letter.conversation}", f"/c/{letter.conversation}/new", f"/for/{house.camille.mailbox_id}/"]
    paths += [f"/c/{(await appointment(house)).conversation}", f"/c/{(await offer(house)).conversation}"]
    async with visitor(house, "dominique") as dominique:
        await dominique.post("/language", {"language": language, "back": "/"})
        for path in paths:
            page = await dominique.get(path)
            assert page.headers["Content-Security-Policy"] == security.PAGE_POLICY
            assert "unsafe" not in page.headers["Content-Security-Policy"]
            assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
            for name in ("X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "Cross-Origin-Opener-Policy"):
                assert page.headers[name]
            assert page.headers["Cache-Control"] == "no-store"
            assert "aiohttp" not in page.headers.get("Server", "").lower()
            assert not INLINE.search(page.text), path
            assert f'<html lang="{language}"' in page.text
            assert page.text.count("<h1") == 1, path
            assert not re.search(r'(?:src|href|action)="(?:https?:)?//(?!exemple\.test)', page.text), path


async def test_a_letter_made_to_run_scripts_is_only_words(house: House) -> None:
    hostile = (
        "<script>x()</script> <img src=x onerror=x()> javascript:x() "
        'https://a.test/"onmouseover=x()\n> <svg onload=x()>'
    )
    receipt = await house.letter("morel", "dominique", hostile, "<b onclick=x()>Sujet</b>", html="<p onclick=x()>x</p>")
    async with visitor(house, "dominique") as dominique:
        for path in ("/", f"/c/{receipt.conversation}", "/search?q=javascript"):
            page = await dominique.get(path)
            assert "&lt;script&gt;" in page.text
            assert not re.search(r"<script(?![^>]*\ssrc=\"/static/)|<img|<svg[^>]+onload|<b |<[^>]+\son\w+=", page.text)
            assert 'href="javascript' not in page.text
        letter = await dominique.get(f"/c/{receipt.conversation}/m/{receipt.message}/html")
    assert letter.headers["Content-Security-Policy"] == files.LETTER_POLICY
    assert "sandbox" in letter.headers["Content-Security-Policy"]
    assert "allow-scripts" not in letter.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("kind", "data", "shown"),
    [
        ("application/pdf", b"%PDF-1.7", "inline"),
        ("application/pdf", b"<html>", "attachment"),
        ("image/png", b"<svg onload=x()>", "attachment"),
        ("text/html", b"<script>", "attachment"),
        ("image/svg+xml", b"<svg>", "attachment"),
        ("application/xhtml+xml", b"<html>", "attachment"),
        ("text/plain; charset=x", b"bonjour", "inline"),
        ("nonsense\r\nX-Evil: 1", b"", "attachment"),
    ],
)
def test_only_what_is_what_it_says_is_shown(kind: str, data: bytes, shown: str) -> None:
    facts = FileFacts('a"; filename=b\r\nX-Evil: 1\u202efdp.exe', kind, len(data))
    given = files.serve(facts, data, shown=True)
    assert given.headers["Content-Disposition"].startswith(shown)
    assert given.headers["Content-Security-Policy"] == files.FILE_POLICY
    assert not re.search(r"[\r\n\u202e]", " ".join(given.headers.values()))
    if shown == "attachment":
        assert given.headers["Content-Type"] in {"application/octet-stream", "application/pdf", "image/png"}


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("", True),
        ("own", True),
        ("https://evil.test", False),
        ("null", False),
        ("http://127.0.0.1.evil.test", False),
        ("http://127.0.0.1", False),
        ("http://[", False),
        ("own.evil.test", False),
    ],
)
async def test_a_form_of_another_site_changes_nothing(house: House, origin: str, allowed: bool) -> None:
    receipt = await house.letter("morel", "dominique")
    headers = {"Origin": origin.replace("own", house.http)} if origin else {}
    async with visitor(house, "dominique") as dominique:
        answer = await dominique.post(f"/c/{receipt.conversation}", {"text": "Oui", "client_key": "1"}, headers=headers)
        assert answer.status == (303 if allowed else 403)
        assert ("Oui" in (await dominique.get(f"/c/{receipt.conversation}")).said) is allowed


async def test_a_sign_in_link_opens_once_and_only_when_asked(house: House) -> None:
    link = await people.new_link(house.app, house.dominique.account_id)
    async with visitor(house) as somebody:
        for _ in range(3):  # a mail scanner looks at it
            assert "Ce lien ouvre votre espace" in (await somebody.get(f"/sign-in/{link}")).said
        entered = await somebody.post(f"/sign-in/{link}")
        assert (entered.status, entered.place) == (303, "/")
        cookie = entered.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert "Dominique PAT-TROIS" in (await somebody.get("/")).said
    async with visitor(house) as other:
        again = await other.post(f"/sign-in/{link}")
        assert again.status == 401
        assert "Ce lien a déjà servi" in again.said
        assert "Set-Cookie" not in again.headers


async def test_signing_out_ends_the_session_everywhere_the_cookie_was_copied(house: House) -> None:
    async with visitor(house, "dominique") as dominique:
        secret = next(iter(dominique.session.cookie_jar)).value
        out = await dominique.post("/sign-out")
        assert out.place == "/sign-in?out"
    async with visitor(house) as thief:
        assert (await thief.get("/", cookies={"pli": secret})).place == "/sign-in"


def test_the_cookie_is_bound_to_the_host_where_people_reach_us_over_tls(house_settings: Settings) -> None:
    from aiohttp import web

    class Secure:
        settings = house_settings

    response = web.Response()
    security.set_session_cookie(Secure(), response, "secret")  # type: ignore[arg-type]  # the settings are all it reads
    cookie = response.cookies["__Host-pli"]
    assert cookie["secure"]
    assert cookie["httponly"]
    assert cookie["path"] == "/"
    assert not cookie["domain"]


@pytest.fixture
def house_settings() -> Settings:
    return Settings(public_url="https://pli.test")


async def test_the_language_is_chosen_and_the_way_back_stays_here(house: House) -> None:
    async with visitor(house, "dominique") as dominique:
        assert "Aucun message pour l’instant" in (await dominique.get("/")).said
        chosen = await dominique.post("/language", {"language": "en", "back": "/agenda"})
        assert chosen.place == "/agenda"
        assert "No message yet" in (await dominique.get("/")).said
        for back in ("https://evil.test", "//evil.test", "/\\evil.test", "javascript:x()"):
            assert (await dominique.post("/language", {"language": "fr", "back": back})).place == "/"


async def test_our_own_script_gets_errors_as_words_it_can_show(house: House) -> None:
    receipt = await house.letter("morel", "dominique")
    json = {"Accept": "application/json", "Accept-Language": "en"}
    async with visitor(house, "dominique") as dominique:
        sent = await dominique.post(f"/c/{receipt.conversation}", {"text": "Oui", "client_key": "1"}, headers=json)
        assert sent.status == 201
        assert f'"conversation": "{receipt.conversation}"' in sent.text
        refused = await dominique.post(f"/c/{receipt.conversation}", {"text": ""}, headers=json)
    assert refused.status == 422
    assert words("en")("error.code.empty") in refused.text
