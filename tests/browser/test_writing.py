"""Writing in a browser: what leaves is never lost and never doubled, whatever the network, the server or the reader's
second device do.
"""

from __future__ import annotations

import re
from typing import Any

from playwright.async_api import Browser, FilePayload, Page, expect

from server import keeping, reading
from tests.browser.chromium import Window, window
from tests.doors.test_writing import three
from tests.house import House

PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PAPER: FilePayload = {"name": "ordonnance.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-" + bytes(1_400_000)}


async def _texts(house: House, who: str) -> list[str]:
    page = await reading.since(house.app, await house.mailbox(who), 0)
    return [entry.message.text for entry in page.entries if entry.kind == "message"]


async def _opened(seen: Window, conversation: str) -> Page:
    page = await seen.go(f"/c/{conversation}")
    await seen.live()
    return page


async def test_a_message_written_without_network_waits_says_so_and_leaves_once(browser: Browser, house: House) -> None:
    receipt = await house.letter("morel", "dominique")
    async with window(browser, house, "dominique") as seen:
        page = await _opened(seen, receipt.conversation)
        await page.context.set_offline(True)
        await page.fill("#text", "Un")
        for _ in range(3):  # pressed thrice
            await page.evaluate("document.querySelector('form.composer').requestSubmit()")
        await page.fill("#text", "Deux")
        await page.keyboard.press("Control+Enter")
        first = page.locator(".bubble.mine").first
        await expect(first).to_contain_text("Non envoyé – Pas encore envoyé.")
        await expect(first.get_by_role("button", name="Réessayer")).to_be_visible()
        await expect(page.locator(".bubble.mine")).to_have_count(2)
        await page.context.set_offline(False)
        await expect(page.locator(".bubble.pending")).to_have_count(0)
        await expect(page.locator(".bubble.mine .text")).to_have_text(["Un", "Deux"])
    assert await _texts(house, "morel") == ["Bonjour", "Un", "Deux"]


async def test_what_waits_to_leave_survives_a_reload_and_is_erased_when_it_left(browser: Browser, house: House) -> None:
    receipt = await house.letter("morel", "dominique")
    async with window(browser, house, "dominique") as seen:
        page = await _opened(seen, receipt.conversation)
        answers: list[Any] = []

        async def swallowed(route: Any) -> None:
            """It arrives, and its answer is lost."""
            answers.append(await route.fetch())
            await route.abort()

        await page.route("**/socket.io/**", lambda route: route.abort())
        await page.route_web_socket("**/socket.io/**", lambda socket: socket.close())
        await page.reload()
        place = f"**/c/{receipt.conversation}"
        await page.route(place, lambda route: swallowed(route) if route.request.method == "POST" else route.continue_())
        await page.fill("#text", "Une seule fois")
        await page.keyboard.press("Control+Enter")
        await expect(page.locator(".bubble.pending")).to_contain_text("Pas encore envoyé.")
        assert answers[0].status == 201
        await page.unroute(place)
        await page.reload()
        await expect(page.locator(".bubble.pending")).to_have_count(0)
        await expect(page.locator(".bubble.mine")).to_have_count(1)
        assert await page.input_value("#text") == ""
        assert not re.search("Une seule fois", await page.evaluate("JSON.stringify(sessionStorage)"))
    assert await _texts(house, "morel") == ["Bonjour", "Une seule fois"]


