"""The list of conversations by HTTP alone: unread that is one number, filters, archive, pins, labels, more of it."""

from __future__ import annotations

import re
from urllib.parse import quote

from server import keeping, marks
from server.keeping import Writing
from server.listing import PINNED_MOST
from storage.ids import new_id
from tests.browser.scenes import SUBJECT, appointment, letter_with_documents, offer
from tests.browser.visitor import Answer, Visitor, visitor
from tests.house import House
from tests.imap_client import client

JSON = {"Accept": "application/json"}


def rows(page: Answer) -> list[str]:
    """The subjects on a page of the list, in order."""
    return re.findall(r'class="row-subject" dir="auto">([^<]*)<', page.text)


def number(page: Answer, name: str) -> int:
    """What a filter says it holds."""
    return int(re.findall(rf">{name}</span> <span class=\"number\">(\d+)<", page.text)[0])


async def mark(who: Visitor, conversation: str, do: str, query: str = "", base: str = "") -> Answer:
    return await who.post(f"{base}/c/{conversation}/marks{query}", {"do": do})


async def test_unread_is_one_number_in_the_list_and_in_a_mail_client_also_when_archived_or_muted(house: House) -> None:
    letter = await house.letter("morel", "dominique")
    other = await house.letter("morel", "marcel")
    for number_ in range(3):
        await house.answer("dominique", letter.conversation, f"Question {number_} ?")
    await house.answer("marcel", other.conversation, "Bonjour docteur.")

    async def in_the_mail_client() -> list[int]:
        async with client(house, folder=None) as phone:
            told = [(await phone.do("status", folder, "(UNSEEN)"))[0] for folder in ("INBOX", "Archive")]
        return [int(re.findall(rb"UNSEEN (\d+)", line)[0]) for line in told]

    async with visitor(house, "morel") as morel:
        for do, unseen in (("muted-on", [4, 0]), ("archived-on", [1, 3])):
            assert (await mark(morel, letter.conversation, do)).status == 303
            shown = await morel.get("/")
            assert "4 non lus" in shown.said
            assert shown.headers.get("X-Unread") is None
            assert await in_the_mail_client() == unseen
        assert (await morel.get("/rows")).headers["X-Unread"] == "4"
        unread = await morel.get("/?filter=unread")
        assert len(rows(unread)) == 2
        assert "Dont 3 dans des conversations sans notification." in unread.said
        await morel.get(f"/c/{letter.conversation}")
        assert "1 non lu" in (await morel.get("/")).said
    assert await in_the_mail_client() == [1, 0]

    async with client(house) as computer:  # what is thrown away unread there waits nowhere
        await computer.do("store", "1", "+FLAGS", "(\\Deleted)")
        await computer.do("expunge")
    assert await in_the_mail_client() == [0, 0]
    async with visitor(house, "morel") as morel:
        assert "non lu" not in (await morel.get("/rows")).said


async def test_a_row_says_in_words_who_what_when_and_what_became_of_ones_own_words(house: House) -> None:
    letter = await letter_with_documents(house)
    rendezvous = await appointment(house)
    box = await house.mailbox("dominique")
    await keeping.keep(house.app, box, new_id(), 0, letter.conversation, Writing(text="Je voulais"))
    async with visitor(house, "dominique") as dominique:
        shown = await dominique.get("/")
        row = re.findall(rf'<li id="row-{letter.conversation}".*?</a>', shown.text, re.DOTALL)[0]
        said = " ".join(re.sub(r"<[^>]+>", " ", row).split())
        assert said.startswith("Dr Agathe MOREL")
        for words in ("Chirurgienne orthopédiste · CHU de Pli", SUBJECT, "1 non lu", "Brouillon", "2 documents"):
            assert words in said
        assert "Attend votre réponse" in shown.said
        assert "Rendez-vous" in shown.said
        await dominique.press(f"/c/{rendezvous.conversation}", "agenda.accept")
        assert "Attend votre réponse" not in (await dominique.get("/")).said
    await house.answer("dominique", letter.conversation, "Merci docteur.")
    async with visitor(house, "dominique") as dominique:
        assert "Vous : Merci docteur. 1 non lu Brouillon Remis" in (await dominique.get("/")).said
        async with visitor(house, "morel") as morel:
            await morel.get(f"/c/{letter.conversation}")
        assert re.search(r"Vous : Merci docteur\. 1 non lu Brouillon Lu (à|le|par)", (await dominique.get("/")).said)
    async with visitor(house, "camille") as camille:
        assert "Aucun message pour l’instant" in (await camille.get("/")).said


