"""What Dominique reads on her pages of a document that was replaced, withdrawn, or sent twice."""

from __future__ import annotations

import re

from tests import letters
from tests.browser.visitor import visitor
from tests.certificates import Certificates
from tests.doors.test_submission import submit
from tests.house import House
from tests.letters import MOREL
from tests.mail_house import MailHouse


async def send(house: House, number: int, **facts: object) -> str:
    """Dr Morel sends a report from her mail client. Returns the page of its conversation."""
    by_mail = MailHouse(house.app, house.people)
    by_mail.certificates = Certificates.at(house.app.settings.data_dir / "certificates")
    archive = letters.xdm_zip(**facts)  # type: ignore[arg-type]
    letter = letters.with_attachments(
        ("IHE_XDM.ZIP", "application/zip", archive), from_=MOREL, message_id=f"<{number}@pli.example>"
    )
    assert (await submit(by_mail, letter)).startswith("250")
    return f"/c/{(await by_mail.entries('dominique'))[-1].conversation}"


async def test_the_file_line_says_what_became_of_a_document_and_leads_to_the_newer_one(house: House) -> None:
    first = await send(house, 1, title="Bilan du matin")
    async with visitor(house, "dominique") as dominique:
        assert (await dominique.press(first, "dossier.file")).status == 303
        await send(house, 2, title="Bilan du soir", document_id="1.2.3.2", version=2)
        thread = await dominique.get(first)
        assert re.search(r"Remplacé le \d+ \w+ \d{4} par Dr Agathe MOREL\. Voir la nouvelle version", thread.said)
        assert "« Bilan du matin » du 20/11/2026 : remplacé par son auteur." in thread.said
        (newer,) = set(re.findall(r'<a href="(/c/[^"]+)">Voir la nouvelle version', thread.text))
        second = await dominique.get(newer.partition("#")[0])
        assert f'id="{newer.partition("#")[2]}"' in second.text
        assert "Bilan du soir" in second.said
        assert "Ranger dans mon dossier" in second.said
        assert re.search(
            r"Bilan du matin .* Remplacé le .* par Dr Agathe MOREL", (await dominique.get("/documents")).said
        )


async def test_a_withdrawn_document_and_one_sent_twice_say_so_and_are_not_offered(house: House) -> None:
    oldest, newest = [await send(house, number, title="Bilan") for number in (1, 2)]
    async with visitor(house, "dominique") as dominique:
        again = await dominique.get(newest)
        assert "Vous avez déjà reçu ce document, de Dr Agathe MOREL. Voir le premier envoi" in again.said
        assert "Ranger dans mon dossier" not in again.said
        await send(house, 3, title="Bilan", action="D")
        withdrawn = await dominique.get(oldest)
        assert re.search(r"Retiré par son auteur le \d+ \w+ \d{4} \(Dr Agathe MOREL\)", withdrawn.said)
        assert "Ranger dans mon dossier" not in withdrawn.said
        assert "Télécharger" in withdrawn.said, "it stays readable"
