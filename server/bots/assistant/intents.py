"""What is asked for: patterns of mended words, each with its weight for an intent. Data, and a sum.

The intent with the greatest sum is meant; `understanding` adds what names, dates and measures tell.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from server.bots.assistant import slots

MEETING = r"(?:rendezvous|consultations?|appointments?|followup)"
_SEEN = f"{slots.SEEN}|{slots.DONE_THERE}"
_VACCINE = r"(?:vaccins?|vaccinations?|vaccines?|vaccinee?s?|vacciner|vaccinated|shots?|jabs?|rappel de dtp|carnet de sante|immunisee?)"
_DISEASE = "|".join(pattern for _, pattern in slots.DISEASES)
_EXAM = "|".join(pattern for _, pattern in slots.EXAMS)
_KIND = "|".join(pattern for _, pattern in slots.KINDS)
_ANALYTE = "|".join(pattern for _, pattern in slots.ANALYTES)
_DOSSIER = r"(?:dossier|documents?|donnees|resultats?|analyses?|record|data|files?|acces|informations?)"
_FEELING = (
    r"(?:j ai|ai|a|as|depuis|tres|avec|une|des|de la|petite?|grosse|la) (?:mal|maux|douleurs?|boutons?|fievre|toux|nausees?|vertiges?|diarrhee|rhume|"
    r"demangeaisons?|crampes?|plaques?|fatigue)|fai[st] (?:tres )?mal|mal (?:a la|au|aux|partout)|(?:tousse|vomi[ts]?|demange|gratte|brule)\b|"
    r"dors? (?:mal|pas)|(?:suis|est) (?:malade|fatiguee?|enrhumee?|constipee?)|douleurs?\b|saigne un peu|bouche seche|hurts?|(?:headache|cough|rash|sore)|have a fever"
)

# (intent, weight, pattern)
_SAID: Final = (
    ("appointments", 3, rf"\b{MEETING}\b"),
    ("appointments", 3, rf"\b(?:mes|my|prochains?|next|les|voir|liste) (?:prochains? |next )?{MEETING}"),
    ("appointments", 5, r"\b(?:agenda|calendrier|planning|calendar|schedule)\b"),
    ("appointments", 4, rf"\b(?:quand|quel jour|quelle heure|quelle date|date|ou|when|what time|where)\b.*\b(?:{MEETING}|operation|opere|surgery|{_SEEN})\b"),
    ("appointments", 4, rf"\b{MEETING}\b.*\b(?:quand|quelle heure|quel jour|when|what time)\b"),
    ("appointments", 7, r"\b(?:quand|quel jour|quelle heure|when)\b.*\b(?:je vois|(?:re)?voir|(?:dois je|devrais je|je dois) (?:aller|venir|me presenter|revoir|voir)|do i see|see dr)\b"),
    ("appointments", 7, r"\b(?:qu est ce que j ai (?!fait|eu)|qu ai je|j ai quoi|quoi comme rendezvous|what do i have|(?:est ce que )?j ai quelque chose|ai je quelque chose|de prevu|est prevu)(?:\b|$)"),
    ("appointments", 4, r"\b(?:ai je|est ce que j ai|y a t il|do i have|j ai quoi|quoi comme|rappele[zr]? moi|rappelle moi|me rappelle plus|plus (?:de )?la date)\b.*\b(?:rendezvous|date|quelque chose|operation|appointment)\b"),
    ("cancel_appointment", 9, rf"\b(?:annuler?|annulez|annulee?|annulation|annules|supprimer?|supprimez|cancel|cancelled)\b(?:.*\b(?:{MEETING}|{_SEEN})\b)?"),
    ("cancel_appointment", 10, r"\b(?:peux|pourrai|pourrais|viendrai|viens|vais|peut|pourra|pouvoir|can|could|won|be able)\b(?: n)?(?: t)? ?(?:pas|plus|not)?(?: pouvoir)? ?(?:venir|etre la|y aller|me rendre|me deplacer|aller|come|make it)\b"),
    ("cancel_appointment", 10, r"\b(?:viendrai|viens|viendrons) (?:pas|plus)\b"),
    ("cancel_appointment", 6, r"\bempechement\b"),
    ("move_appointment", 11, rf"\b(?:decaler?|decalez|deplacer?|deplacez|reporter?|reportez|repousser?|repoussez|avancer|avancez|changer?|modifier?|bouger|move|reschedule|postpone|change|changer de)\b.*\b(?:{MEETING}|{_SEEN}|heure|date|jour|horaire|operation|time)\b"),
    ("move_appointment", 11, r"\b(?:autre|autres|another|different|meilleur) (?:moment|date|horaire|jour|creneau|heure|time|day|slot|rendezvous)\b"),
    ("move_appointment", 6, r"\b(?:decaler|reporter|repousser|deplacer|reschedule|postpone)\b"),
    ("move_appointment", 4, r"\barrange pas\b"),
    ("vaccines", 6, rf"\b{_VACCINE}\b"),
    ("vaccines", 5, rf"\b(?:{_DISEASE})\b"),
    ("vaccines", 3, rf"\b(?:mes|my|quels?|which|what|dernier|last|prochain|next|date) .*\b(?:{_VACCINE}|rappel)\b"),
    ("vaccines", 3, r"\b(?:a jour|upto date|due|rappel|booster|fait ou pas|a quand remonte|combien de temps)\b.*|\bsuis je a jour\b"),
    ("vaccines", 3, rf"\b(?:{_DISEASE})\b.*\b(?:a jour|fait ou pas|quand|dernier|last)\b"),
    ("prevention", 6, rf"\b(?:{_EXAM})\b"),
    ("prevention", 8, r"\b(?:prevention|depistages?|screenings?|mtdents)\b"),
    ("prevention", 5, r"\bexamens?\b.*\b(?:dois|faire|concernent?|obligatoires?|mon age|prevus?)\b|\bexamens? (?:de |obligatoires?)"),
    ("prevention", 5, r"\b(?:mon age|my age|me concernent?|suis je concerne)\b"),
    ("prevention", -5, rf"^(?!.*\?).*\b(?:{_EXAM})\b(?: [a-z]+){{0,2}} (?:deja )?faite?s?\b"),
    ("prevention", 3, rf"\b(?:quand|prochaine?|date|due|when)\b.*\b(?:{_EXAM})\b"),
    ("done", 9, r"^(?!.*\?).*\b(?:deja (?:fait|ete|eue?|vaccinee?s?|passee?|realisee?)|(?:already|have) (?:had|done|did|been))\b"),
    ("done", 10, rf"\b(?:{_DISEASE}|{_EXAM}|{_VACCINE}|rappel|depistage|test du colon)\b(?: [a-z]+){{0,2}}? (?:(?:c est|est|etait|was|ete|a ete|je l ai|l ai) )?(?:deja )?(?:faite?s?|eue?|done|realisee?)\b(?! ou pas)(?! .*\bdepistage)"),
    ("done", 11, rf"^(?!.*(?:\?|\b(?:est ce que|ai je|quand|quel|suis je|combien|when)\b)).*\b(?:j ai|je|je me suis|on m a|l ai|elle a|il a|a|i had|i have had|we had|i got) (?:deja |already |bien )?(?:fait|ete|eu|passe|recu|realise|my|the|eu le|vaccinee?|fait vacciner)\b.*\b(?:{_DISEASE}|{_EXAM}|{_VACCINE}|rappel|depistage|test du)\b"),
    ("done", 9, r"\b(?:c est|deja|je l ai|est) (?:bon |deja )?(?:fait|faite)\b"),
    ("done", 8, r"^(?:c est )?(?:deja )?(?:fait|faite|already done|done)$"),
    ("documents", 6, rf"\b(?:{_KIND})\b"),
    ("documents", 6, r"\b(?:documents?|papiers?|fichiers?|files?|carte de groupe)\b"),
    ("documents", 2, r"\b(?:dernier|derniere|derniers|dernieres|latest|last|recent|ou est|ou sont|cherche|retrouver?|retrouve|montre[zr]?|voir|show|find|besoin de|donne[zr]?)\b"),
    ("results", 8, r"\b(?:resultats?|results?)\b"),
    ("results", 7, r"\b(?:analyses?|taux|lab results|dosage)\b"),
    ("results", 7, rf"\b(?:{_ANALYTE})\b"),
    ("share", 12, r"\b(?:envoyer?|envoyez|envoie|envoies|envoi|transmettre|transmettez|transmets|transmet|partager?|partagez|partages|transferer?|transferez|send|share|forward|adresser|communiquer)\b(?!.*\brappels?\b)"),
    ("share", 12, r"\b(?:faire|fais|faites|fait) suivre\b"),
    ("share", 11, r"\b(?:donner?|donnez) (?:ce|ca|cela|le|la|mon|ma|l) .*\b(?:a|au|a la|to)\b"),
    ("who_saw", 11, rf"\b(?:qui|qui est ce qui|quelqu un|who|somebody|anyone)\b.*\b(?:vue?|lue?|consulte[er]?|regarde[er]?|ouvert|ouvrir|accede|visite|venu|seen|saw|looked|looked at|opened|read)\b.*\b{_DOSSIER}\b"),
    ("who_saw", 10, rf"\b(?:quelqu un|on|docteur|doctor|il|elle|hopital|medecin)\b.*\b(?:a|a t il|a t elle|has|est ce que)\b.*\b(?:vu|lu|consulte|regarde|ouvert|seen|read|opened)\b.*\b{_DOSSIER}\b"),
    ("who_saw", 9, r"\b(?:historique|journal|log|history)\b(?: .*)?\b(?:acces|dossier|consultations|visites|record|access)\b|\bhistorique d(?: |es )acces\b"),
    ("consents", 11, rf"\b(?:qui|who|a qui|quels? (?:medecins?|professionnels?))\b.*\b(?:peut|peuvent|can|droit|acces|access|autorisee?s?)\b.*\b(?:{_DOSSIER}|lire|voir)\b|\bqui a acces\b|\bwho has access\b"),
    ("consents", 10, r"\b(?:autoriser?|autorisez|autorisations?|autorise|interdire|interdis|interdisez|consentements?|permission|allow)\b"),
    ("consents", 11, rf"\b(?:retirer?|bloquer?|bloquez|enlever|couper|donner|donne|ouvrir|remove|block)\b.*\bacces\b|\bblock access\b"),
    ("consents", 11, rf"\b(?:veux|voudrais|souhaite) (?:plus|pas) que\b.*\b(?:voi[te]s?|lise|lisent|regarde|voient|acces)\b|\blet\b.*\b(?:read|see)\b"),
    ("consents", 9, r"\b(?:donne|donner|le) (?:l )?(?:acces|droit)\b"),
    ("treatments", 8, r"\b(?:traitements?|medicaments?|medicine|medicines|medication|medications|cachets|comprimes|posologie|pills)\b"),
    ("treatments", 4, r"\b(?:mes|mon|my|liste|quels|quoi|what|en cours|ajouter) .*\b(?:traitements?|medicaments?|medication|medicines?|cachets)\b|\b(?:traitements?|medicaments?) (?:en cours|actuels?)\b"),
    ("allergies", 9, r"\b(?:allergies?|allergique|allergiques|allergic|allergy|intolerances?)\b"),
    ("help", 8, r"^(?:a l )?(?:aide|help|aidez moi|aide moi|help me|mode d emploi|menu|commandes?|\?)(?: (?:svp|please|merci))*$"),
    ("help", 9, r"\b(?:que|quoi|what|qu est ce que) (?:peux tu|pouvez vous|sais tu|savez vous|can you|vous savez|tu sais|vous pouvez|tu peux)(?: faire| do)?\b|\ba quoi (?:tu|vous|ca) ser[ts]"),
    ("help", 8, r"\b(?:comment (?:ca|cela) (?:marche|fonctionne)|comment (?:faire|utiliser|on fait)|how does (?:it|this) work|mode d emploi|besoin d aide|suis perdue?|comprends? rien|comprends? pas|how do i use)\b"),
    ("person", 12, r"\b(?:parler|discuter|echanger|speak|talk|contacter|joindre|avoir|appeler|chat)\b.*\b(?:quelqu un|humain|humaine|personne|conseillere?|agent|operateur|human|someone|somebody|aide de pli|vrai(?:e)? (?:personne|gens)|person)\b"),
    ("person", 10, r"\b(?:un|une|vrai|vraie|real|a) (?:humain|humaine|conseillere?|vraie personne|personne|human|agent|real person|person)\b"),
    ("person", 10, r"\b(?:quelqu un|somebody|someone)\b.*\b(?:m aide[rz]?|aider|m appeler|me rappeler|appeler|repondre|help me|call me)\b|\by a t il quelqu un$|\by a quelqu un$|\bquelqu un$"),
    ("person", 9, r"\b(?:pas un|not a) (?:robot|machine|bot)\b|\baide de pli\b"),
    ("person", 4, r"\barrive pas\b"),
    ("hours", 9, r"\b(?:horaires?|telephone|numero|joindre|contacter|coordonnees|adresse|ouvert|ouvre|ouverte|ferme|ouverture|opening hours|phone number|contact|opens?)\b"),
    ("hours", 8, r"\b(?:ecrire|write) (?:au|a|to)\b"),
    ("hours", 3, r"\b(?:horaires?|numero|coordonnees|comment (?:joindre|contacter)|opening hours) (?:du|de|de la|of|le|la|les|des)\b"),
    ("pause", 13, r"\b(?:arreter?|arretez|arretes|stop|stoppez|stopper|cesse[rz]?|suspendre|suspendez|pause|plus|no more|desactiver|couper)\b.*\b(?:rappels?|rappeler|reminders?|notifications? de prevention)\b"),
    ("pause", 12, r"\b(?:rappels?|reminders?)\b.*\b(?:pause|stop|off|arretez?)\b"),
    ("notices", 10, r"\b(?:notifications?|notices?|alertes?)\b"),
    ("notices", 9, r"\b(?:recevoir|recois|envoie[sz]?|prevenu|prevenir|avertir|trop|plus de|receive)\b.*\b(?:sms|mail|notifications?|alertes?)\b"),
    ("notices", 11, r"\b(?:changer|modifier|change|mettre a jour) (?:de |mon |d |my |l )?(?:adresse(?: mail)?|mail|numero(?: de telephone)?|telephone|portable|phone|email)\b"),
    ("advice", 12, r"\b(?:c est|est ce|est il|est|ce serait|is it|serait ce)(?: que c est| ca)? (?:grave|normal|dangereux|serieux|inquietant|contagieux|serious|dangerous|bad|normale)\b"),
    ("advice", 12, r"\b(?:grave docteur|m inquieter|inquietante?s?|should i (?:be worried|worry|see|go|take))\b"),
    ("advice", 13, r"\b(?:que|quoi|qu est ce que|what) (?:je )?(?:dois|doit|devrais|puis|peux|should|can|faut il)(?: je| i| que je)? (?:prendre|faire contre|donner|manger|mettre|take|do about)\b"),
    ("advice", 12, r"\b(?:puis je|je peux|est ce que je peux|peut on|can i|dois je|faut il|je dois|should i)\b.*\b(?:prendre|arreter|stop|donner|melanger|boire|manger|faire ce vaccin|aille|aller aux urgences|consulter|my treatment|voir un medecin|avec mon traitement|ou pas)\b"),
    ("advice", 12, r"\b(?:quel|quels|quelle|which|what) (?:medicaments?|remede|sirop|traitement|medicine|pommade|antibiotique) (?:pour|contre|for|dois|prendre|should)\b"),
    ("advice", 12, r"\bcombien de\b.*\b(?:doliprane|paracetamol|ibuprofene|aspirine|comprimes?|cachets?|gouttes|par jour)\b"),
    ("advice", 11, r"\b(?:que faire|que dois je faire$|what should i do|quoi faire)"),
    ("advice", 10, rf"(?:\b|^)(?:{_FEELING})"),
    ("advice", 12, r"\b(?:effets? (?:secondaires?|indesirables?)|side effects?|contre indications?|que veut dire|what does .* mean|ca veut dire quoi|signifie|bons? ou mauvais|c est quoi (?:cette|une?|la|le) (?:maladie|crp|syndrome))\b"),
    ("advice", 12, r"\bc est quoi cette maladie\b|\bcette maladie\b"),
    ("advice", 12, r"\bpourquoi\b.*\b(?:haute?|basse|eleve|elevee|mal|fatigue|monte|baisse|tension|glycemie)\b"),
    ("advice", 8, r"\b(?:a qui en parler|qui (?:consulter|aller voir)|who should i see|chez qui aller)\b"),
    ("hello", 6, r"^(?:(?:bonjour|bonsoir|salut|coucou|hello|hi|good (?:morning|evening|afternoon)|hey)(?: |$))+(?:(?:a vous|pli|madame|monsieur|docteur|tout le monde|there|a tous) ?)*$"),
    ("thanks", 6, r"^(?:(?:ok|d accord|super|parfait|merci|tres bien|entendu|thanks|thank you|great|c est bon|bien recu|cool|very|much|beaucoup|bien|a vous|oui|so|mille fois|genial)(?: |$))+$"),
)  # fmt: skip

COMMANDS: Final = {
    "/mesure": "measure", "/mesures": "measure", "/rdv": "appointments", "/vaccins": "vaccines", "/vaccin": "vaccines",
    "/document": "documents", "/documents": "documents", "/qui": "who_saw", "/aide": "help", "/personne": "person",
    "/measure": "measure", "/appointment": "appointments", "/appointments": "appointments", "/vaccines": "vaccines",
    "/who": "who_saw", "/help": "help", "/person": "person", "/prevention": "prevention", "/resultats": "results",
}  # fmt: skip
INTENTS: Final = tuple(dict.fromkeys(["measure", "note_appointment", *(intent for intent, _, _ in _SAID)]))


@cache
def _compiled() -> tuple[tuple[str, int, re.Pattern[str]], ...]:
    return tuple((intent, weight, re.compile(pattern.replace("$", r"(?: \?)*$"))) for intent, weight, pattern in _SAID)


def spoken() -> tuple[str, ...]:
    """The words of this module, for mending."""
    return (*(pattern for _, _, pattern in _SAID), "noter enregistrer ajouter rappelez")


def weigh(line: str) -> dict[str, int]:
    """The sum of every intent whose words are there."""
    sums: dict[str, int] = {}
    for intent, weight, pattern in _compiled():
        if pattern.search(line):
            sums[intent] = sums.get(intent, 0) + weight
    return sums
