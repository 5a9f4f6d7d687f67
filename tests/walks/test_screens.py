"""What people do with their screens, from one end to the other: a phone and a mail program at once, two devices of one
person, a mother and her child.
"""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from typing import Any

from playwright.async_api import Browser, Page, expect

from storage import delegations
from tests import letters
from tests.browser.chromium import Window, window
from tests.house import House
from tests.imap_client import Client, client
from tests.walks.mail import newest, submit, told_by_idle, unseen

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
BOTH = "Dominique PAT-TROIS, représentante de Camille PAT-TROIS"
SUBJECT = "Votre opération du 8 décembre"
NAMED_STILL = "window.loaded"  # what a reload would forget


async def _opened(seen: Window, path: str) -> Page:
    page = await seen.go(path)
    await seen.live()
    await page.evaluate(f"{NAMED_STILL} = 1")
    return page


async def _counts(seen: Window) -> int:
    """The number that the list says."""
    page = await seen.go("/")
    said = page.locator("[data-unread]")
    return int((await said.inner_text()).split()[0]) if await said.is_visible() else 0


# ---- a phone and a mail program --------------------------------------------------------------------------------------


async def test_dominique_on_her_phone_and_dr_morel_in_his_mail_program_have_one_conversation(
    browser: Browser, house: House
) -> None:
    async with (
        window(browser, house, "dominique", **PHONE) as phone,
        window(browser, house, "morel") as his_screen,
        client(house, house.address("morel")) as program,
    ):
        page = await _opened(phone, "/")
        letter = await _a_letter_comes(house, page)
        await _she_looks_at_the_document(page)
        await _she_answers(page, program, letter)
        assert await unseen(program) == await _counts(his_screen) == 1
        mine = page.locator(".bubble.mine")
        await expect(mine.locator(".state")).to_have_text("Remis")
        await page.evaluate(f"{NAMED_STILL} = 1")
        answer = await newest(program)
        await program.do("uid", "STORE", str((await program.uids("ALL"))[-1]), "+FLAGS", "(\\Seen)")
        await expect(mine.locator(".state")).to_contain_text("Lu par Dr MOREL à")
        assert await unseen(program) == await _counts(his_screen) == 0
        await _an_appointment_is_made(house, page, program, answer)
        await _she_corrects_herself(page, program)
        assert await unseen(program) == await _counts(his_screen) == 2  # the acceptance and the correction
        assert await page.evaluate(NAMED_STILL) is None  # the correction was a page of its own
        assert phone.complaints + his_screen.complaints == []


async def _a_letter_comes(house: House, page: Page) -> bytes:
    """He sends it with a PDF; her list shows it, and it opens."""
    letter = letters.plain(
        "Bonjour Madame,\n\nRestez à jeun dès minuit.", subject=SUBJECT, message_id="<letter-1@pli.example>",
        files=[("consignes.pdf", "application/pdf", letters.pdf("Consignes avant votre operation"))],
    )  # fmt: skip
    await asyncio.to_thread(submit, house, "morel", letter, [house.address("dominique")])
    await expect(page.locator("[data-unread]")).to_have_text("1 non lu")
    await expect(page).to_have_title("Messages, 1 non lu – Pli")
    assert await page.evaluate(NAMED_STILL) == 1
    await page.locator("a.row", has_text=SUBJECT).tap()
    await expect(page.locator(".letter")).to_contain_text("Restez à jeun dès minuit.")
    return letter


async def _she_looks_at_the_document(page: Page) -> None:
    file = page.locator(".file", has_text="consignes.pdf")
    await file.scroll_into_view_if_needed()
    await _drawn(page, ".file img.thumb")
    await file.get_by_role("link", name="Ouvrir consignes.pdf").tap()
    await expect(page.get_by_role("heading", level=1)).to_have_text("consignes.pdf")
    await _drawn(page, ".sheet-view img")
    await page.get_by_role("link", name="Retour").tap()
    await expect(page.locator(".letter")).to_be_in_viewport()


async def _drawn(page: Page, image: str) -> None:
    await page.wait_for_function("image => document.querySelector(image)?.naturalWidth > 1", arg=image)


