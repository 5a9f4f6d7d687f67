"""What the log says, in plain words, French and English: what was done, on which ground. One place for the page, the
file one downloads and the conversation that tells at once. Pure.
"""

from __future__ import annotations

from typing import Final

from server.actions import ACTIONS
from server.dossier.words import day
from server.scopes import DELEGATED

Said = tuple[str, str]  # in French, in English

# Act → what is said of it; what is not here is noise of the machine, or stands in the thread itself.
WHAT: Final[dict[str, Said]] = {
    "action:done": ("Réponse à une carte", "Answered a card"),
    "agenda:changed": ("Agenda changé", "Changed the agenda"),
    "attachment:read": ("Pièce jointe ouverte", "Opened an attachment"),
    "choice:changed": ("Réglage du dossier changé", "Changed a setting of the record"),
    "consent:asked": ("Autorisation demandée", "Asked for permission"),
    "consent:given": ("Autorisation donnée", "Gave permission"),
    "consent:refused": ("Autorisation refusée", "Refused permission"),
    "consent:withdrawn": ("Autorisation retirée", "Withdrew permission"),
    "conversation:read": ("Conversation lue", "Read a conversation"),
    "delegation:accepted": ("Délégation acceptée", "Accepted a delegation"),
    "delegation:changed": ("Délégation changée", "Changed a delegation"),
    "delegation:ended": ("Délégation terminée", "Ended a delegation"),
    "delegation:invited": ("Invitation à agir pour cet espace", "Invited somebody to act for this space"),
    "delegation:refused": ("Délégation refusée", "Refused a delegation"),
    "delegation:withdrawn": ("Invitation annulée", "Withdrew an invitation"),
    "document:added": ("Document ajouté", "Added a document"),
    "document:marked": ("Visibilité d’un document changée", "Changed who may see a document"),
    "document:read": ("Document ouvert", "Opened a document"),
    "document:removed": ("Document retiré", "Removed a document"),
    "document:renamed": ("Document renommé", "Renamed a document"),
    "document:sent": ("Document envoyé", "Sent a document"),
    "dossier:read": ("Dossier ouvert", "Opened the record"),
    "emergency:ended": ("Fin de l’accès en urgence", "Ended the emergency access"),
    "emergency:opened": ("Dossier ouvert en urgence", "Opened the record in an emergency"),
    "form:filled": ("Questionnaire rempli, pas encore envoyé", "Filled in a form, not sent yet"),
    "journey:settled": ("Appel noté", "Noted a call"),
    "journey:started": ("Parcours commencé", "Started a care pathway"),
    "journey:stopped": ("Parcours arrêté", "Stopped a care pathway"),
    "feed:ended": ("Adresse privée de l’agenda retirée", "Ended a private address of the agenda"),
    "feed:made": ("Adresse privée de l’agenda créée", "Made a private address of the agenda"),
    "feed:read": ("Agenda lu par son adresse privée", "Read the agenda by its private address"),
    "mail:dropped": ("Courrier retenu, abandonné", "Dropped a held letter"),
    "mail:examined": ("Enveloppe d’un courrier retenu, sans son contenu", "Envelope of a held letter, no content"),
    "mail:released": ("Courrier retenu, remis", "Released a held letter"),
    "measure:corrected": ("Mesure corrigée", "Corrected a measure"),
    "measure:entered": ("Mesure notée", "Recorded a measure"),
    "measure:sent": ("Mesures envoyées", "Sent measures"),
    "patient:found": ("Recherché par l’identité", "Looked up by identity"),
    "prevention:said": ("Réponse de prévention", "Prevention answer"),
    "profile:changed": ("Profil médical changé", "Changed the medical profile"),
    "review:closed": ("Signalement examiné", "Looked into a report"),
    "space:changed": ("État de l’espace changé", "Changed the state of the space"),
    "space:copied": ("Copie de tout l’espace", "Copied the whole space"),
    "writer:blocked": ("Personne bloquée", "Blocked somebody"),
    "writer:freed": ("Personne débloquée", "Unblocked somebody"),
}
OTHERWISE: Final[Said] = ("Autre action sur le dossier", "Did something else in the record")

