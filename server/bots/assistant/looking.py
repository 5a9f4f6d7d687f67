"""What may be read at once: documents, results, vaccines, prevention, appointments, who read, who may, treatments,
allergies, whom to reach. Each answer is what its writer may see, and nothing more.

Promises: reads by the handles of the one who wrote (`Turn.box`); changes nothing; says what is recorded, and never
what it means for somebody's health.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from server import hours, journal
from server.agenda import book, own
from server.bots.assistant import slots
from server.bots.assistant.cards import Card, Said, link, told
from server.bots.assistant.turns import Turn, of_day, write_links
from server.dossier import consents, findings, results, synthesis, vaccinations
from server.dossier import documents as shelf
from server.dossier.documents import DocumentView
from server.dossier.sources import Sources
from server.prevention import summary
from server.prevention.engine import Standing
from server.query import fold
from server.settings import PLACE
from storage.database import Tx

FEW: Final = 3
COUNTED: Final = {  # what is said → what rules count
    "breast": ("mammography",), "colorectal": ("fit",), "cervix": ("cytology", "hpv-test"), "dental": ("dental-exam",),
    "checkup": ("prevention-appointment",),
}  # fmt: skip


# ---- documents and results -------------------------------------------------------------------------------------------


async def fitting(turn: Turn) -> list[DocumentView]:
    """The documents that were asked for, the newest first."""
    found = [one for one in await shelf.list_documents(turn.app, await turn.dossier()) if one.change is None]
    category, who = slots.CATEGORY.get(turn.slot("kind"), ""), [fold(one.name).split()[-1] for one in turn.found.whom]
    first, last, stranger = turn.slot("first"), turn.slot("end"), turn.slot("stranger")

    def fits(one: DocumentView) -> bool:
        by, day = fold(f"{one.author} {one.organisation}"), (one.created or one.filed_at)[:10]
        named = not (who or stranger) or any(name in by for name in (*who, *([stranger] if stranger else [])))
        return (not category or one.category == category) and named and (not first or first <= day <= (last or first))

    chosen = [one for one in found if fits(one)]
    about = turn.slot("about")
    narrower = [one for one in chosen if about and about in fold(f"{one.title} {one.label}")]
    return sorted(narrower or chosen, key=lambda one: one.created or one.filed_at, reverse=True)


async def documents(turn: Turn) -> Card:
    """« mon dernier bilan sanguin », « ordonnance du Dr Morel »."""
    found = await fitting(turn)
    category = slots.CATEGORY.get(turn.slot("kind"), "")
    shelf_link = link(
        f"/documents?category={category}" if category else "/documents", ("Tous ces documents", "All these documents")
    )
    if not found:
        return told(
            ("Je n’ai pas trouvé ce document", "I did not find this document"),
            ("Il n’est peut-être pas encore arrivé, ou porte un autre nom.",
             "It may not have arrived yet, or have another name."),
            [link("/documents", ("Voir tous mes documents", "See all my documents"))],
        )  # fmt: skip
    if turn.slot("last") or len(found) == 1:
        one = found[0]
        said = of_day(one.created or one.filed_at)
        by = f", {one.author}" if one.author else ""
        title = (f"« {name(one)} »{said[0]}{by}", f"“{name(one)}”{said[1]}{by}")
        return told(title, ("", ""), [_open(one), shelf_link], [one.id])
    more = len(found) - FEW
    text = (f"Et {more} autres." if more > 1 else "Et un autre." if more == 1 else "",
            f"And {more} more." if more > 0 else "")  # fmt: skip
    title = (f"J’ai trouvé {len(found)} documents", f"I found {len(found)} documents")
    return told(title, text, [*map(_open, found[:FEW]), shelf_link], [one.id for one in found])


def name(one: DocumentView) -> str:
    return one.title or one.label or one.name


def _open(one: DocumentView) -> dict[str, Any]:
    said = of_day(one.created or one.filed_at)
    return link(f"/documents/{one.id}", (f"{name(one)}{said[0]}", f"{name(one)}{said[1]}"))


async def of_results(turn: Turn) -> Card:
    """The newest analyses, or one of them, as it was reported: the number, its range, no word of ours about it."""
    handle, wanted = await turn.dossier(), turn.slot("analyte")

    def read(tx: Tx) -> list[results.Analyte]:
        return results.analytes(turn.app.vault, Sources(turn.app, tx, handle), findings.held(tx, handle, ("result",)))

    found = await turn.app.db.read(read)
    words = next((pattern for slug, pattern in slots.ANALYTES if slug == wanted), "").split("|")
    fits = [one for one in found if wanted and any(word in fold(one.label) for word in words)]
    links = [
        link(
            f"/health/results/{one.key}",
            (f"{one.label}{of_day(one.last.at)[0]}", f"{one.label}{of_day(one.last.at)[1]}"),
        )
        for one in (fits or sorted(found, key=lambda one: one.last.at, reverse=True))[:FEW]
    ]
    everything = link("/health/results", ("Tous mes résultats", "All my results"))
    papers = link("/documents?category=biology", ("Mes documents d’analyses", "My laboratory documents"))
    if wanted and not fits:
        title: Said = ("Je n’ai pas trouvé cette analyse", "I did not find this analysis")
        return told(title, ("", ""), [everything, papers])
    if not found:
        return told(("Aucun résultat n’est encore noté", "No result is recorded yet"), ("", ""), [papers, everything])
    asks = ("Pour savoir ce qu’un résultat veut dire, écrivez à qui l’a demandé.",
            "To know what a result means, write to whoever asked for it.")  # fmt: skip
    return told(("Vos derniers résultats", "Your latest results"), asks, [*links, everything])


# ---- vaccines and prevention -----------------------------------------------------------------------------------------


def counted(turn: Turn) -> tuple[str, ...]:
    """What rules count of what was named."""
    disease, exam = turn.slot("disease"), turn.slot("exam")
    return ((disease,) if disease else ()) + COUNTED.get(exam, ())


def about(standing: Standing, wanted: Sequence[str]) -> bool:
    """Whether that is one of the things that were named."""
    return is_named(standing.rule.counts, wanted)


def is_named(slugs: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether one of them was named: « méningite » is the meningococcus, and both of its kinds."""
    return any(slug == one or slug.startswith(f"{one}-") for slug in slugs for one in wanted)


