"""What Pli answers to a patient who writes to it: by whose rights, once, and with a card before anything changes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from server import access, people, reading
from server.actions import check_card
from server.actions.acting import act
from server.agenda import book
from server.bots import reminders as bot
from server.dossier import measures
from server.errors import Conflict, Invalid
from server.prevention import pausing
from server.prevention.statuses import rule_hash
from server.sending import Letter, send
from server.settings import PLACE
from server.views import Entry, MessageView
from storage import deliveries, reminders
from storage.database import Tx
from tests.house import House
from tests.storage.shelf import filed
from tests.support import assistant as pli
from tests.support.told import handle_of


async def _tap(
    core: House, who: str, message: MessageView, action: str, key: str = "", mailbox: str = ""
) -> MessageView:
    """Taps, and what Pli does of it; the last thing that then stands there."""
    box = await access.mailbox(core.app, core.people[who], mailbox)
    await act(core.app, box, message.id, action, {}, key or action)
    await pli.answer_all(core)
    return (await pli.said(core, who, mailbox))[-1]


async def _shelf(core: House) -> str:
    """A blood test and a prescription of Dr Morel's in Dominique's dossier; the id of the first."""
    handle = await handle_of(core, "dominique")
    await filed(core, handle, "Ordonnance", author="morel", category="prescriptions", author_name="Dr Agathe MOREL",
                created="2026-04-02")  # fmt: skip
    return await filed(core, handle, "Bilan sanguin", author="lab", category="biology", created="2026-05-03")


async def _measured(core: House) -> int:
    handle = await handle_of(core, "dominique")
    return len(await measures.series(core.app, handle, "blood-pressure"))


async def _noted(core: House) -> list[str]:
    box = await core.mailbox("dominique")
    handle = await access.dossier(core.app, box, "agenda")
    return [one.title for one in await book.appointments(core.app, handle)]


# ---- asked, tapped, undone -------------------------------------------------------------------------------------------


async def test_a_measure_is_kept_at_a_tap_in_the_same_conversation_and_taken_back_at_another(
    sqlite_core: House,
) -> None:
    core = sqlite_core
    shown = await pli.ask(core, "dominique", "ma tension est de treize huit")
    assert pli.card(shown)["title"].startswith("Noter : tension artérielle 130/80\u00a0mmHg")
    assert await _measured(core) == 0
    await _tap(core, "dominique", shown, "measures.note")
    assert await _measured(core) == 1
    await _tap(core, "dominique", shown, "measures.undo")
    assert await _measured(core) == 0


async def test_an_appointment_is_noted_at_a_tap_and_then_found_again(sqlite_core: House) -> None:
    core = sqlite_core
    shown = await pli.ask(core, "dominique", "dantiste le 3 décembre 2027 a 14h")
    assert pli.card(shown)["title"] == "Noter\u00a0: Dentiste, vendredi 3 décembre 2027 à 14\u00a0h\u00a0?"
    assert await _noted(core) == []
    await _tap(core, "dominique", shown, "agenda.note")
    assert await _noted(core) == ["Dentiste"]
    asked = pli.card(await pli.ask(core, "dominique", "c est quand mon rdv dentiste"))
    assert "Dentiste, vendredi 3 décembre 2027" in asked["links"][0]["fr"]
    await _tap(core, "dominique", shown, "agenda.undo")
    assert await _noted(core) == []


async def test_a_document_is_found_and_sent_to_dr_morel_only_when_dominique_says_so(sqlite_core: House) -> None:
    core = sqlite_core
    letter = await core.letter("morel", "dominique")
    document = await _shelf(core)
    found = pli.card(await pli.ask(core, "dominique", "mon dernier bilan sangin"))
    assert found["documents"] == [document]
    assert found["title"] == "« Bilan sanguin » du 3 mai 2026"
    asked = await pli.ask(core, "dominique", "envoie-le au dr Morel")
    assert pli.card(asked)["title"] == "Envoyer « Bilan sanguin » du 3 mai 2026 à Dr Agathe MOREL ?"
    box = await core.mailbox("morel")
    thread = await access.conversation(core.app, box, letter.conversation)
    assert len((await reading.thread(core.app, thread)).entries) == 1, "nothing was sent yet"
    told = await _tap(core, "dominique", asked, "assistant.send")
    assert pli.card(told)["title"] == "Envoyé à Dr Agathe MOREL"
    received = (await reading.thread(core.app, thread)).entries[-1].message
    assert (received.author.name, [file.title for file in received.attachments]) == (
        "Dominique PAT-TROIS",
        ["Bilan sanguin"],
    )
    with pytest.raises(Conflict):
        await _tap(core, "dominique", asked, "assistant.send", "again")


async def test_what_cannot_be_sent_is_said_and_nothing_goes(sqlite_core: House) -> None:
    core = sqlite_core
    await core.letter("morel", "dominique")
    await _shelf(core)
    asked = await pli.ask(core, "dominique", "envoie mon bilan sanguin à morel")
    await core.stand("morel", "dominique", "replies", "ended")
    told = await _tap(core, "dominique", asked, "assistant.send")
    assert pli.card(told)["title"] == "Ce n’est pas parti"
    assert [one for one in await _entries(core, "morel") if one.message.attachments] == []


async def _entries(core: House, who: str) -> list[Entry]:
    return (await reading.since(core.app, await core.mailbox(who), 0)).entries


async def test_reminders_stop_at_a_tap_and_start_again_at_another(sqlite_core: House) -> None:
    core = sqlite_core

    async def state() -> str:
        handle = await handle_of(core, "marcel")
        today = pli.NOW.astimezone(PLACE).date()
        return (await core.app.db.read(lambda tx: pausing.chosen(core.app, tx, handle, today))).state

    asked = await pli.ask(core, "marcel", "arrêtez les rappels")
    assert await state() == pausing.OPEN
    await _tap(core, "marcel", asked, "assistant.pause")
    assert await state() == pausing.STOPPED
    await _tap(core, "marcel", asked, "assistant.resume")
    assert await state() == pausing.OPEN


async def test_already_done_is_the_card_of_that_rule(sqlite_core: House) -> None:
    core = sqlite_core
    asked = await pli.ask(core, "marcel", "pneumocoque fait en 2022")
    assert (pli.card(asked)["type"], pli.card(asked)["rule"]) == ("reminder", "pneumococcus-65")
    known = rule_hash(core.app, core.marcel.space_id, "pneumococcus-65")
    assert await core.app.db.read(reminders.history, core.marcel.space_id, known) == []


CHANGING = (
    "tension 13/8", "dentiste mardi 14 h", "envoie-le au Dr Morel", "arrêtez les rappels", "pneumocoque fait en 2022",
    "annulez mon rendez-vous", "déplacer mon rdv de mardi", "rappelle-moi de prendre mes cachets à 20 h",
    "retirer l’accès du docteur Morel", "changer mon adresse mail", "parler à une personne",
    "ajouter une allergie à la pénicilline",
    "je ne veux plus que le dr morel voie mon dossier",
)  # fmt: skip


async def test_no_sentence_changes_anything_by_itself(sqlite_core: House) -> None:
    core = sqlite_core
    await core.letter("morel", "dominique")
    await _shelf(core)
    await pli.ask(core, "dominique", "mon bilan sanguin")

    def everything(tx: Tx) -> list[int]:
        tables = (
            "findings",
            "appointments",
            "reminders",
            "consents",
            "documents",
            "conversations",
            "grants",
            "journeys",
        )
        return [int(tx.run(f"SELECT count(*) FROM {table}")[0][0]) for table in tables]

    before = await core.app.db.read(everything)
    for words in CHANGING:
        await pli.ask(core, "dominique", words)
    assert await core.app.db.read(everything) == before


# ---- not understood, and a person ------------------------------------------------------------------------------------


async def test_what_is_not_understood_offers_three_things_and_a_person(sqlite_core: House) -> None:
    core = sqlite_core
    shown = await pli.ask(core, "dominique", "le prix de l’essence")
    card = pli.card(shown)
    assert card["title"] == "Je n’ai pas compris"
    assert len(card["choices"]) == 3
    assert [one["action"] for one in card["besides"]] == ["assistant.person"]
    answered = await _tap(core, "dominique", shown, "assistant.second")
    assert answered.card is not None
    assert answered.card["type"] == "assistant"


async def test_a_person_of_the_help_team_reads_what_was_written_to_pli_and_nothing_else(sqlite_core: House) -> None:
    core = sqlite_core
    core.app.settings = replace(core.app.settings, help_team=core.aide.address)
    await core.letter("morel", "dominique", "Votre biopsie est normale.", "Résultat")
    await pli.ask(core, "dominique", "mon dernier bilan")
    shown = await pli.ask(core, "dominique", "je n'y arrive pas, quelqu'un peut m'aider ?")
    assert "Cette personne lira : « je n'y arrive pas" in pli.card(shown)["text"]
    told = await _tap(core, "dominique", shown, "assistant.person")
    assert pli.card(told)["title"] == "Votre demande est chez L’aide de Pli"
    box = await access.mailbox(core.app, core.noel, core.aide.mailbox_id)
    entries = (await reading.since(core.app, box, 0)).entries
    assert len(entries) == 1
    assert "je n'y arrive pas" in entries[0].message.text
    assert "biopsie" not in entries[0].message.text


async def test_two_people_of_one_name_are_asked_about(sqlite_core: House) -> None:
    core = sqlite_core
    address = f"jean.morel@{core.app.settings.mail_domain}"
    facts = {"role": "Médecin généraliste", "organisation": "Cabinet", "organisation_id": "1129999999"}
    brother = await people.add_writer(core.app, "professional", "Dr Jean MOREL", address, **facts)
    core.people["brother"] = brother
    await core.letter("morel", "dominique")
    await core.letter("brother", "dominique")
    await _shelf(core)
    shown = await pli.ask(core, "dominique", "envoie mon bilan sanguin au dr morel")
    labels = [choice["label"] for choice in pli.card(shown)["choices"]]
    assert pli.card(shown)["title"] == "De qui parlez-vous ?"
    assert sorted(labels) == ["Dr Agathe MOREL, Chirurgienne orthopédiste", "Dr Jean MOREL, Médecin généraliste"]
    actions = ("assistant.first", "assistant.second")
    asked = await _tap(core, "dominique", shown, actions[labels.index("Dr Jean MOREL, Médecin généraliste")])
    assert pli.card(asked)["title"].endswith("à Dr Jean MOREL ?")


# ---- distress, advice ------------------------------------------------------------------------------------------------


async def test_words_of_distress_are_answered_before_everything_with_whom_to_call(sqlite_core: House) -> None:
    core = sqlite_core
    card = pli.card(await pli.ask(core, "marcel", "envoie mon bilan a morel jai une douleur a la poitrine"))
    assert [link["call"] for link in card["links"]] == ["15", "112", "114"]
    assert card["choices"] == []
    assert "3114" in pli.card(await pli.ask(core, "marcel", "je veux mourrir"))["text"]
    core.app.settings = replace(core.app.settings, assistant_hourly=1)
    assert pli.card(await pli.ask(core, "marcel", "je ne respire plus"))["links"][0]["call"] == "15"


@pytest.mark.parametrize(
    "words", ["c'est grave docteur ?", "que dois-je prendre contre la toux", "puis-je arrêter mon traitement"]
)
async def test_no_medical_advice_is_ever_given(sqlite_core: House, words: str) -> None:
    core = sqlite_core
    await core.letter("leroy", "dominique")
    card = pli.card(await pli.ask(core, "dominique", words))
    assert card["title"] == "Je ne donne pas d’avis médical"
    assert [link["fr"] for link in card["links"]] == ["Écrire à Dr Paul LEROY"]


# ---- whose rights, how often, once -----------------------------------------------------------------------------------


async def test_a_helper_is_answered_within_what_was_entrusted_to_them(sqlite_core: House) -> None:
    core = sqlite_core
    await _shelf(core)
    mine = core.dominique.mailbox_id
    await people.delegate(core.app, core.dominique.space_id, core.marcel.account_id, "helper", None, "holder",
                          scopes="messages,write")  # fmt: skip
    refused = pli.card(await pli.ask(core, "marcel", "mon dernier bilan sanguin", mine))
    assert refused["title"] == "Cela ne vous est pas confié"
    assert refused["documents"] == []
    assert pli.card(await pli.ask(core, "marcel", "mes rdv", mine))["title"] == "Cela ne vous est pas confié"
    assert pli.card(await pli.ask(core, "marcel", "aide", mine))["title"] == "Ce que vous pouvez me demander"
    shown = await pli.ask(core, "dominique", "mon dernier bilan sanguin")
    assert pli.card(shown)["documents"] != []


async def test_what_is_asked_for_a_child_leads_to_their_space(sqlite_core: House) -> None:
    card = pli.card(await pli.ask(sqlite_core, "dominique", "les vaccins de camille"))
    assert card["links"][0]["path"] == f"/for/{sqlite_core.camille.mailbox_id}/prevention/vaccines"


async def test_a_letter_to_a_person_is_never_read(sqlite_core: House) -> None:
    core = sqlite_core
    letter = await core.letter("morel", "dominique")
    box = await core.mailbox("dominique")
    to = await access.conversation(core.app, box, letter.conversation)
    await send(core.app, box, to, Letter("tension 13/8", "k"))
    assert await pli.answer_all(core) == 0


async def test_in_any_conversation_with_pli_alone_the_answer_stands_there(sqlite_core: House) -> None:
    core = sqlite_core
    await bot.remind(core.app, core.marcel.space_id)
    reminded = [one for one in await _entries(core, "marcel") if one.message.card]
    box = await core.mailbox("marcel")
    to = await access.conversation(core.app, box, reminded[0].conversation)
    sent = await send(core.app, box, to, Letter("c est deja fait pour le pneumocoque", "k"))
    await pli.answer_all(core)
    answer = (await _entries(core, "marcel"))[-1]
    assert (answer.conversation, answer.message.in_reply_to) == (reminded[0].conversation, sent.message)
    assert pli.card(answer.message)["rule"] == "pneumococcus-65"


async def test_what_a_measure_does_not_say_is_said_not_to_be_noted(sqlite_core: House) -> None:
    card = pli.card(await pli.ask(sqlite_core, "dominique", "tension 13/8, mon genou me fait souffrir"))
    assert "Pas compris, et pas noté" in card["text"]
    assert "Pas compris" not in pli.card(await pli.ask(sqlite_core, "dominique", "tension 13/8 ce matin"))["text"]


async def test_an_answer_stopped_halfway_is_given_once(sqlite_core: House) -> None:
    core = sqlite_core
    receipt = await pli.write(core, "dominique", "mes rdv")
    assert await pli.answer_all(core, settle=False) == 1  # answered, and the process dies before it says so
    assert await pli.answer_all(core) == 1
    assert await pli.answer_all(core) == 0
    assert len([one for one in await pli.said(core, "dominique") if one.in_reply_to == receipt.message]) == 1


async def test_a_limit_is_told_before_it_bites_and_once_when_it_does(sqlite_core: House) -> None:
    core = sqlite_core
    core.app.settings = replace(core.app.settings, assistant_hourly=10)
    answers: list[list[str]] = []
    for _ in range(12):
        receipt = await pli.write(core, "dominique", "bonjour")
        await pli.answer_all(core)
        mine = [pli.card(one) for one in await pli.said(core, "dominique") if one.in_reply_to == receipt.message]
        answers.append([f"{one['title']} {one['text']}" for one in mine])
    assert [len(given) for given in answers] == [1] * 11 + [0]
    assert "Encore" not in answers[7][0]
    assert "Encore 1 réponse cette heure-ci." in answers[8][0]
    assert answers[10][0].startswith("Une pause")


async def test_cards_of_the_assistant_are_made_by_pli_alone() -> None:
    for kind in ("assistant", "assistant_send", "assistant_choice", "assistant_help", "assistant_pause"):
        with pytest.raises(Invalid):
            check_card({"type": kind, "title": "Envoyer ?", "document": "d", "to": "t"})
    kept = check_card({"type": "confirmation", "title": "Bien compris ?", "links": [{"path": "/", "fr": "", "en": ""}]})
    assert "links" not in kept


async def test_english_is_answered_in_english_too(sqlite_core: House) -> None:
    core = sqlite_core
    card = pli.card(await pli.ask(core, "dominique", "when is my next appointment?"))
    assert card["title_en"] == "No appointment is noted"
    assert pli.card(await pli.ask(core, "dominique", "blood pressure 130 over 80"))["title_en"].startswith("Record: ")


async def test_nothing_is_left_owed(sqlite_core: House) -> None:
    await pli.ask(sqlite_core, "dominique", "bonjour")
    assert await sqlite_core.app.db.write(deliveries.claim, 60_000, 100) == []
