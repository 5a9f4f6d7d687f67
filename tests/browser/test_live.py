"""What JavaScript adds: messages that come by themselves, words that stand at once, and a page that never jumps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, expect

from server import sessions
from tests.browser.chromium import window
from tests.browser.scenes import appointment, letter_with_documents
from tests.house import House


async def test_a_letter_appears_without_reloading_and_is_announced_once(browser: Browser, house: House) -> None:
    receipt = await house.letter("morel", "dominique", "Bonjour", "Votre opération")
    async with window(browser, house, "dominique") as seen:
        page = await seen.go(f"/c/{receipt.conversation}")
        await seen.live()
        await page.evaluate(
            """() => { window.heard = []; window.loaded = 1;
            const said = document.querySelector('[role=status][data-said]');
            new MutationObserver((changes) => { for (const change of changes) for (const node of change.addedNodes)
              heard.push(node.textContent); }).observe(said, { childList: true }); }"""
        )
        await house.answer("morel", receipt.conversation, "Buvez de l’eau jusqu’à six heures.")
        await page.wait_for_selector(".letter >> text=Buvez de l’eau jusqu’à six heures.")
        assert await page.evaluate("window.loaded") == 1
        assert await page.evaluate("window.heard") == ["Nouveau message du Dr MOREL"]
        # Said once, by the status beside the log, and not twice.
        assert await page.evaluate("document.querySelector('[role=log]').ariaLive") == "off"
        assert seen.complaints == []
    async with window(browser, house, "morel") as doctor:  # it was on her screen: it was read
        page = await doctor.go(f"/c/{receipt.conversation}")
        await expect(page.locator(".entry .state").last).to_contain_text("Lu")


async def test_the_list_moves_by_itself_and_counts_what_is_unread(browser: Browser, house: House) -> None:
    first = await house.letter("morel", "dominique", "Un", "Le premier")
    second = await house.letter("admissions", "dominique", "Deux", "Le second")
    async with window(browser, house, "dominique") as seen:
        page = await seen.go("/")
        assert await page.locator(".row-subject").all_inner_texts() == ["Le second", "Le premier"]
        await seen.live()
        await house.answer("morel", first.conversation, "Trois")
        await expect(page.locator(".row-subject")).to_have_text(["Le premier", "Le second"])
        await expect(page.locator("[data-unread]")).to_have_text("3 non lus")
        await expect(page).to_have_title("Messages, 3 non lus – Pli")
        await page.locator(f"#row-{second.conversation} a.row").focus()
        await house.answer("admissions", second.conversation, "Quatre")
        await expect(page.locator(".row-subject")).to_have_text(["Le second", "Le premier"])
        assert await page.evaluate("document.activeElement.closest('li')?.id") == f"row-{second.conversation}"


async def test_ones_words_stand_at_once_and_are_confirmed_in_place(browser: Browser, house: House) -> None:
    receipt = await house.letter("morel", "dominique", "Bonjour", "Votre opération")
    async with window(browser, house, "dominique") as seen:
        page = await seen.go(f"/c/{receipt.conversation}")
        await seen.live()
        await page.fill("#text", "Merci docteur,\nà lundi <3")
        pending = await page.evaluate(
            """() => { document.querySelector('form.composer').requestSubmit();
            const bubble = document.querySelector('.bubble.pending');
            return [bubble?.innerText, document.querySelector('#text').value, document.activeElement.id]; }"""
        )
        assert "Merci docteur,\nà lundi <3" in pending[0]
        assert "Envoi…" in pending[0]
        assert pending[1:] == ["", "text"]
        bubbles = page.locator(".bubble.mine")
        await expect(page.locator(".bubble.pending")).to_have_count(0)
        await expect(bubbles).to_have_count(1)
        await expect(bubbles).to_contain_text("à lundi <3")
        await expect(bubbles.locator(".state")).to_have_text("Remis")
        await expect(page.locator(".pill")).to_be_hidden()
        assert seen.complaints == []


async def test_what_was_not_sent_says_so_in_its_place_and_can_be_tried_again(browser: Browser, house: House) -> None:
    receipt = await house.letter("morel", "dominique", "Bonjour", "Votre opération")
    async with window(browser, house, "dominique") as seen:
        page = await seen.go(f"/c/{receipt.conversation}")
        await seen.live()
        await house.stand("morel", "dominique", "replies", "ended")
        await page.fill("#text", "Encore une question")
        await page.keyboard.press("Control+Enter")
        bubble = page.locator(".bubble.mine")
        await expect(bubble).to_contain_text("Non envoyé – Ce professionnel a mis fin à l’échange.")
        await house.stand("morel", "dominique", "replies", "open")
        await bubble.get_by_role("button", name="Réessayer").click()
        await expect(page.locator(".bubble.mine:not(.pending)")).to_contain_text("Encore une question")
        await expect(page.locator(".bubble")).to_have_count(1)
    async with window(browser, house, "morel") as doctor:
        page = await doctor.go(f"/c/{receipt.conversation}")
        await expect(page.locator(".bubble", has_text="Encore une question")).to_have_count(1)


async def test_enter_goes_to_the_next_line(browser: Browser, house: House) -> None:
    receipt = await house.letter("morel", "dominique")
    async with window(browser, house, "dominique") as seen:
        page = await seen.go(f"/c/{receipt.conversation}")
        await seen.live()
        await page.locator("#text").press_sequentially("Une\nDeux")
        assert await page.input_value("#text") == "Une\nDeux"
        assert await page.locator(".bubble").count() == 0
        await page.reload()  # what was being written survives leaving the page
        await seen.live()
        assert await page.input_value("#text") == "Une\nDeux"


async def test_nothing_jumps_while_one_reads_further_up(browser: Browser, house: House) -> None:
    receipt = await house.letter("morel", "dominique", "Bonjour", "Votre opération")
    for number in range(30):
        await house.answer("morel", receipt.conversation, f"Point {number}\n\nEt encore ceci.")
    async with window(browser, house, "dominique", reduced_motion="reduce") as seen:
        await seen.go(f"/c/{receipt.conversation}")  # at what is new; then all of it is read
        page = await seen.go(f"/c/{receipt.conversation}")
        await seen.live()
        at_end = "document.documentElement.scrollHeight - innerHeight - scrollY < 4"
        assert await page.evaluate(at_end)  # opened at the newest
        await page.evaluate("scrollTo(0, 900)")
        place = "document.querySelectorAll('.entry')[4].getBoundingClientRect().top"
        before = await page.evaluate(place)
        await house.answer("morel", receipt.conversation, "Le dernier point")
        await expect(page.locator(".pill")).to_be_visible()
        assert await page.evaluate(place) == before
        await page.locator(".pill").click()
        await expect(page.locator(".letter", has_text="Le dernier point")).to_be_in_viewport()
        assert await page.evaluate(at_end)
        await expect(page.locator(".pill")).to_be_hidden()


async def test_a_card_is_answered_without_leaving_the_page(browser: Browser, house: House) -> None:
    receipt = await appointment(house)
    async with window(browser, house, "dominique") as seen, window(browser, house, "morel") as doctor:
        page, hers = await seen.go(f"/c/{receipt.conversation}"), await doctor.go(f"/c/{receipt.conversation}")
        await seen.live()
        await doctor.live()
        await page.evaluate("window.loaded = 1")
        await page.get_by_role("button", name="Accepter").click()
        await expect(page.locator(".answered")).to_contain_text("Rendez-vous accepté")
        await expect(page.locator(".record")).to_contain_text("Rendez-vous accepté : Consultation préopératoire.")
        assert await page.evaluate("window.loaded") == 1
        await expect(hers.locator(".answered")).to_contain_text("par Dominique PAT-TROIS")
        assert seen.complaints == doctor.complaints == []


async def test_a_document_is_filed_and_a_file_sent_without_leaving_the_page(
    browser: Browser, house: House, tmp_path: Path
) -> None:
    receipt = await letter_with_documents(house)
    async with window(browser, house, "dominique") as seen:
        page = await seen.go(f"/c/{receipt.conversation}")
        await seen.live()
        await page.evaluate("window.loaded = 1")
        document = page.locator(".file", has_text="Consultation préanesthésique")
        await document.get_by_role("button", name="Ranger dans mon dossier").click()
        await expect(document.get_by_role("link", name="Rangé dans votre dossier")).to_be_visible()
        await page.locator(".add summary").click()
        await page.set_input_files(
            "#files", {"name": "photo.png", "mimeType": "image/png", "buffer": b"\x89PNG\r\n\x1a\n"}
        )
        await page.fill("#text", "Voici")
        await page.get_by_role("button", name="Envoyer").click()
        await expect(page.locator(".bubble.mine")).to_contain_text("photo.png")
        assert await page.evaluate("window.loaded") == 1
        assert await page.input_value("#text") == ""
        too_much = tmp_path / "film.mp4"
        too_much.write_bytes(bytes(21 * 1024 * 1024))
        await page.locator(".add summary").click()
        await page.set_input_files("#files", too_much)
        await expect(page.locator("[data-problem]")).to_contain_text("Vos fichiers sont trop lourds")
        assert seen.complaints == []


async def test_who_writes_is_seen_writing(browser: Browser, house: House) -> None:
    receipt = await house.letter("morel", "dominique")
    async with window(browser, house, "dominique") as seen, window(browser, house, "morel") as doctor:
        page, hers = await seen.go(f"/c/{receipt.conversation}"), await doctor.go(f"/c/{receipt.conversation}")
        await seen.live()
        await doctor.live()
        await page.locator("#text").press_sequentially("Je")
        await expect(hers.locator("[data-typing]")).to_have_text("Dominique PAT-TROIS écrit…")


async def test_a_lost_connection_is_said_and_made_good(browser: Browser, house: House) -> None:
    receipt = await house.letter("morel", "dominique", "Bonjour", "Votre opération")
    async with window(browser, house, "dominique") as seen:
        sockets: list[Any] = []

        async def through(route: Any) -> None:
            sockets.append((route, route.connect_to_server()))

        await seen.page.route_web_socket("**/socket.io/**", through)
        page = await seen.go(f"/c/{receipt.conversation}")
        await seen.live()
        await sockets[0][0].close()
        await sockets[0][1].close()
        await expect(page.locator("[data-connected]")).to_have_count(0)
        await house.answer("morel", receipt.conversation, "Écrit pendant la coupure")
        await expect(page.locator(".letter", has_text="Écrit pendant la coupure")).to_have_count(1)
        await seen.live()
        assert len(sockets) >= 2


async def test_a_page_is_in_step_as_soon_as_the_network_is_back_however_long_it_was_gone(
    browser: Browser, house: House
) -> None:
    await house.letter("morel", "dominique", "Bonjour", "Votre opération")
    async with window(browser, house, "dominique") as seen:
        await seen.page.clock.install()
        page = await seen.go("/")
        await seen.live()
        await page.context.set_offline(True)
        await expect(page.locator("[data-connected]")).to_have_count(0)
        for _ in range(6):  # tries further and further apart
            await page.clock.run_for(40_000)
        await page.clock.pause_at(datetime.now(UTC) + timedelta(hours=1))  # whatever waits for its time waits for ever
        await page.context.set_offline(False)
        await seen.live()


async def test_a_page_that_was_refused_for_a_moment_tries_again(browser: Browser, house: House) -> None:
    await house.letter("morel", "dominique", "Bonjour", "Votre opération")
    async with window(browser, house, "dominique") as seen:
        refused: list[Any] = []

        async def through(route: Any) -> None:
            if refused:
                route.connect_to_server()
                return
            refused.append(route)
            route.on_message(lambda said: route.send('44{"message":"unavailable"}') if said.startswith("40") else None)
            route.send('0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000}')

        await seen.page.route_web_socket("**/socket.io/**", through)
        await seen.go("/")
        await seen.live()
        assert refused


async def test_signing_out_elsewhere_leads_an_open_page_to_the_door(browser: Browser, house: House) -> None:
    receipt = await house.letter("morel", "dominique", "Bonjour", "Votre opération")
    async with window(browser, house, "dominique") as seen:
        page = await seen.go(f"/c/{receipt.conversation}")
        await seen.live()
        (cookie,) = await page.context.cookies()
        await sessions.close_session(house.app, cookie["value"])
        await expect(page.get_by_role("heading", level=1)).to_have_text("Entrer dans votre espace")


async def test_without_the_socket_client_the_page_still_works(browser: Browser, house: House) -> None:
    receipt = await house.letter("morel", "dominique", "Bonjour", "Votre opération")
    async with window(browser, house, "dominique") as seen:
        await seen.page.route("**/static/vendor/**", lambda route: route.abort())
        page = await seen.go(f"/c/{receipt.conversation}")
        await page.fill("#text", "Par le formulaire")
        await page.get_by_role("button", name="Envoyer").click()
        await expect(page.locator(".bubble.mine")).to_contain_text("Par le formulaire")
