"""What would change something, said back as a card: nothing here changes anything, or sends.

A measure, an appointment, a reminder, a sending, « déjà fait », a pause, a person. The card's own action does it at a
tap, in the name and with the rights of who taps (`server.actions`).
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Final

from server import hours
from server.actions import measures
from server.agenda import own
from server.bots import reminders
from server.bots.assistant import cards, looking, reminding
from server.bots.assistant.cards import Card, Said, link, told
from server.bots.assistant.names import Someone
from server.bots.assistant.turns import Turn, of_day, write_links
from server.dossier import documents as shelf
from server.errors import Invalid
from server.prevention import summary
from server.prevention.statuses import said_on
from storage import accounts

SOONEST: Final = ("due", "late", "later", "upcoming")


async def measure(turn: Turn) -> Card:
    """« tension 13/8 »."""
    text = turn.slot("text")
    page = link("/measures", ("Mes mesures", "My measures"))
    if not text:
        return told(("Quelle mesure ?", "Which measure?"),
                    ("Écrivez par exemple « tension 13/8 », « 72 kg » ou « glycémie 1,12 g/L ».",
                     "Write for instance “blood pressure 13/8”, “72 kg” or “glucose 1.12 g/L”."), [page])  # fmt: skip
    try:
        entries, unread = await measures.understood(turn.app, await turn.dossier(), text)
    except Invalid as error:
        return told(("Cette mesure ne peut pas être notée", "This measure cannot be recorded"),
                    (error.detail, error.detail), [page])  # fmt: skip
    said = [words for words in unread if sum(len(word) > 3 for word in words.split()) > 1]  # not « ce matin »
    return measures.measure_card(entries, said, datetime.now(UTC))


async def appointment(turn: Turn) -> Card:
    """« dentiste mardi 14 h »."""
    page = link("/agenda/new", ("L’écrire moi-même", "Write it myself"))
    title = turn.slot("title") or "Rendez-vous"
    try:
        entry = own.checked(own.Entry(title=title, start=turn.slot("start")), turn.now)
    except Invalid as error:
        return told(("Je ne peux pas l’écrire ainsi", "I cannot write it so"), (error.detail, error.detail), [page])
    return own.card(entry)


async def reminder(turn: Turn) -> Card:
    """« rappelle-moi tous les jours à 20 h de prendre mes gouttes »."""
    page = link("/agenda/new", ("L’écrire moi-même", "Write it myself"))
    start, taken, again = turn.slot("start"), turn.slot("at"), turn.slot("repeats")
    if again == reminding.OTHER:
        return told(("Je ne sais pas répéter un rappel ainsi", "I cannot repeat a reminder so"),
                    ("Un rappel revient chaque jour, chaque semaine, chaque mois ou chaque année, à une heure. "
                     "Pour deux heures, écrivez-moi deux rappels, comme « rappelle-moi tous les jours à 8 h de… ».",
                     "A reminder comes back every day, week, month or year, at one hour. For two hours, write me two "
                     "reminders, for instance “remind me every day at 8 am to…”."), [page])  # fmt: skip
    if not turn.slot("title") or not start:
        asked: Said = ("Quand vous le rappeler ?", "When should I remind you?")
        if not turn.slot("title"):
            asked = ("De quoi vous rappeler, et quand ?", "What should I remind you of, and when?")
        return told(asked, ("Écrivez par exemple « rappelle-moi demain à 9 h d’appeler le dentiste ».",
                            "Write for instance “remind me tomorrow at 9 am to call the dentist”."),
                    [page])  # fmt: skip
    entry = own.Entry(turn.slot("title"), f"{start}T{taken}" if taken else start, kind="reminder", repeats=again,
                      until=turn.slot("until"))  # fmt: skip
    try:
        entry = own.checked(entry, turn.now)
    except Invalid as error:
        return told(("Je ne peux pas l’écrire ainsi", "I cannot write it so"), (error.detail, error.detail), [page])
    at = own.moment(entry.start, entry.zone)
    if not isinstance(at, datetime) or at <= turn.now:
        return told(("À quelle heure ?", "At what time?"),
                    ("Ce moment est déjà passé. Écrivez-moi le rappel avec un jour et une heure à venir.",
                     "That moment has passed. Write me the reminder with a day and an hour to come."),
                    [page])  # fmt: skip
    return _reminding(entry, at if taken else None)


def _reminding(entry: own.Entry, taken: datetime | None) -> Card:
    """The card of a reminder that may be noted. `taken`: its hour, when nobody said one."""
    card, last = own.card(entry), entry.until
    fr, en = [f"Jusqu’au {said_on(last)}."] if last else [], [f"Until {said_on(last, 'en')}."] if last else []
    if taken is not None:
        fr.append(f"Vous n’avez pas dit l’heure : {own.hour(taken)}. « Corriger » la change.")
        en.append(f"You did not say the time: {own.hour(taken, 'en')}. “Correct” changes it.")
    return card | {
        "title": f"Vous rappeler\u00a0: {own.said(entry)}\u00a0?", "title_en": f"Remind you: {own.said(entry, 'en')}?",
        "text": "\n".join([*fr, REMINDED[0]]), "text_en": "\n".join([*en, REMINDED[1]]),
    }  # fmt: skip


REMINDED: Final = (
    "À cette heure-là, un message vous attendra ici. Rien n’est noté avant que vous le disiez.",
    "At that time, a message will be waiting for you here. Nothing is noted before you say so.",
)


async def share(turn: Turn) -> Card:
    """« envoie-le au Dr Morel »: the document that was named, or the last one shown here."""
    document = await _which_document(turn)
    choose = link("/documents?choose=1", ("Choisir un document", "Choose a document"))
    if document is None:
        return told(
            ("Quel document ?", "Which document?"),
            ("Dites par exemple « envoie mon dernier bilan sanguin au Dr Morel ».",
             "Say for instance “send my latest blood test to Dr Morel”."),
            [choose],
        )  # fmt: skip
    if len(turn.found.whom) != 1:
        new = link(f"/new?documents={document.id}", ("Choisir à qui l’envoyer", "Choose whom to send it to"))
        whom = turn.slot("stranger").capitalize()
        title: Said = ("À qui l’envoyer ?", "Whom should it go to?")
        text = (f"Je ne trouve pas « {whom} » parmi ceux qui vous ont écrit.",
                f"I do not find “{whom}” among those who wrote to you.") if whom else ("", "")  # fmt: skip
        return told(title, text, [new], [document.id])
    one = turn.found.whom[0]
    return cards.send(looking.name(document), of_day(document.created or document.filed_at), document.id, one,
                      turn.reach[one.id])  # fmt: skip


async def _which_document(turn: Turn) -> shelf.DocumentView | None:
    """Said (« mon bilan »): the newest such; « le »: the last one that this conversation showed, if it may be seen."""
    if turn.slot("kind"):
        # whoever it goes to is not who wrote it
        asked = await looking.fitting(turn.without("who", "stranger", "about"))
        return asked[0] if asked else None
    for named in await turn.named():
        for one in await shelf.list_documents(turn.app, await turn.dossier()):
            if one.id == named and one.change is None and one.size:
                return one
    return None


async def done(turn: Turn) -> Card:
    """« tétanos fait en 2022 »: the card of that rule, whose button says « Déjà fait »."""
    handle, wanted = await turn.dossier(), looking.counted(turn)
    stood = await turn.app.db.read(lambda tx: summary.stand(turn.app, tx, handle))
    named = [one for one in stood.standings if looking.about(one, wanted) and one.state in SOONEST]
    page = link("/prevention", ("Ma prévention", "My prevention"))
    if not named:
        title: Said = ("Qu’avez-vous fait ?", "What was done?") if not wanted else (
            "Rien n’est attendu à ce sujet", "Nothing is awaited about this")  # fmt: skip
        text = ("Vous pouvez le noter sur la page « Prévention », avec sa date et son document.",
                "You can note it on the page “Prevention”, with its date and its document.")  # fmt: skip
        return told(title, text, [page])
    rule, on = min(named, key=lambda one: SOONEST.index(one.state)).rule, turn.slot("on")
    card = reminders.card(rule, "", stood.rules)
    said = _on(on)
    card["text"] = f"Déjà fait{said[0]} ? Touchez « Déjà fait » pour le noter."
    card["text_en"] = f"Already done{said[1]}? Tap “Already done” to note it."
    return card | ({"on": on} if len(on) == len("2026-11-23") else {})


def _on(on: str) -> Said:
    """« le 3 mai 2026 », « en mai 2026 », « en 2026 », each with its space before."""
    if len(on) == len("2026-11-23"):
        return f" le {said_on(on)}", f" on {said_on(on, 'en')}"
    if len(on) == len("2026-11"):
        from babel.dates import format_date  # its data takes 20 MB

        first = date.fromisoformat(f"{on}-01")
        fr, en = (format_date(first, "MMMM y", locale=language) for language in ("fr", "en"))
        return f" en {fr}", f" in {en}"
    return (f" en {on}", f" in {on}") if on else ("", "")


async def pause(turn: Turn) -> Card:
    """« arrêtez les rappels »."""
    until = turn.slot("until")
    return cards.pause(until, (said_on(until), said_on(until, "en")) if until else ("", ""))


async def person(turn: Turn) -> Card:
    """The help team, its hours, and those one knows."""
    return await helped(turn, turn.words)


async def helped(turn: Turn, words: str) -> Card:
    team = (
        await turn.app.db.read(accounts.by_address, turn.app.settings.help_team)
        if turn.app.settings.help_team
        else None
    )
    links = write_links(turn)
    if team is None:
        return told(("Personne ne peut être joint d’ici", "Nobody can be reached from here"),
                    ("Vous pouvez écrire à un professionnel que vous connaissez.",
                     "You can write to a professional you know."), links)  # fmt: skip
    return cards.person(words, await _hours(turn, Someone(team.id, team.name)), links)


async def _hours(turn: Turn, team: Someone) -> Said:
    said = await hours.told(turn.app, [team.id], turn.now)
    if not said or said[0].open is None:
        return f"{team.name} vous répondra ici, par écrit.", f"{team.name} will answer you here, in writing."
    if said[0].open:
        return f"{team.name} lit ses messages en ce moment.", f"{team.name} reads messages now."
    back = said[0].changes
    day = of_day(back.isoformat()) if back else ("", "")
    return (f"{team.name} lira votre message{day[0].replace(' du', ' le', 1)}.",
            f"{team.name} will read your message{day[1].replace(' of', ' on', 1)}.")  # fmt: skip


async def advice(turn: Turn) -> Card:
    """Never an advice: whom to ask."""
    return told(
        ("Je ne donne pas d’avis médical", "I do not give medical advice"),
        ("Demandez à un professionnel que vous connaissez, ou à votre pharmacie.\n"
         "Si cela vous inquiète maintenant : le 15, le 112, ou le 114 par SMS.",
         "Ask a professional you know, or your pharmacy.\n"
         "If you are worried now: 15, 112, or 114 by text message."),
        write_links(turn),
    )  # fmt: skip
