"""What a person says of their own health: with its author, its history, and nothing lost."""

from __future__ import annotations

import html
import re

import pytest

from server.dossier import profile
from server.dossier.profile import checked, date_of, section
from server.errors import Conflict, Invalid, Refused
from storage import delegations
from storage.ids import now_ms
from tests.browser.visitor import Answer, Visitor, visitor
from tests.house import House
from tests.support.told import handle_of

ALLERGIES, PROFILE = "/health/profile/allergies", "/health/profile"


async def say(visit: Visitor, page: str, do: str = "enter", entry: str = "", **values: str) -> Answer:
    """Fill in the form that the page shows, and send it."""
    shown = await visit.get(page + (f"?edit={entry}" if entry and do == "enter" else ""))
    key = re.findall(r'name="client_key" value="([^".]+)', shown.text)[0]
    fields = {"do": do, "entry": entry, "client_key": f"{key}.{do}{entry}"}
    return await visit.post(page, fields | {f"value.{name}": value for name, value in values.items()})


async def entries(house: House, slug: str, who: str = "dominique") -> profile.Filled:
    return await profile.one_filled(house.app, await handle_of(house, who), slug)


async def test_what_is_corrected_stays_with_its_author_and_the_synthese_says_who_speaks(house: House) -> None:
    async with visitor(house, "dominique") as dominique:
        said = await say(dominique, ALLERGIES, what="Noix", severity="mild", at="03/2019")
        assert (said.status, said.place) == (303, f"{ALLERGIES}?done=entered")
        (first,) = (await entries(house, "allergies")).entries
        await say(dominique, ALLERGIES, entry=first.id, what="Noix de cajou", severity="severe")
        page, health = await dominique.get(ALLERGIES), await dominique.get("/health")
        (thread,) = set(re.findall(r'href="(/c/[^"#/]+)[#"]', (await dominique.get("/")).text))
        told = (await dominique.get(thread)).said
    assert re.search(r"Noix de cajou .* Saisi par vous le", page.said)
    assert re.search(r"Ce qui était écrit avant \(1\) .*Noix Gravité Légère Depuis mars 2019", page.said)
    assert "Corrigé par Dominique PAT-TROIS" in page.said
    assert re.search(r"Noix de cajou Gravité Sévère – ?Saisi par vous|Noix de cajou Gravité Sévère Saisi", health.said)
    assert "Profil médical, « Allergies et intolérances » : une ligne ajoutée." in told
    assert "une ligne corrigée" in told


async def test_pas_concerne_is_an_answer_that_an_entry_ends(house: House) -> None:
    async with visitor(house, "dominique") as dominique:
        await say(dominique, ALLERGIES, "none")
        await say(dominique, f"{PROFILE}/treatments", "none")
        health = (await dominique.get("/health")).said
        assert "Aucune allergie connue" in health
        assert "Aucun traitement en cours" in health
        assert "Pas concerné" in (await dominique.get(PROFILE)).said
        again = await say(dominique, ALLERGIES, "none")
        assert (again.status, "C’est déjà noté." in again.said) == (409, True)
        await say(dominique, ALLERGIES, what="Noix")
        after = await dominique.get("/health")
        refused = await say(dominique, ALLERGIES, "none")
    assert "Aucune allergie connue" not in after.said
    assert refused.status == 409
    known = await entries(house, "allergies")
    assert [one.none for one in known.withdrawn] == [True], "the history keeps the answer"


async def test_a_form_that_is_not_right_comes_back_with_everything_that_was_typed(house: House) -> None:
    async with visitor(house, "dominique") as dominique:
        answer = await say(dominique, ALLERGIES, reaction="Urticaire", at="le mois dernier")
        dated = await say(dominique, ALLERGIES, what="Noix", at="31/02/2020")
        phone = await say(dominique, f"{PROFILE}/emergency", what="Paul", phone="appelez-moi")
    assert answer.status == 422
    assert "« Allergie à » : remplissez ce champ." in answer.said
    assert 'value="Urticaire"' in answer.text
    assert 'value="le mois dernier"' in html.unescape(answer.text)
    assert re.search(r'id="f-what"[^>]*aria-invalid="true"', answer.text)
    assert re.search(r'id="f-at"[^>]*aria-invalid="true"', dated.text)
    assert "écrivez un numéro" in phone.said
    assert not (await entries(house, "allergies")).entries