async def test_a_file_is_pasted_dropped_shown_sent_ahead_and_goes_on_after_a_cut(
    browser: Browser, house: House
) -> None:
    receipt = await house.letter("morel", "dominique")
    async with window(browser, house, "dominique") as seen:
        page = await _opened(seen, receipt.conversation)
        give = """([octets, how]) => {
            const bytes = Uint8Array.from(atob(octets), c => c.charCodeAt(0));
            const data = new DataTransfer();
            data.items.add(new File([bytes], `${how}.png`, {type: 'image/png', lastModified: 1}));
            const more = {bubbles: true, cancelable: true};
            const event = how === 'paste' ? new ClipboardEvent('paste', {clipboardData: data, ...more})
              : new DragEvent('drop', {dataTransfer: data, ...more});
            document.querySelector('#text').dispatchEvent(event); }"""
        await page.evaluate(give, [PICTURE, "paste"])
        await page.evaluate(give, [PICTURE, "drop"])
        chips = page.locator(".chip")
        await expect(chips).to_have_count(2)
        await expect(chips.first.locator("canvas")).to_be_visible()
        await expect(chips.last).to_contain_text("Prêt")
        pieces: list[str] = []

        async def cut(route: Any) -> None:
            pieces.append(route.request.headers["upload-offset"])
            await (route.abort() if len(pieces) == 2 else route.continue_())

        await page.route(
            "**/uploads/*", lambda route: cut(route) if route.request.method == "PATCH" else route.continue_()
        )
        await page.locator(".add summary").first.click()
        await page.set_input_files("#files", PAPER)
        await page.fill("#text", "Voici tout.")
        await page.get_by_role("button", name="Envoyer").click()
        await expect(page.locator("[data-waiting]")).to_contain_text("Le message partira dès qu’ils seront prêts.")
        bubble = page.locator(".bubble.mine:not(.pending)")
        await expect(bubble).to_contain_text("ordonnance.pdf")
        await expect(bubble).to_contain_text("paste.png")
        assert pieces == ["0", "524288", "524288", "1048576"], "what was counted before the cut is not sent again"
        await expect(chips).to_have_count(0)
        assert [said for said in seen.complaints if "ERR_FAILED" not in said] == []


async def test_a_draft_begun_on_one_device_is_finished_on_another(browser: Browser, house: House) -> None:
    receipt = await house.letter("morel", "dominique")
    async with window(browser, house, "dominique") as sofa, window(browser, house, "dominique") as bus:
        page = await _opened(sofa, receipt.conversation)
        await page.locator("#text").press_sequentially("J’ai mal")
        await expect(page.locator("[data-kept]")).to_contain_text("Brouillon gardé à")
        phone = await _opened(bus, receipt.conversation)
        assert await phone.input_value("#text") == "J’ai mal"
        seen_version = await phone.input_value("input[name=version]")
        await phone.locator("#text").press_sequentially(" au genou")
        await expect(phone.locator("input[name=version]")).not_to_have_value(seen_version)
        await page.evaluate("dispatchEvent(new Event('focus'))")  # back at the first
        await expect(page.locator("#text")).to_have_value("J’ai mal au genou")
        await phone.keyboard.press("Control+Enter")
        await expect(phone.locator(".bubble.mine:not(.pending)")).to_contain_text("J’ai mal au genou")
        await page.evaluate("dispatchEvent(new Event('focus'))")
        await expect(page.locator("#text")).to_have_value("")
        assert sofa.complaints == [] or all("404" in said for said in sofa.complaints)
    assert await keeping.kept(house.app, await house.mailbox("dominique")) == []
    assert await _texts(house, "morel") == ["Bonjour", "J’ai mal au genou"]


async def test_two_devices_that_type_at_once_both_keep_their_words(browser: Browser, house: House) -> None:
    receipt = await house.letter("morel", "dominique")
    async with window(browser, house, "dominique") as sofa, window(browser, house, "dominique") as bus:
        page = await _opened(sofa, receipt.conversation)
        await page.fill("#text", "Bonjour")
        await expect(page.locator("[data-kept]")).to_contain_text("gardé")
        phone = await _opened(bus, receipt.conversation)
        await page.fill("#text", "Bonjour, du salon")
        await expect(page.locator("input[name=version]")).to_have_value("2")
        await phone.fill("#text", "Bonjour, du bus")
        offer = phone.locator(".other-draft")
        await expect(offer).to_contain_text("Une autre version est gardée.")
        await offer.get_by_role("link", name="La voir").click()
        await expect(phone.locator("#text")).to_have_value("Bonjour, du salon")


