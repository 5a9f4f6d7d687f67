"""Drafts: what Dr Morel begins on the web is in her mail program, what she begins there is on the web, and what is sent
or thrown away at one place is gone from the other.
"""

from __future__ import annotations

import asyncio
import email.policy
import re
import smtplib
from email.message import EmailMessage

import pytest

from mail_gateway.imap.draft_shelf import DraftShelf
from mail_gateway.imap.shelves import Opened
from server import keeping
from server.errors import Refused
from tests.browser.visitor import Answer, Visitor, visitor
from tests.house import PASSWORD, House
from tests.imap_client import Client, client, trusting
from tests.storage.test_mail_drafts import letter


async def _append(program: Client, raw: bytes, flags: str = "(\\Draft \\Seen)") -> int:
    """Its number there, as APPENDUID tells."""
    [said] = await program.do("append", "Drafts", flags, None, raw)
    found = re.search(rb"APPENDUID \d+ (\d+)", said)
    assert found, said
    return int(found[1])


async def _uids(program: Client) -> list[int]:
    """After what is new was told."""
    await program.do("noop")
    return await program.uids("ALL")


async def _take_away(program: Client, uid: int) -> None:
    """As programs do once they saved a draft anew, or sent it."""
    await program.do("uid", "STORE", str(uid), "+FLAGS.SILENT", "(\\Deleted)")
    await program.do("uid", "EXPUNGE", str(uid))


def _body(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content()).strip()


def _sheet(page: Answer) -> dict[str, str]:
    """The hidden fields, ticked files and words of the sheet that a page opens with."""
    form = re.search(r'<form[^>]*id="write".*?</form>', page.text, re.DOTALL)
    assert form, page.said
    fields = {
        re.findall(r'name="([^"]*)"', tag)[0]: re.findall(r'value="([^"]*)"', tag)[0]
        for tag in re.findall(r"<input[^>]*>", form[0])
        if 'type="hidden"' in tag or " checked" in tag
    }
    words = re.search(r"<textarea[^>]*>(.*?)</textarea>", form[0], re.DOTALL)
    return {**fields, "text": words[1] if words else ""}


async def _begun(house: House, visit: Visitor, conversation: str, text: str) -> dict[str, str]:
    """Kept as a page does while one types; the sheet as it then is."""
    form = _sheet(await visit.get(f"/c/{conversation}"))
    kept = await visit.post(f"/c/{conversation}/draft", {**form, "text": text})
    assert kept.place == "/drafts"
    return _sheet(await visit.get(f"/c/{conversation}"))


async def test_an_answer_begun_on_the_web_is_in_the_thread_of_every_program_and_follows_each_word(house: House) -> None:
    conversation = (await house.letter("morel", "dominique")).conversation
    answer = await house.answer("dominique", conversation, "J’ai mal au genou.")
    async with (
        visitor(house, "morel") as web,
        client(house, folder="Drafts") as desk,
        client(house, folder="Drafts") as phone,
    ):
        form = await _begun(house, web, conversation, "Venez dem")
        (uid,) = await _uids(desk)
        assert await _uids(phone) == [uid]
        mail = await desk.mail(uid)
        assert mail["In-Reply-To"] == f"<{answer.message}@{house.app.settings.mail_domain}>"
        assert house.address("dominique") in mail["To"]
        assert _body(mail) == "Venez dem"
        assert mail.as_bytes() == (await phone.mail(uid)).as_bytes()
        _, told = await desk.raw(f"UID FETCH {uid} (FLAGS THREADID)")
        assert b"\\Draft" in told[0]
        assert b"\\Seen" in told[0]
        assert conversation.encode() in told[0]
        kept = await web.post(f"/c/{conversation}/draft", {**form, "text": "Venez demain."})
        assert kept.place == "/drafts"
        (later,) = await _uids(desk)
        assert later > uid
        assert await _uids(phone) == [later]
        assert _body(await phone.mail(later)) == "Venez demain."
        sheet = _sheet(await web.get(f"/c/{conversation}"))
        sent = await web.post(f"/c/{conversation}", sheet)
        assert sent.status == 303
        assert await _uids(desk) == await _uids(phone) == []


