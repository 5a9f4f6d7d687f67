"""Words of distress: looked for before anything else, in any sentence, with their faults. Pure.

Promises: deterministic; kinds and numbers to call are data (`data/emergency.json`), with their source. Errs towards
telling the numbers, but for what is plainly past, on paper, or said of something else: that an alarm rings for nothing
makes people stop listening to it.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec


class Line(msgspec.Struct, frozen=True):
    """A number to call. `use`: whether it is told; `verified`: whether its source was checked."""

    number: str
    fr: str
    en: str
    source: str
    verified: bool
    use: bool


class Kind(msgspec.Struct, frozen=True):
    """What is said at a kind of distress: `lead` in both languages, then `numbers` in order."""

    fr: str
    en: str
    numbers: tuple[str, ...]


class Emergency(msgspec.Struct, frozen=True):
    version: str
    source: str
    lines: dict[str, Line]
    kinds: dict[str, Kind]


@cache
def data() -> Emergency:
    """What is told, by kind."""
    text = files("server.bots.assistant").joinpath("data/emergency.json").read_bytes()
    return msgspec.json.decode(text, type=Emergency)


_ONE = r"(?:(?:mon|ma|notre|son|sa|le|la|the|my|our|his|her) )?"
_SUDDEN = r"(?:d un (?:seul )?coup|soudain|brusquement|suddenly|tout a coup|subitement)"
_SIDE = r"(?:bras|jambe|main|cote|moitie|arm|leg|side)"
_MANY = r"(?:beaucoup|enormement|abondamment|partout|a flots?|tres fort|heavily|badly|a lot|trop)"
_CHILD = r"(?:bebe|enfant|fils|fille|petit|petite|mari|femme|mere|pere|conjoint|ami|amie|baby|son|daughter|child|wife|husband|mother|father)"
_DRUGS = r"(?:comprimes?|cachets?|medicaments?|pilules?|pills|tablets|somniferes?)"

# kind → what says it. Looked for in this order: what is most urgent to tell apart first.
_SAID: Final = (
    ("suicide", (
        r"suicid(?:e|er|aire|aires|al|ee?)\b", r"(?:veux|voudrais|vouloir|envie de|envi de|prefere|vais|va) (?:me |m )?(?:mourir|crever)",
        r"(?:envie (?:d |de )?|veux |vais |voudrais )en finir(?! avec)", r"vie ne? ?vaut (?:plus|pas)", r"idees noires", r"(?:me|m) (?:tuer|pendre|suicider|jeter sous)",
        r"mettre fin a (?:mes jours|ma vie)", r"(?:ne )?(?:veux|veut|ai|a|envie) (?:plus|pas|plus envie) (?:de )?vivre", r"plus (?:envie|la force) de vivre",
        r"foutre en l air", r"(?:mieux|tranquilles?) (?:sans moi|si je n etais plus)", r"me (?:faire du mal|mutiler|scarifier|ouvrir les veines)", r"ouvert les veines",
        r"sert a rien de (?:vivre|continuer a vivre|continuer)", r"(?:veux|voudrais|envie de) (?:disparaitre(?! (?:de|du|des))|ne plus etre la)", r"raison de vivre",
        r"(?:want|going|ready) to (?:die|kill myself|end it)", r"kill myself", r"end my life", r"better off without me", r"(?:hurt|harm) myself",
        r"(?:do|don) (?:n )?t want to live", r"no reason to live",
    )),
    ("unconscious", (
        r"inconscient(?:e|s|es)?\b", r"(?:perdu|perd|perte de) connaissance", r"(?:est|s est|suis|a ete) evanoui(?:e)?\b", r"evanouie?$",
        r"(?:ne |n )?(?:se reveille|reagit) (?:plus|pas)", r"reveille (?:plus|pas)", rf"(?:{_CHILD}|il|elle|he|she)(?: \w+){{0,3}} (?:ne |n )?(?:me )?(?:reagit|repond|bouge) (?:plus|pas)(?! (?:au tele|a mes|aux|a mon|a ma|a son|au mess|assez|beaucoup))", r"coeur (?:s est|est|a) arrete\b", r"(?:arrive|arrivons|arrives?) (?:pas|plus) a (?:la |le )?reveiller",
        r"convuls(?:e|ions?|er)\b", r"(?:crise d epilepsie)", r"arret cardiaque", r"unconscious", r"(?:passed|blacked) out",
        r"wo(?:n t|nt) wake up", r"not (?:responding|waking)", r"having a (?:seizure|fit)", r"coma ethylique", r"est dans le coma",
    )),
    ("breath", (
        r"(?:n )?(?:arrive|arrives|arrivons|peux|peut|peu|reussi[ts]?) (?:pas|plus|pu|meme plus|plus du tout|presque plus) (?:a |bien a )?respirer?\b(?! par le nez)",
        r"respire (?:plus|pas|tres mal)(?! (?:par le nez|la))", r"(?:du |de la |grosse )?(?:mal|difficultes?|peine) (?:a|pour) respirer?\b(?! par le nez)", r"etouff(?:e|es|ent|er|ement)\b",
        r"suffoqu(?:e|er|ent)\b", r"(?:manque|cherche) (?:d air(?! (?:climatise|conditionne|frais|pur))|de souffle|son souffle|mon souffle)", r"levres? bleues?", r"(?:est|devient) (?:tout |toute )?bleue?\b",
        r"(?:gorge|langue|visage|levres?) (?:qui )?(?:gonfle|enfle)", r"choc anaphylactique", r"oedeme de quincke", r"(?:avale|coince) (?:de )?travers et",
        r"s est noyee?", r"(?:can|could|can n|could n) ?t breathe", r"can ?not breathe", r"(?:not|stopped) breathing", r"(?:is |am )?choking", r"struggling to breathe", r"trouble breathing",
    )),
    ("heart", (
        rf"(?:mal|douleurs?|pression|brulure|etau|poids|serrement|oppression)(?: (?:tres|forte|fort|assez|vraiment|intense|atroce|horrible))*(?: (?:a|au|dans|sur|de|en|aux))?(?: (?:la|le|ma|mon))? (?:poitrine|thorax|coeur et)",
        rf"poitrine (?:qui )?(?:me |m )?(?:serre|fait(?: tres)? mal|brule|oppresse|oppressee?)", r"(?:serre|oppresse) (?:a |dans |de )?la poitrine",
        r"(?:douleurs?|oppressions?) thoraciques?", r"malaise cardiaque", r"(?:fait|faire|fais|suis en train de faire) (?:un |une )?(?:infarctus|crise cardiaque|malaise cardiaque)", r"^(?:une |un )?(?:infarctus|crise cardiaque|heart attack)$",
        r"(?:mal|douleur) (?:dans |a |au )?(?:la |le )?(?:machoire|bras gauche) et", r"(?:coeur|poitrine) et (?:au |dans |le )*bras", r"je crois .*(?:infarctus|crise cardiaque)",
        r"c est (?:un|une) (?:infarctus|crise cardiaque)", r"chest (?:pain|pains|hurts|is tight|tightness)", r"pain in (?:my|his|her|the) chest", r"having a heart attack", r"heart attack",
    )),
    ("stroke", (
        r"(?:fait|fais|faire|fasse|fera|debut d|suis en train de faire) (?:un |une )?avc", r"c est (?:un |peut etre un )?avc", r"^(?:un )?avc$", r"je crois .*\bavc\b",
        rf"(?:bouche|visage|levre|sourire|face)(?: (?:est|qui|a|se))?(?: (?:toute?|completement))? (?:de travers|tombe|tombante?|paralysee?|deformee?|tordue?|devie)",
        r"paralys(?:e|ee|es|ie)\b(?!.*(?:depuis (?:des|\d+ (?:ans|mois))|ancienne))",
        rf"(?:sens|sent|bouge|bouger|lever|peux|peut) (?:plus|pas)(?: (?:bouger?|lever?|sentir))?(?: du tout)? (?:mon|le|la|son|sa|ma) {_SIDE}", rf"(?:plus|pas) (?:a )?(?:bouger?|lever?|sentir) (?:mon|le|la|son|sa|ma) {_SIDE}",
        rf"{_SIDE} (?:droite?|gauche )?(?:est |sont )?(?:paralysee?|engourdie?s?|mort|morte)(?: {_SUDDEN})", r"(?:arrive|peut|peux) (?:plus|pas) (?:a )?parler?", r"voi[ts] plus (?:d un|de l|de mon|du) oeil", r"parle (?:bizarrement|de travers|plus d un coup)",
        rf"{_SUDDEN} .*(?:vois|voit|parle|bouge) plus", r"(?:having|had|is|think) .*\ba stroke\b(?! (?:in|report|\d))", r"face (?:is )?(?:drooping|dropped|numb)", r"(?:speech is )?slurred", r"can ?(?:n )?t (?:move|feel|lift) (?:my|his|her|one) (?:arm|leg|side)",
    )),
    ("bleeding", (
        rf"saigne(?:nt|r|ment)?s? {_MANY}", rf"{_MANY} de sang\b", r"saigne .*(?:arrete|s arrete|stoppe) (?:pas|plus)", r"saign(?:e|ement) .*n arrete pas", r"(?:pisse|pissait) le sang", r"hemorragie\b(?! (?:en|de|du) \d)",
        r"(?:vomi|vomit|vomis|crache|crachat|tousse)(?:r)? (?:du|de) (?:le )?sang", r"(?:perd|perds) (?:beaucoup|enormement|trop|plein) (?:de )?(?:sang)", r"baigne dans (?:son|le) sang",
        rf"bleed(?:ing|s)? {_MANY}", r"bleeding .*(?:stop)", r"vomiting blood", r"losing (?:a lot|so much|too much) (?:of )?blood", r"coupe .* (?:artere|veine)",
    )),
    ("poison", (
        rf"(?:avale|pris|gobe|bu|ingere|mange)e?s?(?: (?:toute|tout|toutes|tous|plein|trop|beaucoup))+ (?:de |d |la |le |les |mes |ses |des |sa |ma |une )*(?:boite|flacon|plaquette|tube|{_DRUGS})", rf"(?:avale|pris|gobe) (?:une |sa |ma |la )(?:boite|plaquette) (?:de|d) ",
        rf"(?:{_CHILD}|elle|il) (?:a |vient d )(?:avaler?|pris|bu|mange|boire|prendre) (?:de |du |des |la |les |le |mes |ses |une |un |l )*(?:{_DRUGS}|javel|eau de javel|produit|pile|lessive|detergent|poison|champignons?|deboucheur|essence|white spirit)",
        r"surdose|overdose|overdosed", r"empoisonn(?:e|ee|ement)", r"(?:bu|avale|boire) (?:de |du )?(?:la )?(?:javel|lessive|poison|detergent)", r"intoxication au (?:monoxyde|co)",
        r"(?:swallowed|took|taken) (?:too many|all|a whole|the whole|bleach)", rf"too many {_DRUGS}",
    )),
    ("violence", (
        rf"{_ONE}(?:conjoint|mari|compagnon|copain|copine|ex|femme|pere|mere|fils|beau pere|voisin|il|elle|on|papa|maman|frere) (?:me |m )(?:a )?(?:bat|bats|battue?|frappe|frappee?|tape|menace|sequestre|etrangle|viole|violee?|touche sexuellement)\b",
        r"(?:suis|ete|etais|fais|fait) (?:battue?|frappee?|violee?|agressee?|sequestree?|violer|agresser|frapper|battre)", r"(?:il|elle|on) (?:va|veut) me tuer", r"peur qu (?:il|elle) me (?:tue|frappe|fasse du mal)", r"m a (?:violee?|frappee?|agressee?)",
        r"violences? conjugales?", r"(?:hits?|beats?|beating|hitting|raped|strangled?|threatens?) me\b", r"afraid (?:he|she) will kill", r"(?:frappe|bat|tape) (?:ma|mon|mes|les) (?:fille|fils|enfants?|petite?)",
    )),
    ("emergency", (
        r"au secours", r"^(?:a l aide|s ?o ?s|help me now|urgence|urgent urgent|emergency|c est une? (?:urgences?|emergency))(?: (?:vite|urgent|svp|please|vitale?))*$", r"urgence vitale", r"(?:appel(?:ez|le|er)|besoin d|faut|envoyez|call|need)(?: \w+){0,3} (?:samu|ambulance|pompiers|secours|112|911)\b",
        r"\bsos\b(?! medecins?)", r"(?:est|va|vais|suis) (?:en train de )?mourir\b(?! de)", r"est en train de mourir", r"(?:accident) grave", r"a l aide vite", r"(?:is|am) dying", r"vite (?:le )?(?:samu|pompiers)",
    )),
)  # fmt: skip

# What makes those words speak of something else: paper, the past, somebody's history.
_PAPER = (
    r"\b(?:compterendu|ordonnance|resultats?|radio|irm|scanner|echographie|echo|papiers?|documents?|courrier|lettre|antecedents?|"
    r"report|letter|prevention|depistage|consultation|rendezvous|suivi|specialiste|don du|livre|film|article|question sur)\b"
)
_PAST = (
    r"\b(?:l an dernier|l annee derniere|annee passee|dernierement|il y a (?:\d+|un|une|des|longtemps|quelques)|y a \d+|autrefois|jadis|"
    r"en (?:19|20)\d\d|de (?:19|20)\d\d|from (?:19|20)\d\d|in (?:19|20)\d\d|est morte?|est decedee?|ago|last year|antecedents?|dans ma famille|depuis (?:\d+|un|une|des|plusieurs|quelques) (?:mois|semaines?|ans?|annees?))\b"
)
_NOT = (r"de (?:rire|faim|soif|chaud|froid|fatigue|honte|peur|sommeil|ennui)\b", r"pas (?:de|d) (?:douleur|difficulte|gene|probleme)")
_NOW = r"\b(?:la|maintenant|en ce moment|tout de suite|vite|mais la|now|right now|depuis (?:\d+ (?:min|minutes?|heures?)|ce matin))\b"


@cache
def _compiled() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((kind, re.compile("|".join(rf"(?:\b{one}|{one})" if one[0] == "^" else rf"\b(?:{one})" for one in said)))
                 for kind, said in _SAID)  # fmt: skip


def spoken() -> tuple[str, ...]:
    """The words of this module, for mending."""
    return (*(pattern for _, said in _SAID for pattern in said), _PAPER, "respirer mourir poitrine vivre saigner")


def read(line: str) -> str:
    """The kind of distress that a line of mended words tells; "" for none."""
    for kind, pattern in _compiled():
        match = pattern.search(line)
        if match is None or any(re.search(one, line[match.start() : match.end() + 20]) for one in _NOT):
            continue
        if kind in {"suicide", "violence"} and not re.search(_PAST, line):
            if kind == "suicide" and re.search(r"\b(?:suicide (?:de|d) (?:mon|ma|un|son|sa)|(?:prevention|prevenir) (?:du |le )?suicide)", line):
                continue
            return kind
        if re.search(_PAST, line) or (re.search(_PAPER, line) and not re.search(_FELT, line)):
            continue
        return kind
    return ""


_FELT: Final = (
    r"\b(?:j ai|je|me|m|il|elle|mon|ma)\b.*\b(?:mal|douleur|respirer|saigne|sens plus|serre|etouffe|inconscient|avale|perdu connaissance)"
    r"|\b(?:pain|breathe|bleeding)\b"
)
