"""One state of a conversation in two mail clients and on the web, whoever changed it: what is read, answered, followed,
archived, thrown away, and who of a team has it.
"""

from __future__ import annotations

import re
from email.message import EmailMessage
from email.policy import SMTP

from tests.browser.visitor import Answer, visitor
from tests.doors.test_list import rows
from tests.doors.test_submission import plain_auth
from tests.house import House
from tests.imap_client import Client, client, trusting
from tests.wire import connected

TEAM = '"Equipes/Admissions, CHU de Pli"'


async def news(program: Client) -> list[str]:
    """What a client is told when it asks for nothing."""
    _, said = await program.raw("NOOP")
    return [line.decode() for line in said]


async def flags(program: Client) -> list[set[str]]:
    """Of each message of the open folder."""
    _, said = await program.raw("UID FETCH 1:* (FLAGS)")
    return [set(match[1].split()) for line in said if (match := re.search(r"FLAGS \((.*?)\)", line.decode()))]


async def opened(program: Client, folder: str) -> int:
    """How many messages a folder holds, once it is open."""
    return int((await program.do("select", folder))[0])


def row(shown: Answer, conversation: str) -> str:
    found = re.search(rf'<li id="row-{conversation}".*?</a>', shown.text, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", found[0]).split()) if found else ""


async def asked(house: House) -> str:
    """A conversation in which Dominique asked Dr Morel something."""
    letter = await house.letter("morel", "dominique", subject="Genou")
    await house.answer("dominique", letter.conversation, "Puis-je marcher ?")
    return letter.conversation


async def test_read_followed_and_answered_are_one_on_the_web_and_in_two_clients(house: House) -> None:
    conversation = await asked(house)
    async with client(house) as computer, client(house) as phone, visitor(house, "morel") as morel:
        assert "1 non lu Attend votre réponse" in row(await morel.get("/"), conversation)
        await morel.get(f"/c/{conversation}")
        for program in (computer, phone):
            assert len(await news(program)) == 1
            assert await flags(program) == [{"\\Seen"}]
        await computer.do("store", "1", "-FLAGS", "(\\Seen)")
        assert "1 non lu" in row(await morel.get("/"), conversation)

        await computer.do("store", "1", "+FLAGS", "(\\Flagged \\Seen)")
        assert "À suivre" in row(await morel.get("/"), conversation)
        assert len(await news(phone)) == 1
        assert rows(await morel.get("/?filter=followed")) == ["Genou"]
        assert "À suivre" in (await morel.get(f"/c/{conversation}")).said
        for do, kept in (("followed-off", {"\\Seen"}), ("followed-on", {"\\Seen", "\\Flagged"})):
            assert (await morel.post(f"/c/{conversation}/marks", {"do": do})).status == 303
            for program in (computer, phone):
                assert len(await news(program)) == 1
                assert await flags(program) == [kept]

        await computer.do("store", "1", "+FLAGS", "(\\Answered)")
        assert "Attend" not in row(await morel.get("/"), conversation), "they telephoned"
        await house.answer("dominique", conversation, "Et courir ?")
        assert "Attend votre réponse" in row(await morel.get("/"), conversation)
        assert (await morel.post(f"/c/{conversation}", {"text": "Dans un mois."})).status == 303
        assert "Attend" not in row(await morel.get("/"), conversation)
        for program in (computer, phone):
            await news(program)
            assert "\\Answered" in (await flags(program))[1]


async def test_an_answer_by_mail_marks_what_it_answers(house: House) -> None:
    conversation = await asked(house)
    await house.answer("dominique", conversation, "Merci de me le dire.")
    async with client(house) as computer, visitor(house, "morel") as morel:
        letter = await computer.mail((await computer.uids("ALL"))[0])
        reply = EmailMessage()
        reply["From"], reply["To"], reply["Subject"] = house.address("morel"), letter["From"], "Re: Genou"
        reply["Message-ID"], reply["In-Reply-To"] = "<1@cabinet.example>", letter["Message-ID"]
        reply.set_content("Oui, un peu.")
        async with connected(house.app.ports["submission"], trusting(house.app)) as wire:
            assert (await wire.say(plain_auth(house.address("morel")))).startswith("235")
            await wire.envelope(house.address("morel"), house.address("dominique"))
            assert (await wire.data(reply.as_bytes(policy=SMTP))).startswith("250")
        await news(computer)
        assert ["\\Answered" in one for one in await flags(computer)] == [True, False]
        assert "Attend" not in row(await morel.get("/"), conversation)


async def test_what_is_archived_or_brought_back_is_so_on_every_side(house: House) -> None:
    conversation = await asked(house)
    async with client(house) as computer, client(house) as phone, visitor(house, "morel") as morel:
        assert (await computer.raw("MOVE 1 Archive"))[0].startswith("OK")
        assert await news(phone) == ["* 1 EXPUNGE"]
        assert (rows(await morel.get("/")), rows(await morel.get("/?filter=archived"))) == ([], ["Genou"])
        assert (await morel.post(f"/c/{conversation}/marks", {"do": "archived-off"})).status == 303
        assert await news(phone) == ["* 1 EXISTS"]
        assert rows(await morel.get("/")) == ["Genou"]
        assert (await morel.post(f"/c/{conversation}/marks", {"do": "archived-on"})).status == 303
        assert await news(phone) == ["* 1 EXPUNGE"]
        assert await opened(computer, "Archive") == 1
        assert (await computer.raw("UID MOVE 1:* INBOX"))[0].startswith("OK")
        assert rows(await morel.get("/")) == ["Genou"]


async def test_what_is_thrown_away_leaves_the_professional_and_the_patient_keeps_it(house: House) -> None:
    conversation = await asked(house)
    async with client(house) as computer, visitor(house, "morel") as morel:
        said = (await morel.get(f"/c/{conversation}")).said
        assert "Ce que vous y supprimez quitte votre boîte ; le patient garde la conversation entière." in said
        assert (await computer.raw("MOVE 1 Trash"))[0].startswith("OK")
        assert rows(await morel.get("/?filter=archived")) == ["Genou"]
        assert "Puis-je marcher ?" in (await morel.get(f"/c/{conversation}")).said
        for folder, shown in (("Trash", ["Genou"]), ("Sent", [])):
            assert await opened(computer, folder) == 1
            await computer.do("store", "1", "+FLAGS", "(\\Deleted)")
            await computer.do("expunge")
            assert rows(await morel.get("/?filter=archived")) == shown
            assert "Puis-je marcher ?" not in (await morel.get(f"/c/{conversation}")).said
        assert "Rien ne correspond" in (await morel.get("/search?q=marcher")).said
        async with visitor(house, "dominique") as dominique:
            said = (await dominique.get(f"/c/{conversation}")).said
            assert "Puis-je marcher ?" in said
            assert "Bonjour" in said


async def test_who_of_a_team_has_a_conversation_is_a_keyword_that_only_pli_gives(house: House) -> None:
    letter = await house.letter("admissions", "dominique")
    await house.answer("dominique", letter.conversation, "À quelle heure ?")
    base = f"/for/{house.admissions.mailbox_id}"
    async with (
        client(house, house.address("petit"), folder=TEAM) as petit,
        client(house, house.address("admissions")) as desk,
        visitor(house, "petit") as web,
    ):
        act = f"{base}/c/{letter.conversation}/team"
        assert (await web.post(act, {"do": "take", "held_by": ""})).status == 303
        for program in (petit, desk):
            assert any("Pris-claire.petit" in line for line in await news(program))
        await house.answer("dominique", letter.conversation, "Et où ?")
        await news(petit)
        assert [words & {"Pris-claire.petit"} for words in await flags(petit)] == [{"Pris-claire.petit"}] * 2
        await petit.raw("STORE 1:* FLAGS (\\Seen)")
        await petit.raw("STORE 1:* -FLAGS (Pris-claire.petit)")
        assert await flags(petit) == [{"\\Seen", "Pris-claire.petit"}] * 2
        assert (await web.post(act, {"do": "close", "reason": "answered"})).status == 303
        await news(desk)
        assert [words & {"Clos", "Pris-claire.petit"} for words in await flags(desk)] == [{"Clos"}] * 2
        await house.answer("dominique", letter.conversation, "Et le retour ?")
        await news(desk)
        assert [words & {"Clos"} for words in await flags(desk)] == [set()] * 3
