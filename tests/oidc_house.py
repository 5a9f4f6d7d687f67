"""A Pli that Pro Santé Connect and FranceConnect know, and who signs in there."""

from __future__ import annotations

from urllib.parse import urlsplit

from server import demo, sessions
from server.drafts import Actor
from storage.database import Row
from tests.house import House
from tests.support.oidc_provider import Page

RPPS = demo.WRITERS["morel"]["national_id"]
MOREL = {  # as Pro Santé Connect says her: facts of its userinfo
    "SubjectNameID": RPPS,
    "preferred_username": RPPS,
    "given_name": "Agathe",
    "family_name": "MOREL",
    "SubjectOrganization": "CHU DE PLI",
    "SubjectRefPro": {
        "codeCivilite": "MME",
        "exercices": [
            {
                "codeProfession": "10",
                "codeSavoirFaire": "SM04",
                "activities": [{"codeModeExercice": "S", "raisonSocialeSite": "CHU de Pli", "numeroFinessSite": "1"}],
            }
        ],
    },
}
DOMINIQUE = {  # as FranceConnect says her: the pivot identity, without any number
    "given_name": "DOMINIQUE",
    "family_name": "Pat Trois",
    "birthdate": "1979-03-28",
    "gender": "female",
    "birthplace": "51215",
    "birthcountry": "99100",
}


async def signed_in(house: House, page: Page) -> Actor:
    """Who a page signed in: it gives a session and leads home."""
    assert urlsplit(page.place)._replace(scheme="", netloc="").geturl() == "/", page
    secret = next(said.split(";")[0].removeprefix("pli=") for said in page.cookies if said.startswith("pli="))
    return await sessions.actor_of_session(house.app, secret)


def opened_nothing(page: Page) -> bool:
    return not any(said.startswith("pli=") for said in page.cookies)


async def rows(house: House, sql: str) -> list[Row]:
    return await house.app.db.read(lambda tx: tx.run(sql))