async def vaccines(turn: Turn) -> Card:
    """What was given against a disease and when; else what stands."""
    handle, wanted = await turn.dossier(), turn.slot("disease")

    def read(tx: Tx) -> tuple[list[vaccinations.Vaccination], summary.Stand]:
        held = findings.held(tx, handle, ("immunisation",))
        found = vaccinations.vaccinations(Sources(turn.app, tx, handle), held)
        return found, summary.stand(turn.app, tx, handle)

    given, stood = await turn.app.db.read(read)
    links = [
        link("/prevention/vaccines", ("La ligne de vie de vos vaccins", "The life line of your vaccinations")),
        link("/prevention", ("Ma prévention", "My prevention")),
    ]
    due = [one for one in stood.standings if one.state in {"due", "late"} and one.rule.kind == "vaccine"]
    if wanted:
        mine = [one for one in given if is_named(one.diseases, [wanted]) and one.said.done]
        disease = [vaccinations.said(wanted, language) for language in ("fr", "en")]
        last = of_day(mine[0].said.at) if mine else ("", "")
        if mine:
            title = (f"{disease[0]} : dernier vaccin{last[0]}", f"{disease[1]}: last vaccination{last[1]}")
        else:
            title = (f"{disease[0]} : aucun vaccin n’est noté", f"{disease[1]}: no vaccination is recorded")
        return told(title, _lines([one for one in stood.standings if about(one, [wanted])], turn), links)
    if not due:
        return told(("Rien n’est à faire maintenant pour vos vaccins", "No vaccine is due now"), _BASIS, links)
    return told(("Vaccins à penser", "Vaccines to think of"), _lines(due, turn), links)


_BASIS: Final = (
    "C’est une information, pas un avis médical : un professionnel décide avec vous.",
    "This is information, not medical advice: a professional decides with you.",
)
_STATES: Final = {
    "due": ("à faire", "due"), "late": ("à rattraper", "to catch up"), "upcoming": ("à venir", "to come"),
    "done": ("fait", "done"), "later": ("remis à plus tard", "put off"), "refused": ("non souhaité", "not wished"),
}  # fmt: skip


def _lines(found: Sequence[Standing], turn: Turn) -> Said:
    shown = [one for one in found if one.state in _STATES][:FEW]
    fr = [f"{one.rule.said('fr')[0]} : {_STATES[one.state][0]}." for one in shown]
    en = [f"{one.rule.said('en')[0]}: {_STATES[one.state][1]}." for one in shown]
    return "\n".join([*fr, _BASIS[0]]), "\n".join([*en, _BASIS[1]])


