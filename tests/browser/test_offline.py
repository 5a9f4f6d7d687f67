"""Pli as an app in a real browser: installed, woken by a push, read without a network where its person chose so; and
nothing left at sign-out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from server import push, sessions
from storage.ids import now_ms
from tests.browser.chromium import Window, window
from tests.browser.scenes import letter_with_documents
from tests.house import House, open_house, settings_for
from tests.notice_post import reached, wish

LONG = 30_000  # ms: a worker, a key and a page to seal, on a machine that others use too
OFFER = "Être prévenu d’un nouveau message ?"
SUBJECT, TEXT = "Votre opération du 8 décembre", "Ne mangez plus après minuit."
# Everything this origin keeps in the browser: rows of databases, addresses in caches, workers.
LOOK = """const wait = (asked) => new Promise((done) => { asked.onsuccess = () => done(asked.result); });
const inside = async (act) => {
  if (!(await indexedDB.databases()).length) return null;
  const kept = await wait(indexedDB.open("pli-kept"));
  try { return kept.objectStoreNames.length && await act(kept.transaction("kept", "readwrite").objectStore("kept")); }
  finally { kept.close(); } };
const caught = async () => {
  const found = [];
  for (const name of await caches.keys()) found.push(...await (await caches.open(name)).matchAll());
  return found; };"""
KEPT = f"""async () => {{ {LOOK}
  const names = (await indexedDB.databases()).map((one) => one.name);
  return {{ rows: names.length ? await inside((store) => wait(store.getAllKeys())) : [], names,
    caches: (await caught()).map((one) => new URL(one.url).pathname),
    workers: (await navigator.serviceWorker.getRegistrations()).length }}; }}"""
SEALED = f"""async () => {{ {LOOK}
  const copy = await inside((store) => wait(store.get("copy"))), key = await inside((store) => wait(store.get("key")));
  const shell = await Promise.all((await caught()).map((one) => one.text()));
  return [new TextDecoder("latin1").decode(copy.sealed), [key.extractable, key.algorithm.name], shell.join("")]; }}"""
GONE = f"""async () => {{ {LOOK}
  const rows = await inside((store) => wait(store.getAllKeys())) || [];
  return !rows.includes("copy") && !rows.includes("key"); }}"""
SPEAKS_ENGLISH = f"""async () => {{ {LOOK}
  return await inside((store) => wait(store.get("language"))) === "en"; }}"""
OLD = f"""async () => {{ {LOOK}
  const copy = await inside((store) => wait(store.get("copy")));
  await inside((store) => wait(store.put({{ ...copy, contact: Date.now() - 7 * 86400000 - 60000 }}, "copy"))); }}"""


@asynccontextmanager
async def app_window(browser: Browser, house: House, who: str = "dominique", **options: Any) -> AsyncIterator[Window]:
    """A window with its service worker, in control of the page."""
    phone = {"viewport": {"width": 390, "height": 800}, **options}
    async with window(browser, house, who, service_workers="allow", **phone) as seen:
        page = await seen.go("/")
        await page.evaluate("navigator.serviceWorker.ready")
        await page.wait_for_function("() => navigator.serviceWorker.controller")
        yield seen


async def keep(seen: Window) -> Page:
    """Choose, on this browser, to keep the last letters; until they are there."""
    page = await seen.go("/account/notices")
    await page.get_by_role("button", name="Garder mes derniers messages ici").click()
    await expect(page.get_by_text("Gardées à jour :")).to_be_visible(timeout=LONG)
    return page


async def kept(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = await page.evaluate(KEPT)
    return found


async def test_dominique_reads_her_letters_where_there_is_no_network(browser: Browser, house: House) -> None:
    sent = await house.letter("morel", "dominique", TEXT, SUBJECT)
    await house.letter("admissions", "dominique", "Votre chambre est prête.", "Admission")
    async with app_window(browser, house) as seen:
        page = await keep(seen)
        assert sorted((await kept(page))["rows"]) == ["copy", "key", "language"]
        await page.context.set_offline(True)
        await page.goto(house.http + "/")
        await expect(page.get_by_role("heading", level=1)).to_contain_text("Hors connexion – messages du", timeout=LONG)
        await page.goto(f"{house.http}/c/{sent.conversation}")
        assert page.url.endswith(f"/offline#c-{sent.conversation}")
        await page.locator(f"#c-{sent.conversation} summary").click()
        await expect(page.get_by_text(TEXT)).to_be_visible(timeout=LONG)
        await expect(page.get_by_text("Vous pourrez répondre ici").last).to_be_attached()
        assert await page.locator("form").count() == 0
        assert await page.evaluate("getComputedStyle(document.querySelector('.brand')).display") == "flex"
        await page.context.set_offline(False)
        await page.get_by_role("link", name="Réessayer").click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("Messages", timeout=LONG)


async def test_what_is_kept_is_sealed_and_its_key_cannot_be_taken_out(browser: Browser, house: House) -> None:
    await house.letter("morel", "dominique", TEXT, SUBJECT)
    async with app_window(browser, house) as seen:
        page = await keep(seen)
        sealed, key, shell = await page.evaluate(SEALED)
        assert len(sealed) > 1_000
        assert key == [False, "AES-GCM"]
        for word in ("minuit", "MOREL", "Dominique"):
            assert word not in sealed
            assert word not in shell


async def test_signing_out_leaves_no_letter_no_key_and_no_cache(browser: Browser, house: House) -> None:
    await house.letter("morel", "dominique", TEXT, SUBJECT)
    async with app_window(browser, house) as seen:
        page = await keep(seen)
        await page.locator(".menu summary").click()
        await page.get_by_role("button", name="Se déconnecter").click()
        await page.wait_for_url("**/sign-in?out*")
        assert await kept(page) == {"rows": [], "names": [], "caches": [], "workers": 0}
        await page.context.set_offline(True)
        with pytest.raises(Exception, match="ERR_INTERNET_DISCONNECTED"):
            await page.goto(house.http + "/")


async def test_somebody_else_on_the_same_browser_sees_nothing_of_it(browser: Browser, house: House) -> None:
    await house.letter("morel", "dominique", TEXT, SUBJECT)
    async with app_window(browser, house) as seen:
        page = await keep(seen)
        cookie = {"name": "pli", "value": await house.session("marcel"), "url": house.http}
        await page.context.add_cookies([cookie])  # type: ignore[list-item]
        await page.goto(house.http + "/")
        await gone(page)
        await page.context.set_offline(True)
        await page.goto(house.http + "/")
        await expect(page.get_by_text("Vos messages ne sont pas gardés sur cet appareil")).to_be_visible(timeout=LONG)
        assert TEXT not in await page.content()


async def until(page: Page, script: str) -> Any:
    """What an asynchronous function of the page gives, once it is something. (`wait_for_function` awaits none.)"""
    again = "if (found) return found; await new Promise(requestAnimationFrame);"
    async with asyncio.timeout(30):
        return await page.evaluate(f"async () => {{ for (;;) {{ const found = await ({script})(); {again} }} }}")


async def gone(page: Page) -> None:
    """Until neither letters nor key are kept."""
    await until(page, GONE)


async def test_a_browser_that_was_signed_out_elsewhere_erases_at_its_first_word(browser: Browser, house: House) -> None:
    await house.letter("morel", "dominique", TEXT, SUBJECT)
    async with app_window(browser, house) as seen:
        page = await keep(seen)
        await sessions.sign_out_everywhere(house.app, house.dominique.account_id)
        await page.goto(house.http + "/")
        assert "/sign-in" in page.url
        await gone(page)


async def test_after_seven_days_without_a_word_the_browser_erases_by_itself(browser: Browser, house: House) -> None:
    await house.letter("morel", "dominique", TEXT, SUBJECT)
    async with app_window(browser, house) as seen:
        page = await keep(seen)
        await page.evaluate(OLD)
        await page.context.set_offline(True)
        await page.goto(house.http + "/")
        await expect(page.get_by_text("Vos messages ne sont pas gardés sur cet appareil")).to_be_visible(timeout=LONG)
        await gone(page)


async def test_without_a_choice_nothing_is_kept_but_the_shell(browser: Browser, house: House) -> None:
    await house.letter("morel", "dominique", TEXT, SUBJECT)
    async with app_window(browser, house) as seen:
        page = await seen.go("/")
        found = await kept(page)
        assert found["rows"] == ["language"]
        assert {path.split("/")[1] for path in found["caches"]} == {"static", "offline"}
        await page.context.set_offline(True)
        await page.goto(house.http + "/documents")
        await expect(page.get_by_text("Il n’y a pas de connexion")).to_be_visible(timeout=LONG)
        assert await page.evaluate("getComputedStyle(document.querySelector('.top')).position") == "sticky"


async def test_a_push_shows_one_sentence_in_her_language_and_nothing_else(whole_browser: Browser, house: House) -> None:
    async with app_window(whole_browser, house, permissions=["notifications"]) as seen:
        page = await seen.go("/account/notices")
        session = await page.context.new_cdp_session(page)
        versions: list[dict[str, Any]] = []
        session.on("ServiceWorker.workerRegistrationUpdated", lambda said: versions.extend(said["registrations"]))
        await session.send("ServiceWorker.enable")
        await page.wait_for_function("() => navigator.serviceWorker.controller")
        registration = versions[0]["registrationId"]
        push = {"origin": house.http, "registrationId": registration, "data": ""}
        await session.send("ServiceWorker.deliverPushMessage", push)
        shown = """async () => { const found = await (await navigator.serviceWorker.ready).getNotifications();
          return found.length && found.map((one) => [one.title, one.body, one.lang, one.data]); }"""
        assert await until(page, shown) == [["Pli", "Un message vous attend.", "fr", None]]


async def test_with_the_worker_downloads_live_letters_and_languages_are_what_they_were(
    browser: Browser, house: House
) -> None:
    sent = await letter_with_documents(house)
    async with app_window(browser, house) as seen:
        page = await seen.go(f"/c/{sent.conversation}")
        await seen.live()
        assert await page.evaluate("Boolean(navigator.serviceWorker.controller)")
        await house.answer("morel", sent.conversation, "Apportez vos radiographies.")
        await page.wait_for_selector(".letter >> text=Apportez vos radiographies.")
        async with page.expect_download() as given:
            await page.get_by_role("link", name="Télécharger consignes.pdf").first.click()
        assert (await given.value).suggested_filename == "consignes.pdf"
        await page.goto(f"{house.http}/for/{house.camille.mailbox_id}/")
        await expect(page.locator(".whose")).to_contain_text("Camille", timeout=LONG)
        await page.locator(".menu summary").last.click()
        await page.get_by_role("button", name="English").click()
        await expect(page.locator("html")).to_have_attribute("lang", "en", timeout=LONG)
        await until(page, SPEAKS_ENGLISH)
        await page.context.set_offline(True)
        await page.goto(house.http + "/")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Offline", timeout=LONG)


async def test_chromium_would_install_it(browser: Browser, house: House) -> None:
    async with app_window(browser, house) as seen:
        session = await seen.page.context.new_cdp_session(seen.page)
        found = await session.send("Page.getInstallabilityErrors")
        assert [one["errorId"] for one in found["installabilityErrors"] if one["errorId"] != "in-incognito"] == []
        manifest = await session.send("Page.getAppManifest")
        assert manifest["errors"] == []
        assert seen.complaints == []


async def test_push_is_offered_once_after_the_third_visit_and_no_is_for_ever(
    whole_browser: Browser, house: House
) -> None:
    await house.letter("morel", "dominique", TEXT, SUBJECT)
    async with app_window(whole_browser, house) as seen:
        await _may_ask(whole_browser, seen)
        await _come_back(seen, offered=False)
        page = await _come_back(seen, offered=True)
        await page.get_by_role("button", name="Non merci").click()
        await expect(page.get_by_role("heading", name=OFFER)).to_have_count(0)
        await page.evaluate("localStorage.setItem('pli-visits', '7')")
        await _come_back(seen, offered=False)
        assert seen.complaints == []


async def _may_ask(browser: Browser, seen: Window) -> None:
    """As a browser that was never asked for notifications."""
    page = await seen.page.context.new_cdp_session(seen.page)
    place = (await page.send("Target.getTargetInfo"))["targetInfo"]["browserContextId"]
    asked = {"permission": {"name": "notifications"}, "setting": "prompt", "origin": seen.house.http}
    await (await browser.new_browser_cdp_session()).send("Browser.setPermission", {**asked, "browserContextId": place})


async def _come_back(seen: Window, *, offered: bool) -> Page:
    """Another visit, in a window of its own; until it was offered or not."""
    page = await seen.page.context.new_page()
    if offered:
        await page.goto(seen.house.http + "/")
        await expect(page.get_by_role("heading", name=OFFER)).to_be_visible(timeout=LONG)
        return page
    before = int(await seen.page.evaluate("localStorage.getItem('pli-visits')"))
    if before < 2:
        await page.goto(seen.house.http + "/")
    else:
        async with page.expect_response("**/account/notices/offer") as answer:
            await page.goto(seen.house.http + "/")
        assert (await answer.value).status == 204
    await page.wait_for_function("() => sessionStorage.getItem('pli-visits')")
    await expect(page.get_by_role("heading", name=OFFER)).to_have_count(0)
    return page


PAGES = (320, "light", "fr"), (1280, "dark", "en")


@pytest.mark.parametrize(("width", "light", "language"), PAGES)
async def test_its_pages_are_without_a_fault_and_fit(
    browser: Browser, tmp_path: Path, sqlite_url: str, width: int, light: str, language: str
) -> None:
    options: dict[str, Any] = {"viewport": {"width": width, "height": 800}, "color_scheme": light, "bypass_csp": True}
    relay = {"notice_smtp": "127.0.0.1:1", "notice_tls": "none", "notice_from": "avis@pli.example"}
    settings = settings_for(tmp_path / "pli", database_url=sqlite_url, sms_url="http://127.0.0.1:1/", **relay)
    async with open_house(settings) as house:
        await letter_with_documents(house)
        await reached(house, "dominique", "email", "dominique@exemple.fr")
        await push.subscribe(house.app, house.dominique.account_id, "https://push.example/1", "", "Chrome (Android)")
        link = (await wish(house, "dominique", paused_until=now_ms() + 86_400_000, sms=60)).link
        async with app_window(browser, house, **options) as seen:
            cookie = {"name": "pli-language", "value": language, "url": house.http}
            await seen.page.context.add_cookies([cookie])  # type: ignore[list-item]
            for path in ("/account/notices", f"/notices/{link}", f"/offline/none?language={language}"):
                page = await seen.go(path)
                await _sound(seen, page, language)
            page = await seen.go("/account/notices")
            await page.locator("#offline button").click()
            await expect(page.locator("[data-kept-at]")).to_be_visible(timeout=LONG)
            await _sound(seen, page, language)
            await page.context.set_offline(True)
            await page.goto(house.http + "/")
            assert page.url.endswith("/offline")
            await _sound(seen, page, language)


async def _sound(seen: Window, page: Page, language: str) -> None:
    assert await page.evaluate("document.documentElement.lang") == language
    assert await seen.faults() == [], page.url
    assert not await seen.wider_than_screen(), page.url
    small = "[...document.querySelectorAll('button, .button, summary, select, .again')].filter((one) =>"
    small += " one.checkVisibility() && one.getBoundingClientRect().height < 44).map((one) => one.outerHTML)"
    assert await page.evaluate(small) == [], page.url