async def _she_answers(page: Page, program: Client, letter: bytes) -> None:
    """He hears of it while he waits, in the thread of his letter."""
    await page.wait_for_selector("[data-connected]")
    async with told_by_idle(program, b"1 EXISTS"):
        await page.fill("#text", "C’est noté, merci docteur.")
        await page.get_by_role("button", name="Envoyer").tap()
    answer = await newest(program)
    assert answer["Subject"] == f"Re: {SUBJECT}"
    assert answer["In-Reply-To"] == "<letter-1@pli.example>"
    assert "<letter-1@pli.example>" in answer["References"]
    assert "C’est noté, merci docteur." in answer.get_content()


async def _an_appointment_is_made(house: House, page: Page, program: Client, answer: EmailMessage) -> None:
    """He answers her with an invitation; her card says yes; his calendar is told."""
    invitation = letters.invitation(
        start=datetime(2099, 12, 1, 9, 0, tzinfo=UTC), end=datetime(2099, 12, 1, 9, 30, tzinfo=UTC),
        subject=f"Re: {SUBJECT}", in_reply_to=str(answer["Message-ID"]),
        references=f"{answer['References']} {answer['Message-ID']}",
    )  # fmt: skip
    await asyncio.to_thread(submit, house, "morel", invitation, [house.address("dominique")])
    card = page.locator(".card", has_text="Consultation d’anesthésie")
    await expect(card).to_be_visible()
    async with told_by_idle(program, b"2 EXISTS"):
        await card.get_by_role("button", name="Accepter").tap()
        await expect(card.locator(".answered")).to_contain_text("Rendez-vous accepté")
    assert await page.evaluate(NAMED_STILL) == 1
    reply = await newest(program)
    calendar = next(part for part in reply.walk() if part.get_content_type() == "text/calendar")
    assert calendar.get_param("method") == "REPLY"
    said = re.sub(r"\r?\n ", "", calendar.get_content())
    assert "PARTSTAT=ACCEPTED" in said
    assert "UID:rendez-vous-1@pli.example" in said
    assert str(answer["Message-ID"]) in reply["References"]


async def _she_corrects_herself(page: Page, program: Client) -> None:
    async with told_by_idle(program, b"3 EXISTS"):
        await page.get_by_role("link", name="Corriger", exact=True).tap()
        await page.get_by_label("Nouveau texte").fill("C’est noté. Je prends aussi du café.")
        await page.get_by_role("button", name="Envoyer la correction").tap()
    bubble = page.locator(".bubble.mine")
    await expect(bubble.locator(".text")).to_have_text("C’est noté. Je prends aussi du café.")
    await bubble.locator("summary", has_text="voir le texte d’avant").tap()
    await expect(bubble.locator("blockquote")).to_have_text("C’est noté, merci docteur.")
    corrected = await newest(program)
    assert corrected.get_content().startswith("Correction du message du ")
    assert "Je prends aussi du café." in corrected.get_content()


# ---- two devices of one person ---------------------------------------------------------------------------------------


async def test_what_dominique_does_on_her_phone_is_done_on_her_computer(browser: Browser, house: House) -> None:
    letter = await house.letter("morel", "dominique", "Comment allez-vous ?", SUBJECT)
    await house.letter("admissions", "dominique", "Voici le plan.", "Votre venue")
    async with window(browser, house, "dominique", **PHONE) as phone, window(browser, house, "dominique") as computer:
        on_desk, in_hand = await _opened(computer, "/"), await _opened(phone, "/")
        for page in (on_desk, in_hand):
            await expect(page.locator("[data-unread]")).to_have_text("2 non lus")
        await in_hand.locator("a.row", has_text=SUBJECT).tap()
        row = on_desk.locator(f"#row-{letter.conversation}")
        await expect(row.locator(".unread")).to_have_count(0)  # read in the hand is read on the desk
        await expect(on_desk.locator("[data-unread]")).to_have_text("1 non lu")

        await phone.live()
        await in_hand.locator("#text").press_sequentially("J’ai mal")
        await expect(in_hand.locator("[data-kept]")).to_contain_text("Brouillon gardé à")
        await on_desk.goto(f"{house.http}/drafts")
        await on_desk.get_by_role("link", name=f"Continuer : {SUBJECT}").click()
        await computer.live()
        await expect(on_desk.locator("#text")).to_have_value("J’ai mal")
        await on_desk.locator("#text").press_sequentially(" au genou")
        await on_desk.get_by_role("button", name="Envoyer").click()
        await in_hand.evaluate("dispatchEvent(new Event('focus'))")  # she takes her phone again
        await expect(in_hand.locator("#text")).to_have_value("")
        await _both_say(on_desk, in_hand, ["Comment allez-vous ?", "J’ai mal au genou"])

        for page, words in ((in_hand, "Depuis hier"), (on_desk, "À gauche")):
            await page.fill("#text", words)
            await page.get_by_role("button", name="Envoyer").click()
            await expect(page.locator(".bubble.pending")).to_have_count(0)
        await house.answer("morel", letter.conversation, "Venez me voir.")
        said = ["Comment allez-vous ?", "J’ai mal au genou", "Depuis hier", "À gauche", "Venez me voir."]
        await _both_say(on_desk, in_hand, said)

        await on_desk.goto(f"{house.http}/")
        await computer.live()
        await in_hand.get_by_label("Ranger cette conversation").tap()
        await in_hand.get_by_role("button", name="Archiver").tap()
        await expect(row).to_have_count(0)  # put away in the hand has left the desk
        await expect(on_desk.locator("a.row")).to_have_count(1)
        await house.answer("morel", letter.conversation, "N’oubliez pas.")  # a new letter brings it back, on both
        await expect(row).to_have_count(1)
        await expect(in_hand.locator(".thread-head .tag", has_text="Archivée")).to_have_count(0)