async def test_a_program_that_waits_hears_at_once_what_is_begun_saved_by_another_and_thrown_away(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "LOOK_AGAIN_S", 0.05)
    conversation = (await house.letter("morel", "dominique")).conversation
    async with (
        visitor(house, "morel") as web,
        client(house, folder="Drafts") as desk,
        client(house, folder="Drafts") as phone,
    ):

        async def hears() -> bytes:
            return await asyncio.to_thread(phone.imap.readline)

        phone.imap.send(b"i1 IDLE\r\n")
        assert (await hears()).startswith(b"+ ")
        form = await _begun(house, web, conversation, "Venez")
        assert await hears() == b"* 1 EXISTS\r\n"
        await web.post(f"/c/{conversation}/draft", {**form, "text": "Venez demain"})
        assert {await hears(), await hears()} == {b"* 2 EXISTS\r\n", b"* 1 EXPUNGE\r\n"}, "soon, not at each word"
        uid = await _append(desk, letter("Du poste"))
        assert await hears() == b"* 2 EXISTS\r\n"
        await web.post("/drafts", {"draft": form["draft"]})
        assert await hears() == b"* 1 EXPUNGE\r\n"
        await desk.do("uid", "STORE", str(uid), "+FLAGS.SILENT", "(\\Flagged)")
        assert b"\\Flagged" in await hears()
        phone.imap.send(b"DONE\r\n")
        assert (await hears()).startswith(b"i1 OK")


async def test_a_program_that_was_away_hears_which_drafts_left(house: House) -> None:
    conversation = (await house.letter("morel", "dominique")).conversation
    async with visitor(house, "morel") as web, client(house, folder=None) as program:
        form = await _begun(house, web, conversation, "Un mot")
        await program.raw("ENABLE QRESYNC")
        _, told = await program.raw("SELECT Drafts")
        state = b"\n".join(told)
        validity, modseq = (
            int(re.findall(rb"%b (\d+)" % name, state)[0]) for name in (b"UIDVALIDITY", b"HIGHESTMODSEQ")
        )
        _, [found] = await program.raw("UID SEARCH ALL")
        uid = int(found.split()[-1])
        await program.raw("UNSELECT")
        await web.post("/drafts", {"draft": form["draft"]})
        _, told = await program.raw(f"SELECT Drafts (QRESYNC ({validity} {modseq}))")
        assert b"* VANISHED (EARLIER) %d" % uid in told
        assert b"* 0 EXISTS" in told


async def test_a_draft_of_a_mail_program_goes_on_on_the_web_with_its_file_and_is_sent_there(house: House) -> None:
    sent = await house.letter("morel", "dominique")
    named = f"<{sent.message}@{house.app.settings.mail_domain}>"
    fields = {"to": house.address("dominique"), "subject": "Re: Consignes", "in_reply_to": named}
    async with visitor(house, "morel") as web, client(house, folder="Drafts") as program:
        first = await _append(program, letter("Voici", message_id="<1@poste>", **fields))
        second = await _append(program, letter("Voici le plan.", "plan.pdf", message_id="<1@poste>", **fields))
        listed = await web.get("/drafts")
        assert "Voici le plan." in listed.said
        assert listed.said.count("Voici") == 1, "one draft, saved twice"
        await _take_away(program, first)
        assert await _uids(program) == [second]
        page = await web.get(f"/c/{sent.conversation}")
        sheet = _sheet(page)
        assert sheet["text"] == "Voici le plan."
        assert "plan.pdf" in page.said
        assert await _uids(program) == [second], "looked at, and nothing else"
        answered = await web.post(f"/c/{sent.conversation}", {**sheet, "text": "Voici le plan, Dominique."})
        assert answered.status == 303
        assert await _uids(program) == []
    async with visitor(house, "dominique") as dominique:
        thread = await dominique.get(f"/c/{sent.conversation}")
        assert "Voici le plan, Dominique." in thread.said
        assert "plan.pdf" in thread.said


