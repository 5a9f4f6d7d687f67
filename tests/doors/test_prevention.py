"""Prevention as people see it: what may be thought of, with its reason; what one says of it, which stays theirs and can
be changed; three questions; and who may see none of it.
"""

from __future__ import annotations

import html
import re

import aiohttp
import pytest
from msgspec.structs import replace

from server import access, reading
from server.actions import choice
from server.actions.acting import act
from server.bots import reminders
from server.dossier import consents
from server.dossier import documents as shelf
from server.dossier.consents import Giving
from server.errors import Invalid, Refused
from server.formats.findings import Coded
from server.prevention import known, statuses
from storage import delegations
from storage import reminders as rows
from storage.ids import now_ms
from tests.browser.visitor import Answer, Visitor, visitor
from tests.house import House
from tests.support import cda_documents as made
from tests.support.told import handle_of, told

PAGE = "/prevention"
ZONA, TETANUS = "zoster-65", "dtp-65"


async def say(visit: Visitor, rule: str, do: str, base: str = "", **values: str) -> Answer:
    """Answer on the page of a rule, as its form does."""
    place = f"{base}{PAGE}/answer/{rule}"
    shown = await visit.get(place)
    key = re.findall(r'name="client_key" value="([^"]+)"', shown.text)
    return await visit.post(place, {"do": do, "client_key": key[0].partition(".")[0] + do if key else "", **values})