async def prevention(turn: Turn) -> Card:
    """What one may think of now, or what was named."""
    handle, wanted = await turn.dossier(), counted(turn)
    stood = await turn.app.db.read(lambda tx: summary.stand(turn.app, tx, handle))
    page = link("/prevention", ("Ma prévention", "My prevention"))
    due = [one for one in stood.standings if one.state in {"due", "late"}]
    if wanted:
        named = [one for one in stood.standings if about(one, wanted)]
        live = [one for one in named if one.state in _STATES]
        links = [
            link(f"/prevention/answer/{one.rule.id}", (one.rule.said("fr")[0], one.rule.said("en")[0]))
            for one in live[:1]
        ]
        if not live:
            return told(
                ("Rien n’est prévu pour vous à ce sujet", "Nothing is planned for you about this"), _BASIS, [page]
            )
        return told(("Ce que je sais à ce sujet", "What I know about this"), _lines(live, turn), [*links, page])
    if not due:
        return told(("Rien n’est à faire maintenant", "Nothing is due now"), _BASIS, [page])
    return told(("À penser maintenant", "To think of now"), _lines(due, turn), [page])


# ---- appointments ----------------------------------------------------------------------------------------------------


async def coming(turn: Turn) -> list[book.AppointmentView]:
    """The appointments to come that fit what was said, the next one first."""
    found = await book.appointments(turn.app, await turn.dossier("agenda"))
    since, first, last = turn.now - timedelta(hours=2), turn.slot("first"), turn.slot("end")
    kept = [
        one
        for one in found
        if one.state not in {"cancelled", "declined", "removed"} and (at := book.instant(one.start)) and at >= since
    ]
    dated = [one for one in kept if not first or first <= _day(one) <= (last or first)]
    names = [fold(whom.name).split()[-1] for whom in turn.found.whom]
    words = [word for word in (*names, turn.slot("about")) if word and word not in {"docteur", "visite", "doctor"}]
    named = [one for one in dated if any(word in fold(f"{one.title} {one.organizer} {one.location}") for word in words)]
    return named or ([] if names else dated)


def _day(one: book.AppointmentView) -> str:
    at = book.instant(one.start)
    return at.astimezone(PLACE).date().isoformat() if at else one.start[:10]


def when(one: book.AppointmentView) -> Said:
    at = book.instant(one.start)
    if at is None:
        return one.title, one.title
    there = at.astimezone(PLACE)
    moment = there.date() if one.all_day else there
    return own.when(moment), own.when(moment, "en")


def _way(one: book.AppointmentView) -> dict[str, Any]:
    said = when(one)
    path = f"/c/{one.conversation}#m-{one.message}" if one.conversation and one.state != "own" else f"/agenda/{one.id}"
    return link(path, (f"{one.title}, {said[0]}", f"{one.title}, {said[1]}"))


async def appointments(turn: Turn) -> Card:
    """The next ones, or those of a day."""
    found = await coming(turn)
    agenda = link("/agenda", ("Mon agenda", "My calendar"))
    if not found:
        return told(("Aucun rendez-vous n’est noté", "No appointment is noted"), ("", ""), [agenda])
    title = ("Votre prochain rendez-vous", "Your next appointment") if len(found) == 1 else (
        "Vos prochains rendez-vous", "Your next appointments")  # fmt: skip
    return told(title, ("", ""), [*map(_way, found[:FEW]), agenda])


async def change_appointment(turn: Turn) -> Card:
    """Who made the appointment changes it: its card is where one asks them."""
    found, move = await coming(turn), turn.found.intent == "move_appointment"
    agenda = link("/agenda", ("Mon agenda", "My calendar"))
    if not found:
        return told(
            ("Je ne trouve pas ce rendez-vous", "I do not find this appointment"),
            ("S’il n’est pas dans votre agenda, écrivez à qui vous l’a donné.",
             "If it is not in your calendar, write to whoever gave it to you."),
            [*write_links(turn, 2), agenda],
        )  # fmt: skip
    title = ("Demandez un autre moment sur sa carte", "Ask for another time on its card") if move else (
        "Déclinez-le sur sa carte", "Decline it on its card")  # fmt: skip
    text = ("Ouvrez le rendez-vous et répondez : la personne qui vous reçoit le saura. Rien n’est encore changé.",
            "Open the appointment and answer: whoever sees you will know. Nothing is changed yet.")  # fmt: skip
    return told(title, text, [*map(_way, found[:FEW]), agenda])


