"""The pages by HTTP alone: whose space it is, what is refused to whom, and what every answer owes."""

from __future__ import annotations

import re

import pytest
from aiohttp import web
from lxml import html

from server import listing, sessions
from server.drafts import FileFacts
from server.settings import Settings
from tests.browser.scenes import appointment, letter_with_documents, offer
from tests.browser.visitor import visitor
from tests.house import House
from webchat import files, forms, security
from webchat.words import words

INLINE = re.compile(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|javascript:", re.IGNORECASE)


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
        said = (await morel.get(f"/c/{receipt.conversation}")).said
    assert "Dominique PAT-TROIS, représentante de Camille PAT-TROIS" in said


async def test_what_is_not_marcels_looks_to_him_like_what_does_not_exist(house: House) -> None:
    receipt = await letter_with_documents(house)
    async with visitor(house, "dominique") as dominique:
        thread = await dominique.get(f"/c/{receipt.conversation}")
        await dominique.press(f"/c/{receipt.conversation}", "dossier.file")
        document = re.findall(r'href="(/documents/[\w-]{22})" download', (await dominique.get("/documents")).text)[0]
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
            elements = list(html.document_fromstring(page.text).iter("*"))
            assert not [name for element in elements for name in element.attrib if str(name).startswith("on")]
            sources = [str(element.get("src", "")) for element in elements if element.tag == "script"]
            assert all(source.startswith("/static/") for source in sources)
            assert not {"b", "object", "embed"} & {element.tag for element in elements}
            assert not [element for element in elements if element.get("href", "").strip().lower().startswith("java")]
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
    link = await sessions.new_link(house.app, house.morel.account_id)
    async with visitor(house) as somebody:
        for _ in range(3):  # a mail scanner looks at it
            assert "Ce lien ouvre votre espace" in (await somebody.get(f"/sign-in/{link}")).said
        entered = await somebody.post(f"/sign-in/{link}")
        assert (entered.status, entered.place) == (303, "/")
        cookie = entered.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert "Dr Agathe MOREL" in (await somebody.get("/")).said
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


async def test_little_is_read_of_somebody_who_is_not_signed_in(house: House) -> None:
    heavy = b"language=en&back=" + b"x" * (forms.MAX_FIELD + 1)
    many = "&".join(f"field{number}=x" for number in range(forms.MAX_FIELDS + 1)).encode()
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    async with visitor(house) as stranger:
        assert (await stranger.post("/language", heavy, headers=kind)).status == 413
        assert (await stranger.post("/language", many, headers=kind)).status == 422
        assert (await stranger.post("/language", b"\xff\xfe", headers=kind)).status == 422
        answer = await stranger.post("/language", b"--x", headers={"Content-Type": "multipart/form-data; boundary=x"})
        assert "Set-Cookie" not in answer.headers


async def test_a_fault_of_ours_is_told_in_plain_words_and_nothing_of_it_shows(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("279035121518989 Dominique")

    monkeypatch.setattr(listing, "page", broken)
    async with visitor(house, "dominique") as dominique:
        answer = await dominique.get("/")
    assert answer.status == 500
    assert "Rien n’est perdu." in answer.said
    assert "279035121518989" not in answer.text
    assert "RuntimeError" not in answer.text


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