# Acts that are no access to anything of the patient, or that everybody of the conversation sees there.
NOISE: Final = frozenset({
    "account:created", "campaign:changed", "contact:changed", "conversation:assigned", "conversation:closed",
    "conversation:handed", "factor:changed", "mail-password:ended", "mail-password:made", "mail:held", "mailbox:read",
    "message:posted", "message:removed", "openings:stopped", "password:changed", "sequence:changed", "session:closed",
    "session:opened", "session:refused", "session:stepped-up", "space:written-to", "writer:turned-away",
})  # fmt: skip
OF_DELEGATES: Final = frozenset({"attachment:read", "conversation:read"})  # the others read what is theirs

# Part of the dossier that was opened (the object of `dossier:read`).
PARTS: Final[dict[str, Said]] = {
    "agenda": ("Agenda", "Calendar"),
    "documents": ("Liste des documents", "List of documents"),
    "export": ("Copie de tout l’espace", "Copy of the whole space"),
    "measures": ("Mesures", "Measures"),
    "profile": ("Profil médical", "Medical profile"),
    "results": ("Résultats d’analyses", "Test results"),
    "services": ("Services autorisés", "Allowed services"),
    "synthesis": ("Synthèse", "Summary"),
}

# Ground → why. {day}: since when; {by}: who allowed it; {reason}: as it was written down.
WHY: Final[dict[str, Said]] = {
    "administrator": ("désigné le {day} pour gérer le dossier", "named on {day} to look after the record"),
    "care": (
        "pièces déposées par cette personne, et rien d’autre",
        "what this person deposited themselves, and nothing else",
    ),
    "care_team": ("équipe de soins, depuis le {day}", "care team, since {day}"),
    "emergency": ("urgence : {reason}", "emergency: {reason}"),
    "explicit": ("{by} l’a autorisé le {day}", "allowed by {by} on {day}"),
    "explicit.you": ("vous l’avez autorisé le {day}", "you allowed it on {day}"),
    "grant": ("service autorisé par le titulaire", "a service the holder allowed"),
    "helper": ("aidant choisi par le titulaire", "a helper the holder chose"),
    "operator": ("équipe qui fait fonctionner Pli", "the team that runs Pli"),
    "representative": ("représentant légal", "legal representative"),
    "samu": ("appel au SAMU : {reason}", "call to the SAMU: {reason}"),
    "self": ("titulaire de l’espace", "holder of the space"),
    "treating": ("médecin traitant, depuis le {day}", "treating doctor, since {day}"),
}
UNNAMED: Final[Said] = ("Personne dont le nom n’est plus connu", "Somebody whose name is no longer known")
OUTSIDE: Final[Said] = ("Correspondant d’un autre opérateur", "Somebody at another operator")
PLI: Final[Said] = ("Pli", "Pli")
ROLES: Final[dict[str, Said]] = {
    "helper": ("aidant", "helper"),
    "representative": ("représentant légal", "legal representative"),
    "operator": ("exploitation", "operations"),
    "bot": ("service", "service"),
}


def what(act: str, subject: str, outcome: str) -> Said:
    """What was done; a part of the dossier, and an answer to a card, by its own name."""
    if act == "action:done" and (answer := ACTIONS.get(outcome)) is not None:
        return answer.done_fr, answer.done_en
    if act == "dossier:read" and subject in PARTS:
        return PARTS[subject]
    return WHAT.get(act, OTHERWISE)


def why(ground: str, *, since: int = 0, by: str = "", reason: str = "", you: bool = False) -> Said:
    """`since` (ms), `by`, `reason`: of the consent; what is not known of it is not said."""
    name = "explicit.you" if ground == "explicit" and you else ground
    if name not in WHY or (not since and "{day}" in WHY[name][0]) or (not reason and "{reason}" in WHY[name][0]):
        return _BARE.get(ground, ("", ""))
    fr, en = WHY[name]
    who = by or "le titulaire"
    who = who[:1].upper() + who[1:] if fr.startswith("{by}") else who
    return (
        fr.format(day=day(since) if since else "", by=who, reason=reason),
        en.format(day=day(since, "en") if since else "", by=by or "the holder", reason=reason),
    )


_BARE: Final[dict[str, Said]] = {
    "administrator": ("désigné pour gérer le dossier", "named to look after the record"),
    "care_team": ("équipe de soins", "care team"),
    "emergency": ("urgence", "emergency"),
    "explicit": ("autorisé par le titulaire", "allowed by the holder"),
    "samu": ("appel au SAMU", "call to the SAMU"),
    "treating": ("médecin traitant", "treating doctor"),
}


def of_no_interest(act: str, ground: str) -> bool:
    """Reading one's own conversation is no access to somebody's record; reading that of somebody one acts for is."""
    return act in OF_DELEGATES and ground not in DELEGATED