async def test_what_is_written_over_on_the_web_is_another_mail_for_the_program(house: House) -> None:
    conversation = (await house.letter("morel", "dominique")).conversation
    async with visitor(house, "morel") as web, client(house, folder="Drafts") as program:
        raw = letter("Bonjour", to=house.address("dominique"), subject="Votre genou")
        uid = await _append(program, raw)
        opened = await web.get((await web.get("/drafts")).text.split('button primary" href="')[1].split('"')[0])
        sheet = await web.get(opened.place.partition("#")[0].replace("&amp;", "&"))
        assert 'value="Votre genou"' in sheet.text
        form = {**_sheet(sheet), "subject": "Votre genou", "text": "Bonjour Dominique"}
        assert (await web.post(f"/c/{conversation}/new/draft", form)).place == "/drafts"
        (later,) = await _uids(program)
        assert later > uid
        mail = await program.mail(later)
        assert (mail["Subject"], _body(mail)) == ("Votre genou", "Bonjour Dominique")
        assert house.address("dominique") in mail["To"]


async def test_what_a_program_takes_away_or_moves_to_the_trash_is_thrown_away_on_the_web(house: House) -> None:
    conversation = (await house.letter("morel", "dominique")).conversation
    async with visitor(house, "morel") as web, client(house, folder="Drafts") as program:
        await _begun(house, web, conversation, "Écrit sur la page")
        (page,) = await _uids(program)
        one = await _append(program, letter("Écrit au bureau"))
        two = await _append(program, letter("Écrit dans le train"))
        await _take_away(program, one)  # as a program does that has sent it by SMTP
        assert await _uids(program) == [page, two]
        listed = (await web.get("/drafts")).said
        assert "Écrit sur la page" in listed
        assert "Écrit au bureau" not in listed
        status, _ = await program.raw(f"UID MOVE {two} Trash")
        assert status.startswith("OK")
        for folder in ("Archive", "INBOX", "Sent"):
            status, _ = await program.raw(f"UID MOVE {page} {folder}")
            assert status.startswith("NO [CANNOT]"), status
        assert await _uids(program) == [page]
        listed = (await web.get("/drafts")).said
        assert "Écrit sur la page" in listed
        assert "Écrit dans le train" not in listed


async def test_sent_from_the_program_it_is_a_message_once_and_what_the_page_began_stays(house: House) -> None:
    sent = await house.letter("morel", "dominique")
    named = f"<{sent.message}@{house.app.settings.mail_domain}>"
    fields = {"to": house.address("dominique"), "from": house.morel.address, "in_reply_to": named}
    raw = letter("Du poste.", subject="Re: Consignes", message_id="<poste@pli.example>", **fields)

    def submit() -> None:
        with smtplib.SMTP("127.0.0.1", house.app.ports["submission"]) as smtp:
            smtp.starttls(context=trusting(house.app))
            smtp.login(house.morel.address, PASSWORD)
            smtp.sendmail(house.morel.address, [house.address("dominique")], raw)

    async with visitor(house, "morel") as web, client(house, folder="Drafts") as program:
        await _begun(house, web, sent.conversation, "De la page.")
        draft = await _append(program, raw)
        await asyncio.to_thread(submit)
        await program.do("append", "Sent", "(\\Seen)", None, raw)
        await _take_away(program, draft)
        assert [item.writing.text for item in await keeping.kept(house.app, await house.mailbox("morel"))] == [
            "De la page."
        ]
        assert len(await _uids(program)) == 1
        _, [told] = await program.raw("STATUS Sent (MESSAGES)")
        assert b"MESSAGES 2" in told  # the first letter, and this one once
        shown = await web.get(f"/c/{sent.conversation}")
        assert _sheet(shown)["text"] == "De la page."
        assert "Du poste." in shown.said


async def test_a_draft_that_a_page_cannot_go_on_with_is_shown_whole_with_the_reason(house: House) -> None:
    async with visitor(house, "morel") as web, client(house, folder="Drafts") as program:
        to = f"{house.address('marcel')}, {house.morel.address}"
        await _append(program, letter("Bonjour Marcel", "ordonnance.pdf", to=to, subject="Première visite"))
        listed = await web.get("/drafts")
        assert f"À : {house.address('marcel')}" in listed.said
        assert "1 fichier joint" in listed.said
        shown = await web.get(re.findall(r'class="button" href="(/drafts/[^"]+)"', listed.text)[0])
        for words in (
            "Première visite", "Bonjour Marcel", "ordonnance.pdf",
            "Ce brouillon est pour des personnes à qui ces pages ne peuvent pas écrire.",
        ):  # fmt: skip
            assert words in shown.said
    async with visitor(house, "petit") as other:
        place = re.findall(r'href="(/drafts/[^"]+)"', listed.text)[0]
        assert (await other.get(place)).status == 404