async def _both_say(one: Page, other: Page, words: list[str]) -> None:
    for page in (one, other):
        await expect(page.locator(".entry .text")).to_have_text(words)


# ---- a mother and her child ------------------------------------------------------------------------------------------


async def test_dominique_answers_for_camille_and_nothing_of_camilles_stays_in_her_own_space(
    browser: Browser, house: House
) -> None:
    async with window(browser, house, "dominique", **PHONE) as phone, client(house, house.address("morel")) as program:
        await house.letter("morel", "dominique", "Pour Dominique seule", "Votre genou")
        page = await _opened(phone, "/")
        vaccine = letters.plain(
            "Camille est-elle vaccinée ?", to=house.address("camille"), subject="Vaccin", message_id="<v@pli.example>"
        )
        await asyncio.to_thread(submit, house, "morel", vaccine, [house.address("camille")])
        await page.locator(".spaces > summary").tap()
        await page.locator(".spaces a", has_text="Camille").tap()
        await expect(page).to_have_title(re.compile(r"^Camille · Messages, 1 non lu"))
        await expect(page.locator(".whose")).to_contain_text("Vous agissez pour Camille PAT-TROIS")
        await expect(page.locator("html.acting")).to_have_count(1)
        assert "Votre genou" not in await page.content()
        await page.locator("a.row", has_text="Vaccin").tap()
        await expect(page.locator(".for-whom")).to_have_text("Vous écrivez pour Camille")
        await phone.live()
        async with told_by_idle(program, b"1 EXISTS"):
            await page.fill("#text", "Oui, en mars.")
            await page.get_by_role("button", name="Envoyer").tap()
        await expect(page.locator(".bubble.mine")).to_contain_text("Écrit par Dominique PAT-TROIS, représentante de")
        mail = await newest(program)
        assert mail["In-Reply-To"] == "<v@pli.example>"
        assert await _shown_as_from(program) == f"{BOTH} <{house.address('camille')}>"
        assert f"Rédigé par {BOTH}." in mail.get_content()
        await _she_comes_home(house, page)


async def _shown_as_from(program: Client) -> str:
    """As mail programs show it (RFC 2047 §6.2); the library's newer parser puts a space between encoded words."""
    _, raw = await program.fetch((await program.uids("ALL"))[-1], "(BODY.PEEK[HEADER])")
    return str(make_header(decode_header(message_from_bytes(raw)["From"])))


async def _she_comes_home(house: House, page: Page) -> None:
    """Nothing of Camille's in the page, the list, the search; what lies behind is asked for again."""
    await page.get_by_role("link", name="Revenir à votre espace").tap()
    await expect(page.locator("html.acting")).to_have_count(0)
    await expect(page.locator("a.row")).to_have_count(1)
    for words in ("Vaccin", "en mars", "vaccinée"):
        assert words not in await page.content()
        await page.goto(f"{house.http}/search?q={words}")
        await expect(page.locator("main")).to_contain_text("Rien ne correspond.")
        await page.goto(f"{house.http}/")
    await house.app.db.write(delegations.end, house.camille.space_id, house.dominique.account_id)
    for _ in range(20):
        await page.go_back()
        if "/for/" in page.url:
            break
    await expect(page.get_by_role("heading", level=1)).to_have_text("Cette page n’existe pas")
    assert "vaccinée" not in await page.content()