async def test_each_filter_is_a_link_with_its_count_and_stays_while_one_archives(house: House) -> None:
    papers, bot = await letter_with_documents(house), await offer(house)
    lab = await house.letter("lab", "dominique", "Votre bilan.", "Bilan")
    plain = await house.letter("morel", "dominique", "Bonne journée.", "Nouvelles")
    async with visitor(house, "dominique") as dominique:
        shown = await dominique.get("/")
        assert [number(shown, name) for name in ("Toutes", "Non lues", "Avec documents", "Services automatiques")] == [
            4, 4, 1, 2
        ]  # fmt: skip
        assert rows(await dominique.get("/?filter=documents")) == [SUBJECT]
        assert "Bilan" in rows(await dominique.get("/?filter=machines"))

        done = await mark(dominique, lab.conversation, "archived-on", "?filter=machines")
        assert done.place == f"/?filter=machines&done=archived&c={lab.conversation}"
        shown = await dominique.get(done.place)
        assert "La conversation est archivée." in shown.said
        assert f'action="/c/{lab.conversation}/marks?filter=machines"' in shown.text
        assert rows(shown) == ["Mon carnet de suivi"]
        back = await mark(dominique, lab.conversation, "archived-off", "?filter=machines")
        assert back.place == f"/?filter=machines#row-{lab.conversation}"
        assert "Bilan" in rows(await dominique.get("/"))

        await mark(dominique, plain.conversation, "pinned-on")
        await mark(dominique, papers.conversation, "archived-on")
        assert rows(await dominique.get("/")) == ["Nouvelles", "Bilan", "Mon carnet de suivi"]
        assert rows(await dominique.get("/?filter=pinned")) == ["Nouvelles"]
        assert rows(await dominique.get("/?filter=archived")) == [SUBJECT]
        assert "Vous avez déjà" not in (await dominique.get("/")).said
        for name in ("waiting", "appointments"):
            shown = await dominique.get(f"/?filter={name}")
            if not rows(shown):
                assert "Voir toutes les conversations" in shown.said
        for nonsense in ("everything", "label", "x' OR 1=1", "é"):
            assert (await dominique.get(f"/?filter={quote(nonsense)}&label=x&before=1&pages=9999")).status == 200
        assert bot.conversation in (await dominique.get("/?filter=machines")).text


async def test_labels_are_made_ticked_named_anew_and_removed_by_plain_forms(house: House) -> None:
    letter = await house.letter("morel", "dominique")
    thread = f"/c/{letter.conversation}/labels"
    async with visitor(house, "dominique") as dominique:
        assert (await dominique.post(thread, {"name": "Genou <droit>"})).status == 303
        shown = await dominique.get("/")
        assert "Genou &lt;droit&gt;" in shown.text
        (label,) = re.findall(r'name="label" value="([\w-]+)" checked', (await dominique.get(thread)).text)
        refused = await dominique.post(thread, {"label": label, "name": "genou <DROIT>"})
        assert refused.status == 422
        assert "Vous avez déjà une étiquette « genou <DROIT> »." in refused.said
        await dominique.post("/labels", {"do": "name", "label": label, "name": "Genou"})
        second = await dominique.post("/labels", {"do": "name", "name": "x" * 41})
        assert "Ce nom est trop long (41 caractères, 40 au plus)." in second.said
        assert "x" * 41 in second.text, "what was typed is kept"
        await house.letter("lab", "dominique")
        shown = await dominique.get(f"/?filter=label&label={label}")
        assert rows(shown) == ["Consignes"]
        assert number(shown, "Genou") == 1
        await dominique.post("/labels", {"do": "remove", "label": label})
        assert "Genou" not in (await dominique.get("/")).text
    async with visitor(house, "marcel") as marcel:
        assert (await marcel.get(thread)).status == 404
        assert (await marcel.post(thread, {"name": "Genou"})).status == 404
        assert (await mark(marcel, letter.conversation, "archived-on")).status == 404
        assert (await marcel.post("/labels", {"do": "name", "label": label, "name": "À moi"})).status == 404