# ---- who reads, who may ----------------------------------------------------------------------------------------------


async def who_saw(turn: Turn) -> Card:
    """The last visits of others."""
    found = await journal.log(turn.app, await turn.dossier(), journal.Asked())
    wanted = [fold(one.name) for one in turn.found.whom]
    visits = [one for one in found.visits if not one.mine and (not wanted or fold(one.person.name[0]) in wanted)]
    page = link("/journal", ("Le journal complet", "The whole log"))
    if not visits:
        return told(("Personne d’autre n’y figure", "Nobody else is there"),
                    ("Le journal dit qui a ouvert votre dossier, quand et pourquoi.",
                     "The log says who opened your record, when and why."), [page])  # fmt: skip
    lines = [_visit(one.person.name, of_day(one.until)) for one in visits[:FEW]]
    text = "\n".join(fr for fr, _ in lines), "\n".join(en for _, en in lines)
    return told(("Les derniers à avoir ouvert votre dossier", "The last who opened your record"), text, [page])


def _visit(who: Said, day: Said) -> Said:
    """« Dr Agathe MOREL, le 3 mai 2026 »."""
    return f"{who[0]},{day[0].replace(' du', ' le', 1)}", f"{who[1]},{day[1].replace(' of', ' on', 1)}"


async def who_may(turn: Turn) -> Card:
    """Who may read, and the page where that is changed."""
    found = [one for one in await consents.listed(turn.app, turn.box) if one.running]
    page = link("/sharing", ("Choisir qui peut lire", "Choose who may read"))
    if not found:
        title = ("Vous n’avez autorisé personne en particulier", "You allowed nobody in particular")
    else:
        names = ", ".join(one.name for one in found[:FEW])
        more = f" (+ {len(found) - FEW})" if len(found) > FEW else ""
        title = (f"Vous avez autorisé : {names}{more}", f"You allowed: {names}{more}")
    text = ("Vous autorisez, retirez ou cachez sur la page « Qui peut lire ».",
            "You allow, withdraw or hide on the page “Who may read”.")  # fmt: skip
    return told(title, text, [page])


async def health(turn: Turn) -> Card:
    """Treatments or allergies, as they are noted."""
    handle, section = await turn.dossier(), turn.found.intent
    made = await turn.app.db.read(lambda tx: synthesis.of(turn.app, tx, handle))
    found = made.section(section)
    lines = list(dict.fromkeys(one.text for one in found.lines))[:6]
    links = [
        link(f"/health#health-{section}", ("Voir sur ma santé", "See under my health")),
        link(f"/health/profile/{section}", ("Ajouter ou corriger", "Add or correct")),
    ]
    what = {"treatments": ("Vos traitements notés", "Your treatments, as noted"),
            "allergies": ("Vos allergies notées", "Your allergies, as noted")}[section]  # fmt: skip
    text = "\n".join(lines) or ""
    if not lines:
        return told(what, ("Rien n’est noté.", "Nothing is noted."), links)
    return told(what, (text, text), links)


# ---- whom to reach ---------------------------------------------------------------------------------------------------


_NO_BOOKING: Final = (
    "Pli ne prend pas de rendez-vous et ne connaît pas de numéro de téléphone : vous pouvez écrire.",
    "Pli books no appointment and knows no telephone number: you can write.",
)


async def reach(turn: Turn) -> Card:
    """Hours and the way to write; no telephone number is known here."""
    whom = turn.found.whom[:1]
    if not whom:
        return told(("Qui voulez-vous joindre ?", "Whom do you want to reach?"), _NO_BOOKING, write_links(turn, 4))
    one = whom[0]
    said = await hours.told(turn.app, [one.id], datetime.now(UTC))
    text: Said = _NO_BOOKING
    if said and said[0].open is not None:
        text = ("Lit ses messages en ce moment.", "Reads messages now.") if said[0].open else (
            "Ne lit pas ses messages en ce moment.", "Does not read messages now.")  # fmt: skip
    links = [link(f"/c/{turn.reach[one.id]}", (f"Écrire à {one.name}", f"Write to {one.name}"))]
    return told((one.name, one.name), text, links)