async def test_a_correction_shows_on_the_other_screen_with_what_was_said_before(browser: Browser, house: House) -> None:
    receipt = await house.letter("morel", "dominique")
    sent = await house.answer("dominique", receipt.conversation, "Je prends 50 mg")
    async with window(browser, house, "dominique") as seen, window(browser, house, "morel") as doctor:
        hers = await _opened(doctor, receipt.conversation)
        page = await _opened(seen, receipt.conversation)
        await page.get_by_role("link", name="Corriger", exact=True).click()
        await page.get_by_label("Nouveau texte").fill("Je prends 5 mg")
        await page.get_by_role("button", name="Envoyer la correction").click()
        await expect(page.locator(f"#m-{sent.message}")).to_contain_text("Je prends 5 mg")
        changed = hers.locator(f"#m-{sent.message}")
        await expect(changed.locator(".text")).to_have_text("Je prends 5 mg")
        await changed.locator("summary", has_text="voir le texte d’avant").click()
        await expect(changed.locator("blockquote")).to_have_text("Je prends 50 mg")
        await expect(hers.locator(".record").last).to_contain_text("Correction du message du")


async def test_one_of_several_is_answered_alone_and_enter_sends_where_that_was_chosen(
    browser: Browser, house: House
) -> None:
    conversation = await three(house)
    async with window(browser, house, "dominique") as seen:
        page = await _opened(seen, conversation)
        await page.get_by_role("link", name=re.compile("^Répondre")).click()
        await expect(page.locator("[data-answering]")).to_contain_text("En réponse à Dr Agathe MOREL")
        await expect(page.locator("[data-to]")).to_have_text("Dr Agathe MOREL seulement")
        await page.locator(".add summary").first.click()
        await page.get_by_label("La touche Entrée envoie").check()
        await page.fill("#text", "Pour vous seule")
        await page.keyboard.press("Enter")
        await expect(page.locator(".bubble.mine:not(.pending)")).to_contain_text("À Dr Agathe MOREL seulement")
        await expect(page.locator("[data-answering]")).to_be_hidden()
        await page.reload()
        assert await page.get_by_text("Entrée envoie. Maj + Entrée va à la ligne.").count() == 1
    assert await _texts(house, "admissions") == ["Nous vous attendons lundi."]


async def test_every_screen_one_writes_on_fits_a_small_phone_and_has_no_fault(browser: Browser, house: House) -> None:
    several = await three(house)
    ended = await house.letter("lab", "dominique")
    await house.stand("lab", "dominique", "replies", "ended")
    sent = await house.answer("dominique", several, "Merci")
    draft = "x" * 22
    await keeping.keep(house.app, await house.mailbox("dominique"), draft, 0, several, keeping.Writing(text="Encore"))
    options = {"viewport": {"width": 320, "height": 640}, "bypass_csp": True}
    async with window(browser, house, "dominique", **options) as seen:
        page = await _opened(seen, several)
        height = await page.evaluate("document.querySelector('.composer').getBoundingClientRect().height")
        assert height < 640 / 3.2, "the words of others keep the screen until one writes"
        for path in (
            f"/c/{several}", f"/c/{several}?reply={sent.message}", f"/c/{ended.conversation}", "/new", "/drafts",
            f"/c/{several}/new?to={house.morel.account_id}", f"/drafts/{draft}/attach",
            f"/c/{several}/m/{sent.message}/correct",
        ):  # fmt: skip
            await seen.go(path)
            for details in await page.locator("main details:visible").all():
                await details.evaluate("details => { details.open = true }")
            assert await seen.faults() == [], path
            assert not await seen.wider_than_screen(), path
            if path not in ("/drafts", f"/drafts/{draft}/attach"):
                await expect(page.get_by_role("link", name="Appeler le 15").first).to_be_visible()