async def test_a_page_begun_is_gone_on_with_and_pressing_twice_says_it_once(house: House) -> None:
    page = f"{PROFILE}/lifestyle"
    async with visitor(house, "dominique") as dominique:
        await say(dominique, page, tobacco="Jamais")
        shown = await dominique.get(page)
        (edit,) = set(
            re.findall(r'name="do" value="enter"><input type="hidden" name="entry" value="([\w-]+)"', shown.text)
        )
        await say(dominique, page, entry=edit, tobacco="Jamais", sleep="7 heures")
        key = re.findall(r'name="client_key" value="([^".]+)', shown.text)[0]
        for _ in range(2):
            twice = {"do": "enter", "client_key": f"{key}.x", "value.what": "Asthme", "value.at": "1990"}
            assert (await dominique.post(f"{PROFILE}/conditions", twice)).status == 303
    (life,) = (await entries(house, "lifestyle")).entries
    assert (life.values["tobacco"], life.values["sleep"], life.values["food"]) == ("Jamais", "7 heures", "")
    assert len((await entries(house, "conditions")).entries) == 1


async def test_a_helper_writes_under_their_own_name_only_when_trusted_to(house: House) -> None:
    owner, helper = house.marcel, house.dominique
    until = now_ms() + 90 * 86_400_000
    page = f"/for/{owner.mailbox_id}{ALLERGIES}"

    async def trust(*scopes: str) -> None:
        await house.app.db.write(
            delegations.grant, owner.space_id, helper.account_id, "helper", until, owner.account_id, frozenset(scopes)
        )

    await trust("dossier")
    async with visitor(house, "dominique") as dominique:
        assert "Enregistrer" not in (await dominique.get(page)).said
        assert (await dominique.post(page, {"do": "enter", "value.what": "Noix"})).status == 403
        await trust("messages", "write")
        assert (await dominique.get(page)).status == 404
        await trust("dossier", "write")
        assert (await say(dominique, page, what="Noix")).status == 303
    async with visitor(house, "marcel") as marcel:
        assert "Saisi par Dominique PAT-TROIS le" in (await marcel.get(ALLERGIES)).said


async def test_there_is_one_person_of_trust_and_directives_are_for_adults(house: House) -> None:
    handle, box = await handle_of(house, "dominique"), await house.mailbox("dominique")
    await profile.enter(house.app, box, handle, "trusted", {"what": "Paul PAT-TROIS"})
    with pytest.raises(Conflict) as refused:
        await profile.enter(house.app, box, handle, "trusted", {"what": "Anne"})
    assert refused.value.code == "profile_full"
    child = await handle_of(house, "dominique", "camille")
    slugs = {one.section.slug for one in await profile.filled(house.app, child)}
    assert "allergies" in slugs
    assert not {"directives", "trusted"} & slugs
    with pytest.raises(Refused):
        await profile.enter(house.app, box, child, "directives", {"what": "Rien"})


def test_a_date_is_as_precise_as_it_was_typed() -> None:
    typed = "2021 03/2021 3/2021 28/03/2021 2021-03-28 2021-03 31/02/2021 13/2021 0003 21 hier"
    told = [date_of(text) for text in typed.split()]
    assert told == ["2021", "2021-03", "2021-03", "2021-03-28", "2021-03-28", "2021-03", "", "", "", "", ""]


@pytest.mark.parametrize("slug", [one.slug for one in profile.TABLE.sections])
def test_every_section_says_what_it_takes_and_gives_back_what_was_said(slug: str) -> None:
    of = section(slug)
    values = {
        one.name: one.choices[0][0]
        if one.choices
        else {"date": "2021-03", "phone": "06 12 34 56 78"}.get(one.kind, "Ici")
        for one in of.fields
    }
    assert profile.values_of(of, checked(of, values)) == values
    with pytest.raises(Invalid):
        checked(of, {})
    with pytest.raises(Invalid):
        checked(of, values | {of.fields[0].name: "x" * 10_001})