def part(page: Answer, name: str) -> str:
    """The words of one group of the page."""
    found = re.search(rf'aria-labelledby="p-{name}".*?</section>', page.text, re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", found[0])).split()) if found else ""


async def news(house: House, who: str) -> str:
    """What « Votre espace » says."""
    entries = (await reading.since(house.app, await house.mailbox(who), 0)).entries
    return " ".join(entry.message.text for entry in entries)


async def test_who_recommends_it_is_said_in_plain_words_and_every_source_stands_one_fold_away(house: House) -> None:
    async with visitor(house, "dominique") as dominique:
        page = await dominique.get(PAGE)
        one = await dominique.get(f"{PAGE}/answer/prevention-45")
        child = await dominique.get(f"/for/{house.camille.mailbox_id}{PAGE}")
    for shown in (page, one, child):
        plain = re.sub(r"<ul aria-label=.Toutes les sources.*?</ul>", "", shown.text, flags=re.DOTALL)
        assert "Source\u00a0: " in plain
        assert not re.search(r"mutame|github|scribd|sanofi|urml", plain)
    assert "Source\u00a0: sources publiques compilées en novembre 2026" in one.text
    assert "mutame.com" in one.text
    assert "Source\u00a0: legifrance.gouv.fr" in child.text
    assert "info-beaune.com" in child.text


async def test_each_answer_is_a_record_with_its_author_and_can_be_changed(house: House) -> None:
    paper = await told(house, "marcel", made.cda(document_id="1.7.1"), "Photo du carnet")
    async with visitor(house, "marcel") as marcel:
        assert "Votre vaccin contre le zona" in part(await marcel.get(PAGE), "now")
        page = await marcel.get(PAGE)
        assert "Information, jamais un avis médical" in page.said
        assert "calendrier des vaccinations 2025" in page.said
        wrong = await say(marcel, TETANUS, "done", on="2999-01-01")
        assert (wrong.status, "pas encore passée" in wrong.said) == (422, True)
        assert 'value="2999-01-01"' in wrong.text, "what was typed is there"
        assert (await say(marcel, TETANUS, "done", on="2025-05-03", document=paper)).status == 303
        assert (await say(marcel, ZONA, "refused")).place == f"{PAGE}?done=said#r-{ZONA}"
        await say(marcel, "pneumococcus-65", "not_concerned")
        assert (await say(marcel, "rsv-75", "later", months="3")).status == 303
        page = await marcel.get(PAGE)
        assert re.search(
            r"polio Fait le 3 mai 2025 .*Photo du carnet .*Noté comme fait\. .*Saisi par vous le", part(page, "done")
        )
        assert "Vous ne le souhaitez pas" in part(page, "said")
        assert "pneumocoque" in part(page, "said")
        assert "Nous en reparlerons le" in part(page, "later")
        line = await marcel.get(f"{PAGE}/vaccines")
        assert "Tétanos 3 mai 2025 (dit par vous)" in line.said
        assert (await say(marcel, ZONA, "withdrawn")).status == 303
        assert "zona" in part(await marcel.get(PAGE), "now")
        assert (await say(marcel, ZONA, "withdrawn")).status == 409
        said = await news(house, "marcel")
        journal = await marcel.get("/journal?who=me")
    assert "zona : noté : ne souhaite pas." in said
    assert "zona : réponse annulée." in said
    assert "polio : noté comme fait le 3 mai 2025." in said
    assert "Réponse de prévention" in journal.said
    history = await house.app.db.read(
        rows.history, house.marcel.space_id, statuses.rule_hash(house.app, house.marcel.space_id, ZONA)
    )
    assert [(row.state, row.by) for row in history] == [(s, house.marcel.account_id) for s in ("refused", "withdrawn")]


async def test_three_questions_are_kept_one_by_one_and_end_with_one_next_step(house: House) -> None:
    page = f"{PAGE}/questions"
    async with visitor(house, "marcel") as marcel:
        first = await marcel.get(page)
        assert "Question 1 sur 3" in first.said
        assert "Grossesse" not in first.said
        sent = await marcel.post(page, {"step": "1", "client_key": "a", "so.chronic-disease": "1"})
        assert sent.place == f"{page}?step=2"
        again = await marcel.get(page)
        assert "Question 2 sur 3" in again.said, "one goes on where one was"
        asked = re.findall(r'name="had\.([\w-]+)" value="yes"', again.text)
        assert {ZONA, TETANUS} <= set(asked)
        had = {f"had.{rule}": "no" for rule in asked} | {f"had.{ZONA}": "unknown", f"had.{TETANUS}": "yes"}
        assert (await marcel.post(page, {"step": "2", "client_key": "b", **had})).place == f"{page}?step=3"
        assert "Question 3 sur 3" in (await marcel.get(f"{page}?step=3")).said
        assert (await marcel.post(page, {"step": "3", "client_key": "c", "months": "1"})).place == f"{page}?step=4"
        end = await marcel.get(page)
        known_page = await marcel.get(f"{PAGE}/situations")
    assert re.search(r"La prochaine étape .* Ce qui reste .*pneumocoque.* Ce qu’on ne sait pas .*zona", end.said)
    assert re.search(r"maladie chronique \? .* Vous avez répondu oui", known_page.said)
    gathered = await gather(house, "marcel")
    assert "chronic-disease" in gathered.person.situations
    assert gathered.answers[TETANUS].state == "done"
    assert gathered.answers[ZONA].facts.told == "unknown"


async def test_who_may_not_see_the_dossier_sees_nothing_and_who_may_only_read_answers_nothing(house: House) -> None:
    owner, helper, base = house.marcel, house.dominique, f"/for/{house.marcel.mailbox_id}"

    async def trust(*scopes: str) -> None:
        until = now_ms() + 90 * 86_400_000
        await house.app.db.write(
            delegations.grant, owner.space_id, helper.account_id, "helper", until, owner.account_id, frozenset(scopes)
        )

    async with visitor(house, "dominique") as dominique:
        await trust("messages", "write")
        offered = (await dominique.get(base + "/")).said + (await dominique.get(base + "/rows")).said
        assert "Aucun message" in offered
        assert "en 3 questions" not in offered
        assert {(await dominique.get(base + PAGE + path)).status for path in ("", "/vaccines", "/questions")} == {404}
        await trust("dossier")
        page = await dominique.get(base + PAGE)
        assert "Le vaccin de Marcel contre le zona" in part(page, "now")
        assert "Répondre" not in page.said
        assert (await dominique.post(f"{base}{PAGE}/answer/{ZONA}", {"do": "refused"})).status == 403
        await trust("dossier", "write")
        assert (await say(dominique, ZONA, "refused", base)).status == 303
    async with visitor(house, "marcel") as marcel:
        assert "Saisi par Dominique PAT-TROIS" in part(await marcel.get(PAGE), "said")


async def test_a_professional_sees_and_notes_only_by_consent_and_their_profession(house: House) -> None:
    app, place = house.app, f"/patient/{house.marcel.space_id}/prevention"
    for who in ("leroy", "lunel"):
        await house.letter(who, "marcel", "Bonjour", "Votre suivi")
    async with visitor(house, "marcel") as marcel:
        await say(marcel, ZONA, "refused")
    async with visitor(house, "leroy") as leroy, visitor(house, "lunel") as lunel:
        for one in (leroy, lunel):
            page = await one.get(place)
            assert ("Rien n’est montré ici" in page.said, "zona" in page.said) == (True, False)
            assert (await one.post(place, {"rule": TETANUS, "do": "done"})).status == 404
        box = await house.mailbox("marcel")
        await consents.give(app, box, Giving(house.leroy.account_id, "treating"))
        await consents.give(app, box, Giving(house.lunel.account_id, "explicit", (), 30))
        assert "zona" not in (await lunel.get(place)).said, "an optician sees no vaccination"
        page = await leroy.get(place)
        assert "Dit par le patient" in part(page, "said")
        assert (await leroy.post(place, {"rule": ZONA, "do": "refused"})).status == 422, "not theirs to say"
        assert (await leroy.post(place, {"rule": TETANUS, "do": "done", "on": "2026-11-02"})).status == 303
        assert "Fait le 2 novembre 2026" in part(await leroy.get(place), "done")
        assert (await leroy.post(place, {"kind": "heart-lung-disease", "do": "so"})).status == 303
        assert re.search(r"Maladie chronique du cœur ou des poumons Saisi par vous", (await leroy.get(place)).said)
    async with visitor(house, "marcel") as marcel:
        there = await marcel.get(f"{PAGE}/situations")
        assert re.search(r"cœur ou des poumons \? Vous avez répondu oui Saisi par Dr Paul LEROY", there.said)
        assert re.search(r"Fait le 2 novembre 2026 .*Saisi par Dr Paul LEROY", part(await marcel.get(PAGE), "done"))
        assert "Dr Paul LEROY. Votre vaccin diphtérie, tétanos, polio : noté comme fait" in await news(house, "marcel")
        assert (await say(marcel, TETANUS, "withdrawn")).status == 409, "it is the doctor's word"


async def test_a_minors_secret_is_kept_from_who_represents_her(house: House) -> None:
    app, rule, place = house.app, "dtcap-6", f"/patient/{house.camille.space_id}/prevention"
    box = await house.mailbox("dominique", house.camille.mailbox_id)
    await house.letter("leroy", "camille", "Bonjour", "Suivi")
    await consents.give(app, box, Giving(house.leroy.account_id, "treating"))
    async with visitor(house, "leroy") as leroy, visitor(house, "dominique") as dominique:
        unsaid = await leroy.post(place, {"rule": rule, "do": "done", "on": "2026-11-02"})
        assert (unsaid.status, "Dites si les représentants légaux" in unsaid.said) == (422, True)
        await leroy.post(place, {"rule": rule, "do": "done", "on": "2026-11-02", "parents": "no"})
        assert "Fait le 2 novembre 2026" in part(await leroy.get(place), "done")
        hers = await dominique.get(f"/for/{house.camille.mailbox_id}{PAGE}")
        assert "coqueluche de Camille (6 ans)" in part(hers, "now")
        assert "2 novembre 2026" not in hers.said
        journal = await dominique.get(f"/for/{house.camille.mailbox_id}{PAGE}/vaccines")
        assert "2 novembre 2026" not in journal.said
    told_there = (await reading.since(app, box, 0)).entries
    assert not any("coqueluche" in entry.message.text for entry in told_there)


async def test_documents_say_what_was_done_and_the_api_says_where_one_stands(house: House) -> None:
    when = replace(made.TETANUS, at="2024-04-02", atc=Coded("J07CA01", made.ATC, "dTP"))
    await told(house, "dominique", made.cda(immunisations=[when], document_id="1.8.1"), "Carnet")
    await told(
        house, "dominique", made.cda(document_id="1.8.2"), "Test HPV du col", "2025-02-03", document_type="75492-9"
    )
    async with visitor(house, "dominique") as dominique:
        done = part(await dominique.get(PAGE), "done")
        assert re.search(r"polio \(45 ans\) Fait le 2 avril 2024 .*Carnet , Laboratoire de Pli", done)
        assert re.search(r"col de l’utérus \(30–65 ans\) Fait le 3 février 2025", done)
    head = {"Authorization": f"Bearer {await house.token('dominique')}"}
    stranger = {"Authorization": f"Bearer {await house.token('marcel')}"}
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{house.http}/api/v1/prevention", headers=head) as answer:
            said = await answer.json()
        asked = f"{house.http}/api/v1/prevention?mailbox={house.dominique.mailbox_id}"
        async with session.get(asked, headers=stranger) as answer:
            assert answer.status == 404
    assert [line["rule"] for line in said["done"]] == ["cervix-b", "dtp-45"]
    assert "prevention-45" in {line["rule"] for line in said["due"] + said["late"]}
    assert all(line["why"] and line["source"] and line["title"] for line in said["due"] + said["late"])


async def test_the_card_is_answered_in_every_way_and_undone(house: House) -> None:
    app, box = house.app, await house.mailbox("marcel")
    paper = await told(house, "marcel", made.cda(document_id="1.7.2"), "Photo du carnet")
    foreign = await told(house, "dominique", made.cda(document_id="1.7.3"), "Une autre")
    await reminders.remind(app, house.marcel.space_id)
    cards = [one.message for one in (await reading.since(app, box, 0)).entries if one.message.card]
    card = cards[0].card or {}
    assert len(card["choices"]) == 3
    assert choice(card, 4) == "reminders.refused", "by its number, in a letter"

    async def tap(action: str, key: str, **values: str) -> None:
        await act(app, box, cards[0].id, f"reminders.{action}", values, key)

    with pytest.raises(Refused):
        await tap("done", "0", document=foreign)
    with pytest.raises(Invalid):
        await tap("later", "1", months="7")
    await tap("refused", "2")
    await tap("done", "3", on="2025-05-03", document=paper)
    await tap("undo", "4")
    await tap("done", "5", on="2025-05-03")
    assert "Déclaration du patient" in {one.label for one in await documents_of(house)}
    await tap("undo", "6")
    withdrawn = [one for one in await documents_of(house) if one.label == "Déclaration du patient"]
    assert [one.change.state for one in withdrawn if one.change] == ["deleted"]
    await tap("done", "7", on="2025-05-03")
    gathered = await gather(house, "marcel")
    assert gathered.answers[card["rule"]].state == "done"
    assert gathered.answers[card["rule"]].facts.on == "2025-05-03"


async def documents_of(house: House) -> list[shelf.DocumentView]:
    return await shelf.list_documents(house.app, await handle_of(house, "marcel"))


async def gather(house: House, who: str) -> known.Gathered:
    space = await access.space_to_write(house.app, house.lab, house.people[who].space_id)
    return await house.app.db.read(lambda tx: known.of_household(house.app, tx, space))