async def test_what_cannot_be_done_is_said_and_no_form_leads_elsewhere(house: House) -> None:
    sent = [await house.letter("morel", "dominique", subject=f"Lettre {n}") for n in range(PINNED_MOST + 1)]
    async with visitor(house, "dominique") as dominique:
        for one in sent[:-1]:
            await mark(dominique, one.conversation, "pinned-on")
        last = sent[-1].conversation
        refused = await mark(dominique, last, "pinned-on")
        assert refused.status == 403
        assert "Vous avez déjà épinglé 10 conversations. Détachez-en une d’abord." in refused.said
        told = await dominique.post(f"/c/{last}/marks", {"do": "pinned-on"}, headers=JSON)
        assert '"code": "too_many_pinned"' in told.text
        assert (await mark(dominique, last, "burnt-on")).status == 422
        done = await dominique.post(f"/c/{last}/marks", {"do": "muted-on"}, headers=JSON)
        assert (done.status, done.text) == (200, '{"done": "muted-on"}')
        for query in ("?at=//evil.example", "?filter=//evil.example&next=https://evil.example", "?at=thread"):
            place = (await mark(dominique, last, "muted-on", query)).place
            assert re.fullmatch(rf"/c/{last}|/#row-{last}", place)
        elsewhere = {"Origin": "https://evil.example"}
        assert (await dominique.post(f"/c/{last}/marks", {"do": "archived-on"}, headers=elsewhere)).status == 403
    box = await house.mailbox("dominique")
    assert len(await marks.labels(house.app, box)) == 0


async def test_her_mother_keeps_camilles_list_in_her_own_name_and_leaves_her_own_as_it_is(house: House) -> None:
    theirs = await house.letter("morel", "camille", subject="Vaccins")
    await house.letter("morel", "dominique", subject="Genou")
    base = f"/for/{house.camille.mailbox_id}"
    async with visitor(house, "dominique") as dominique:
        assert (await mark(dominique, theirs.conversation, "pinned-on", base=base)).place.startswith(f"{base}/#row-")
        assert "Épinglée" in (await dominique.get(f"{base}/")).said
        assert "Épinglée" not in (await dominique.get("/")).said
        assert (await mark(dominique, theirs.conversation, "pinned-off")).status == 404
    async with visitor(house, "camille") as camille:
        assert "Épinglée" in (await camille.get("/")).said
    by = await house.app.db.read(lambda tx: tx.run("SELECT by FROM marks"))
    assert by == [(house.dominique.account_id,)]


async def test_more_is_shown_by_links_alone(house: House) -> None:
    for n in range(82):
        await house.letter("morel", "dominique", subject=f"Suivi {n}")
    async with visitor(house, "dominique") as dominique:
        shown, seen = await dominique.get("/"), 40
        assert len(rows(shown)) == seen
        while more := re.findall(r'data-more>\s*<p class="more"><a class="button" href="([^"]+)"', shown.text):
            shown = await dominique.get(more[0].replace("&amp;", "&"))
            assert len(rows(shown)) > seen
            seen = len(rows(shown))
        assert rows(shown) == [f"Suivi {n}" for n in range(81, -1, -1)]
        assert rows(await dominique.get("/?pages=2")) == rows(shown)[:80]
        assert rows(await dominique.get("/rows?pages=2")) == rows(shown)[:80]
