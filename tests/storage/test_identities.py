"""Who somebody is for a provider of identity, and by their strict traits, on both engines."""

from __future__ import annotations

import pytest

from server import demo, oidc_claims, oidc_people, people, strict_traits
from server.oidc import Identified
from server.oidc_claims import Professional
from storage import accounts
from storage.database import Tx
from tests.house import House
from tests.oidc_house import DOMINIQUE, MOREL, RPPS

ISSUER = "https://fc.hopital-de-pli.fr"


async def test_a_holder_is_found_by_all_their_traits_until_another_has_them_too(core: House) -> None:
    dominique = Identified("of-dominique", DOMINIQUE, True, "")
    assert await oidc_people.holder(core.app, ISSUER, dominique) == core.dominique.account_id
    assert await oidc_people.holder(core.app, ISSUER, dominique) == core.dominique.account_id, "by the same link"
    other = Identified("of-another", DOMINIQUE | {"birthdate": "1979-03-27"}, True, "")
    assert await oidc_people.holder(core.app, ISSUER, other) is None
    facts = demo.HOLDERS["dominique"]
    same = people.Traits("279035121518990", *[getattr(facts, name) for name in facts.__struct_fields__[1:]])
    twin = await people.open_space(core.app, same)
    assert await oidc_people.holder(core.app, ISSUER, dominique) is None
    await core.session("dominique")
    assert await oidc_people.holder(core.app, ISSUER, dominique) is None, "signing in otherwise decides nothing"
    await core.app.db.write(accounts.end, twin.account_id)
    assert await oidc_people.holder(core.app, ISSUER, dominique) == core.dominique.account_id, "once it is settled"


async def test_traits_that_changed_since_they_were_indexed_open_nothing(core: House) -> None:
    marcel = core.marcel.account_id

    def misplace(tx: Tx) -> None:
        tx.run("UPDATE identities SET account_id = :a WHERE account_id = :d", a=marcel, d=core.dominique.account_id)

    await core.app.db.write(misplace)
    assert await oidc_people.holder(core.app, ISSUER, Identified("x", DOMINIQUE, True, "")) is None


async def test_a_space_that_is_closed_or_an_account_that_ended_is_nobody(core: House) -> None:
    dominique = Identified("of-dominique", DOMINIQUE, True, "")
    space = core.dominique.space_id
    await core.app.db.write(lambda tx: tx.run("UPDATE spaces SET state = 'closed' WHERE id = :s", s=space))
    assert await oidc_people.holder(core.app, ISSUER, dominique) is None
    await core.app.db.write(lambda tx: tx.run("UPDATE spaces SET state = 'open' WHERE id = :s", s=space))
    assert await oidc_people.holder(core.app, ISSUER, dominique) == core.dominique.account_id
    await core.app.db.write(accounts.end, core.dominique.account_id)
    assert await oidc_people.holder(core.app, ISSUER, dominique) is None


async def test_a_professional_is_found_by_their_number_the_linked_account_first(core: House) -> None:
    morel = oidc_claims.professional(MOREL)
    assert morel is not None
    assert await oidc_people.professional(core.app, ISSUER, morel) == core.morel.account_id
    second = await people.add_writer(
        core.app, "professional", "Dr Agathe MOREL", "morel@cabinet.example", national_id=RPPS[1:]
    )
    assert await oidc_people.professional(core.app, ISSUER, morel) == core.morel.account_id
    await core.app.db.write(accounts.end, core.morel.account_id)
    assert await oidc_people.professional(core.app, ISSUER, morel) == second.account_id
    stranger = Professional("810199999999", "", "", "", "")
    assert await oidc_people.professional(core.app, ISSUER, stranger) is None
    assert await core.app.db.read(lambda tx: accounts.professionals(tx, "")) == [], "no number is nobody's"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("LE GOFF", "Anne-Marie Zoé"), ("Le  Goff", "ANNE MARIE ZOE"), True),
        (("D’ARC", "Jeanne"), ("d'arc", "JEANNE"), True),
        (("CŒUR", "Élodie"), ("Coeur", "Elodie"), True),
        (("PAT-TROIS", "Dominique"), ("PATTROIS", "Dominique"), False),
        (("PAT-TROIS", "Dominique Marie"), ("PAT-TROIS", "Marie Dominique"), False),
    ],
)
def test_two_registers_write_one_name_in_two_ways(one: tuple[str, str], other: tuple[str, str], same: bool) -> None:
    texts = [strict_traits.canonical(*names, "1979-03-28", "F", "51215") for names in (one, other)]
    assert all(texts)
    assert (texts[0] == texts[1]) is same


@pytest.mark.parametrize("spoiled", [("", "A"), ("B", " - "), ("B", "A", "1979-00"), ("B", "A", "1979-03-28", "X")])
def test_an_identity_without_a_trait_is_no_identity(spoiled: tuple[str, ...]) -> None:
    whole = ("B", "A", "1979-03-28", "F", "51215")
    assert strict_traits.canonical(*whole)
    assert strict_traits.canonical(*spoiled, *whole[len(spoiled) :]) == ""


def test_what_pro_sante_connect_says_is_read_leniently_but_for_who_it_is() -> None:
    bare = oidc_claims.professional({"preferred_username": "10100000017"})
    assert bare == Professional(RPPS, "", "", "", "")
    assert oidc_claims.professional(MOREL | {"preferred_username": "810199999999"}) is None
    assert oidc_claims.professional({"SubjectNameID": ["810100000017"]}) is None
    odd = oidc_claims.professional({"SubjectNameID": RPPS, "SubjectRefPro": {"exercices": [{"activities": "none"}]}})
    assert odd == Professional(RPPS, "", "", "", "")
    abroad = DOMINIQUE | {"birthplace": "", "birthcountry": "99350"}
    assert oidc_claims.pivot(abroad).endswith("|F|99350")
    assert oidc_claims.pivot(abroad | {"birthcountry": "99100"}) == ""
