"""What happens to the cast before a page is looked at: letters with documents, an appointment, a reminder, an offer."""

from __future__ import annotations

from server import access, exchanges, listing, people, posting
from server.actions import catalogue
from server.actions.confirmations import confirmation_card
from server.agenda import book
from server.bots import reminders
from server.drafts import Draft, File, FileFacts, Member, Opening, Receipt
from tests import letters
from tests.house import House

SUBJECT = "Votre opération du 8 décembre"
TEXT = """Bonjour Madame,

Voici les consignes à suivre avant votre opération du genou. Lisez-les tranquillement.

– Ne mangez plus après minuit.
– Apportez vos radiographies.

Plus d’informations : https://exemple.test/genou.

Dr Agathe Morel"""
REPORT = "Consultation préanesthésique"
LABEL = "Compte rendu d’anesthésie"
DOCUMENT = """<ClinicalDocument xmlns="urn:hl7-org:v3"><component><structuredBody>
<component><section><title>Examen</title><text><table border="1">
<thead><tr><th>Mesure</th><th>Valeur</th><th>Référence</th></tr></thead>
<tbody><tr><td>Tension artérielle</td><td>12,5 / 8 cm Hg</td><td>moins de 14 / 9</td></tr></tbody>
</table></text></section></component>
<component><section><title>Conclusion</title><text><paragraph>Vous pouvez être opérée.</paragraph>
<list><item>Gardez votre traitement.</item><item>Restez à jeun dès minuit.</item></list></text></section></component>
</structuredBody></component></ClinicalDocument>"""


async def letter_with_documents(house: House, patient: str = "dominique") -> Receipt:
    """Dr Morel writes, with a PDF and a health document of another author."""
    space = await access.patient(house.app, house.morel, house.ins(patient))
    sheet = letters.pdf("Consignes avant votre opération")
    report = DOCUMENT.encode()
    files = (
        File(FileFacts("consignes.pdf", "application/pdf", len(sheet)), await house.app.blobs.put(space.keys, sheet)),
        File(
            FileFacts(
                "DOC0001.XML",
                "text/xml",
                len(report),
                title=REPORT,
                document_label=LABEL,
                category="reports",
                author="Dr Jean DURAND",
                created="2026-11-20",
                unique_id="1.2.3^1",
            ),
            await house.app.blobs.put(space.keys, report),
        ),
    )
    draft = Draft(to=Opening(space, SUBJECT), text=TEXT, files=files, html="<p>Bonjour <b>Madame</b></p>")
    return await posting.post(house.app, house.morel, draft)


async def appointment(house: House, patient: str = "dominique") -> Receipt:
    """Dr Morel proposes an appointment, far enough for any test to be before it."""
    card = book.appointment_card(
        title="Consultation préopératoire",
        text="Venez avec vos radiographies.",
        uid="rendez-vous-1@pli.example",
        sequence=0,
        start="2099-12-01T08:30:00+01:00",
        end="2099-12-01T09:00:00+01:00",
        all_day=False,
        location="CHU de Pli, bâtiment B",
        organizer="Dr Agathe MOREL",
        ics="",
    )
    return await house.letter("morel", patient, "", "Rendez-vous", kind="card", card=card)


async def offer(house: House, patient: str = "dominique") -> Receipt:
    """The notebook of the catalogue asks for something."""
    card = catalogue.service_card("carnet-sante")
    return await house.letter("carnet", patient, card["text"], card["title"], kind="card", card=card)


async def from_elsewhere(house: House) -> Receipt:
    """A correspondent of another operator, with a long address and a colleague in copy, asks for a confirmation, and
    takes no answer.
    """
    writer = people.correspondent("secretariat.chirurgie.orthopedique@hopitaldesgrandschenes.example", "Dr Paul BERTIN")
    space = await access.patient(house.app, writer, house.ins("dominique"))
    colleague = "zoe.petit@operator.example"
    members = (Member(organisation=f"address:{colleague}", name="Dr Zoé PETIT", address=colleague),)
    card = confirmation_card(writer.name)
    return await posting.post(
        house.app, writer, Draft(
            to=Opening(space, "Votre sortie"), text="Gardez le pansement.", kind="card", card=card, members=members,
            effect=lambda doing: exchanges.heard(doing, ends=True, automatic=False),
        ),
    )  # fmt: skip


async def reminded(house: House) -> str:
    """The reminder bot writes to Marcel; the conversation."""
    await reminders.remind(house.app, house.marcel.space_id, "pneumococcus-65")
    (row, *_) = await listing.conversations(house.app, await house.mailbox("marcel"))
    return row.id