async def test_a_file_that_no_page_can_take_stays_in_the_program_and_the_page_says_so(house: House) -> None:
    sent = await house.letter("morel", "dominique")
    mail = EmailMessage()
    mail["In-Reply-To"] = f"<{sent.message}@{house.app.settings.mail_domain}>"
    mail.set_content("Deux fichiers.")
    mail.add_attachment(b"%PDF-1.4", maintype="application", subtype="pdf", filename="plan.pdf")
    mail.add_attachment(b"", maintype="text", subtype="csv", filename="vide.csv")
    async with visitor(house, "morel") as web, client(house, folder="Drafts") as program:
        uid = await _append(program, mail.as_bytes(policy=email.policy.SMTP))
        page = await web.get(f"/c/{sent.conversation}")
        assert "Un fichier reste dans le brouillon de votre logiciel de messagerie" in page.said
        assert "vide.csv" in page.said
        form = _sheet(page)
        assert sum(name.startswith("file.") for name in form) == 1
        await web.post(f"/c/{sent.conversation}/draft", {**form, "text": "Un fichier."})
        assert len(await _uids(program)) == 2
        assert b"vide.csv" in (await program.fetch(uid))[1], "the mail stays as it is, beside what the page wrote"
        assert "Deux fichiers." in (await web.get("/drafts")).said
        asked = re.findall(rf'"(/drafts/(?!{form["draft"]})[^"]+)"', (await web.get("/drafts")).text)[0]
        place = (await web.get(asked)).place.partition("#")[0]
        sent_now = await web.post(f"/c/{sent.conversation}", _sheet(await web.get(place)))
        assert sent_now.status == 303
        assert b"vide.csv" in (await program.fetch(uid))[1], "what did not go is still where it was said to be"


async def test_in_the_mailbox_of_a_team_each_has_their_own_drafts_at_both_places(house: House) -> None:
    team = house.anesthesia
    async with visitor(house, "morel") as web, client(house, folder=None) as program:
        _, listed = await program.raw('LIST "" "Equipes/%/Drafts"')
        folder = next(line.split(b'"/" ')[1].decode() for line in listed)
        [said] = await program.do("append", folder, "(\\Draft)", None, letter("Pour le bloc", subject="Bloc"))
        assert b"APPENDUID" in said
        assert "Pour le bloc" in (await web.get(f"/for/{team.mailbox_id}/drafts")).said
        assert "Pour le bloc" not in (await web.get("/drafts")).said
    async with client(house, team.address, folder="Drafts") as whole_team:
        assert await _uids(whole_team) == [], "what one of them begins is theirs alone"


async def test_a_large_draft_is_kept_to_its_last_octet_and_searched(house: House) -> None:
    raw = letter("Compte rendu. " + "Rien à signaler. " * 30_000, subject="Long")
    async with client(house, folder="Drafts") as program:
        uid = await _append(program, raw)
        assert await _uids(program) == [uid]
        assert (await program.fetch(uid))[1] == raw
        assert await program.uids("BODY", '"signaler"') == [uid]
        assert await program.uids("DRAFT", "SEEN") == [uid]
    (kept,) = await keeping.kept(house.app, await house.mailbox("morel"))
    assert kept.writing.mail is not None
    assert kept.writing.mail.why == "long"


async def test_a_draft_thrown_away_while_it_is_being_read_is_gone_and_not_damaged(house: House) -> None:
    async with client(house, folder="Drafts") as desk:
        uid = await _append(desk, letter("Venez demain."))
        shelf = DraftShelf(house.app, await house.mailbox("morel"))
        [draft] = [one async for one in shelf.open([uid], facts=True)]
        assert isinstance(draft, Opened)
        await _take_away(desk, uid)
    with pytest.raises(Refused):
        await draft.octets()
