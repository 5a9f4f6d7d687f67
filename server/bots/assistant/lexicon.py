"""The words the assistant knows: those its rules name, those that people shorten, and those it must leave alone. Data,
and nothing else.

What may be mended towards is what the rules name (`mendable`); `COMMON` is ordinary speech that looks like it (« nourrir
» is no fault for « mourir »).
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

# As it is typed on a phone → as the rules read it.
SHORT: Final = {
    "rdv": "rendezvous", "rdvs": "rendezvous", "rv": "rendezvous", "rendezvou": "rendezvous", "qd": "quand",
    "kan": "quand", "kand": "quand", "quan": "quand", "ki": "qui", "koi": "quoi", "ke": "que", "kel": "quel",
    "kelle": "quelle", "keske": "qu est ce que", "esk": "est ce que", "eske": "est ce que", "tt": "tout",
    "ts": "tous", "ds": "dans", "pr": "pour", "av": "avec", "ac": "avec", "bjr": "bonjour",
    "bsr": "bonsoir", "slt": "salut", "cc": "coucou", "bcp": "beaucoup", "stp": "svp", "ordo": "ordonnance",
    "ordos": "ordonnance", "doc": "document", "docs": "documents", "dr": "docteur", "drs": "docteur", "toubib": "medecin", "cr": "compte rendu",
    "crh": "compte rendu", "cro": "compte rendu", "qqn": "quelqu un", "qqun": "quelqu un", "qqch": "quelque chose",
    "pb": "probleme", "medoc": "medicament", "medocs": "medicaments", "chir": "chirurgien", "opht": "ophtalmo",
    "ophta": "ophtalmo", "gyne": "gyneco", "hopi": "hopital", "hosto": "hopital", 
    "jai": "j ai", "jaimerai": "j aimerais", "jaimerais": "j aimerais", "jveux": "je veux", "jveu": "je veux",
    "jpeux": "je peux", "jpe": "je peux", "jsuis": "je suis", "chui": "je suis", "chuis": "je suis", "jvais": "je vais",
    "jvoudrais": "je voudrais", "jarrive": "j arrive", "narrive": "n arrive", "narrives": "n arrive", "nen": "n en",
    "ya": "y a", "yatil": "y a t il", "cest": "c est", "sest": "s est", "veu": "veux", "ve": "veux",
    "pe": "peux", "fe": "fait", "aprem": "apres midi", "apm": "apres midi",
    "tel": "telephone", "telephoner": "telephone", "num": "numero", "auj": "aujourd hui", "ojd": "aujourd hui",
    "ajd": "aujourd hui", "dispo": "disponible", "notif": "notifications", "notifs": "notifications",
    "texto": "sms", "textos": "sms", "mel": "mail", "mails": "mail", "email": "mail", "emails": "mail",
    "courriel": "mail", "courriels": "mail", "vaccins": "vaccin", "rappels": "rappel", "lyre": "lire", "poid": "poids",
    "bb": "bebe", "vs": "vous", "ns": "nous", "ms": "mais", "mtn": "maintenant", "pk": "pourquoi",
    "pq": "pourquoi", "pkoi": "pourquoi", "labos": "labo", "scan": "scanner", "im": "i m", "ive": "i ve", "cant": "can t",
    "couldnt": "could n t", "dont": "don t", "wont": "won t", "appt": "appointment", "appts": "appointment",
    "apt": "appointment", "pls": "please", "thx": "thanks", "meds": "medication", "bp": "tension", 
    "mammo": "mammographie", "colo": "coloscopie", "vax": "vaccin", "analises": "analyses", "analise": "analyses",
    "poitrinne": "poitrine", "urg": "urgence",
}  # fmt: skip

PAIRS: Final = {
    ("rendez", "vous"): "rendezvous", ("rende", "vous"): "rendezvous", ("rendez", "vou"): "rendezvous",
    ("rende", "vou"): "rendezvous", ("rendes", "vous"): "rendezvous", ("rdv", "vous"): "rendezvous",
    ("rendezvous", "vous"): "rendezvous", ("compte", "rendu"): "compterendu", ("comptes", "rendus"): "compterendu",
    ("compte", "rendus"): "compterendu", ("check", "up"): "checkup", ("x", "ray"): "xray", ("x", "rays"): "xray",
    ("follow", "up"): "followup", ("up", "to"): "upto", ("m", "dents"): "mtdents", ("t", "dents"): "mtdents",
}  # fmt: skip

# Ordinary speech, left as it is.
COMMON: Final = frozenset(
    """
    ailleurs ainsi aller allez alors annee annees apparait apporter appartement apprendre argent arrive arriver assez
    attend attendre attente autant autour autre autres avait avais avance avant avoir avons ayant beaucoup besoin bientot
    boire boite bonne bonnes bonsoir bouger bouton boutons bruit bureau cause celle celles cependant chaine chaise chambre
    champ chance change changer chanter chaque chaud chaude chauffage chemin chercher cheval chien choisir chose choses
    ciel classe client clients coin colere collegue combien comme commence commencer comment compter conduire connait
    connaitre content contre copain copine corps coucher couleur coup coupe coups courant courir course courses court
    couteau coute croire cuisine cuisse danger dans danse debout debut dedans dehors dejeuner depuis dernier derriere
    descendre dessus deux devant devenir devoir diner dire disent dit doigt doit donc donne donner dont dormir dort douche
    doute droit droite drole durant dure durer eau ecole ecoute ecouter ecrire ecrit elle elles encore endroit enfants
    enlever ensemble ensuite entendre entier entre entrer envers environ espere essayer essence essence etage etaient
    etais etait etes etre eux examiner exemple faim faire faisait fait faite faites falloir fallait familial famille
    faudra faudrait femmes fenetre fermer fete feu film finir fois font force forme fort forte fournir frais frapper frere
    froid fruit garcon garder gare gauche genou gens gentil goutte grand grande grandes grands gratuit gros grosse groupe
    guerre habite habitude haut heureux hiver homme hommes idee ignore ilots image important impossible jambe jamais jardin
    jeune jeunes jeux joie joindre jolie jouer jouet jours journal journee juger jusqu jusque juste laisse laisser lampe
    lapin larme laver lecon leger legume lendemain lent lettre leurs lever libre lieu ligne linge litre livre loger loin
    longtemps longue louer lourd lui lumiere lunettes machine magasin mainte maintenant mais maison malgre maman manger
    manque manquer marche marcher mari marier maternel matin matins mauvais mechant meilleur melange meme memes menage
    mener mensonge mentir merci mere merveille message messe metier metro mettez mettre meuble midi mieux milieu mince
    minute minutes moins mois moitie moment monde monnaie monsieur montagne monter montre montrer morceau mordre moteur
    mots mouiller mourir nager naitre nature neige nettoyer neuf niveau noir noire nombre nombreux normal normale normalement
    notre notres nourrir nourriture nouveau nouvelle nouvelles nuage nuit objet occupe occuper odeur oiseau ombre oncle
    orange orage ordinateur oreille oser oublie oublier ouvert ouvrir paix panier panne papa papier parce pardon pareil
    parents parfois parle parler parmi partie partir partout passe passer pauvre payer pays peau peine peinture pendant
    pense penser perdre perdu permet permettre personne personnes petit petite petits petites pharmacien photo phrase piece
    pieces pied pieds pierre pire place placer plage plaire plaisir plante plat plein pleine pleurer pleuvoir plier plus
    plusieurs plutot poche poids poil point poire poisson politique pomme pont porte porter poser possible poste poulet
    pourquoi pourra pourrait pourrez pourtant pousser pouvait pouvez pouvoir pouvons premier premiere prend prendre prenez
    prenom prepare preparer pres presque presse prete preuve prevenir prevue prier printemps prison prix prochain probable
    produit professeur profond promener promettre propos propre proteger puis puisque quart quartier quelle quelles
    quelque quelques question questions quitter quoi raconter raison ramener ranger rapide rapport rater recevoir
    regarder regarde regret regretter rejoindre remercie remettre remplir rencontrer rendre rentrer repas repeter reponse
    repondre reposer rester retard retour retourner retrouver reunir reussir reveiller rever revoir riche rien rire riviere
    robe rouge rouler route rue saison salle sale salon samedi sante sauf sauter sauver savez savoir savent savais second
    seconde secret semble sembler sens sentir separer serait serieux serrer service servir seul seule seulement siecle
    silence simple simplement soigner soir soiree soleil solution sombre sommeil sommes songer sonner sorte sortie sortir
    souffrir souhaite soupe sourire sous souvenir souvent soyez suivant suivre sujet sur surtout table tableau tache
    tante tard tasse tellement temps tendre tenir terminer terre tete theatre tient timbre tirer toit tomber tombee tombe
    toucher toujours tour tourner toute toutes tranquille travail travailler traverser tres triste trop trouve trouver
    tuer usine utile utiliser vacances valise vapeur vendre venez venir vent ventre verite verre vers verser veut
    veuillez viande vie vieille vieux ville violet visage vite vivre voici voila voir voisin voiture voix voler volets
    volonte voudrait voulais vouloir voulu voulez voulons voyage voyager vraie vraiment vrai vraie wagon yeux serons seront
    sera serez avez aurais aurait aurez aurai tousse tousser toux facture train mardis depense content chats chat
    contente normaux quels quel facile fatigue gencives gencive oreilles dents dent seins seiche seche bouche
    maladie malade maladies effets secondaires effet eleve elevee basse basses faible maux aurai regle regles
    bouge bougent votre votres cela celui ceci jour siege tiens viens vient vais nuits langue langues photos doses
    about after again along also always another anything around because before being better between birthday both bring
    called children clean close could days didn doing done early every everything family father feel feeling found friend
    getting going great happy house husband keep later least leave lived living looking maybe money month months morning
    mother much never night nothing number often other people please pretty problem really right school should since small
    something sometimes soon still stuff taking tell than thank thanks that their them then there these they thing things
    think this those though through time today together tonight under until using wanted water week weeks were what where
    which while white whole whose will with within without woman work working world would years yesterday your
    """.split()
)


@cache
def mendable() -> tuple[str, ...]:
    """The words that the rules name, in the order of the alphabet."""
    from server.bots.assistant import dates, distress, intents, names, numerals, slots

    found: set[str] = set(numerals.SPOKEN)
    for module in (dates, distress, intents, names, slots):
        for text in module.spoken():
            found |= _words(re.sub(r"\\[a-z]", " ", text))
    return tuple(sorted(word for word in found if len(word) >= 5))


def _words(pattern: str) -> set[str]:
    """The words of a pattern, with the endings it lets them have: « envoye(?:r|z) », « radios? »."""
    found = set(re.findall(r"[a-z]{5,}", pattern))
    for stem, endings in re.findall(r"([a-z]{3,})\(\?:([a-z|?]+)\)", pattern):
        found |= {stem + one for ending in endings.split("|") for one in _both(ending)}
    for word in re.findall(r"[a-z]{4,}\??(?:[a-z]\?)*", pattern):
        found |= _both(word)
    return found


def _both(word: str) -> set[str]:
    """With and without each letter that may be left out."""
    return {re.sub(r"[a-z]\?", "", word), word.replace("?", "")}


@cache
def known() -> frozenset[str]:
    """Every word that is left as it is."""
    return COMMON | frozenset(mendable())
