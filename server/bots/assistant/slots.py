"""What is spoken of: kinds of documents, diseases, screenings, analyses. Pure data, in the order it is looked for."""

from __future__ import annotations

import re
from typing import Final

# What is said → a category of the shelf (`server.dossier.documents.CATEGORIES`).
KINDS: Final = (
    ("prescription", r"ordonnances?|prescriptions?"),
    ("certificate", r"certificats?|certificate|arret de travail|arrets de travail|sick note"),
    ("biology", r"bilans? sanguins?|bilan|prises? de sang|analyses? de sang|blood tests?|blood work|analyse d urine"),
    ("report", r"compterendu|lettre de (?:sortie|liaison)|courrier|rapport|report|discharge letter"),
    (
        "imaging",
        r"radios?|radiographies?|irm|scanners?|echographies?|echo|mammographies?|imagerie|mri|xray|ultrasound|ct",
    ),
)
CATEGORY: Final = {
    "prescription": "prescriptions", "certificate": "certificates", "biology": "biology", "report": "reports",
    "imaging": "imaging",
}  # fmt: skip

DISEASES: Final = (
    ("tetanus", r"tetanos|dtp|dtpolio|revaxis|repevax|tetanus|dtcap"),
    ("influenza", r"grippe|gripe|antigrippe|antigrippal|flu|influenza"),
    ("covid", r"covid|covid 19|coronavirus"),
    ("measles", r"rougeole|ror|oreillons|rubeole|measles|mmr"),
    ("hpv", r"papillomavirus|papilloma|hpv|gardasil"),
    ("pertussis", r"coqueluche|pertussis|whooping cough"),
    ("zoster", r"zona|shingrix|shingles"),
    ("pneumococcus", r"pneumocoque|pneumococcus|pneumo"),
    ("hepatitis-b", r"hepatite b|hepatitis b|hepatite"),
    ("hepatitis-a", r"hepatite a|hepatitis a"),
    ("meningococcus", r"meningocoque|meningite|meningitis"),
    ("polio", r"polio|poliomyelite"),
    ("diphtheria", r"diphterie|diphtheria"),
    ("varicella", r"varicelle|chickenpox"),
    ("rotavirus", r"rotavirus|gastro"),
    ("rsv", r"bronchiolite|vrs|rsv"),
    ("tuberculosis", r"bcg|tuberculose|tuberculosis"),
    ("yellow-fever", r"fievre jaune|yellow fever"),
)

EXAMS: Final = (
    ("breast", r"mammographie|mammogramme|mamographie|mammogram|cancer du sein|depistage du sein|breast"),
    ("colorectal", r"colorectal|colon|colon rectal|test immunologique|intestin|bowel|coloscopie"),
    ("cervix", r"frottis|col de l uterus|col|cervical|smear|pap test"),
    ("dental", r"mtdents|examen dentaire|controle dentaire|dental check|bucco dentaire"),
    ("checkup", r"bilan(?: de)? prevention|mon bilan prevention|checkup|health check|bilan de sante"),
)

ANALYTES: Final = (
    ("cholesterol", r"cholesterol|ldl|hdl|triglycerides"),
    ("ferritine", r"ferritine|ferritin|taux de fer|fer serique"),
    ("hemoglobine", r"hemoglobine|hemoglobin"),
    ("creatinine", r"creatinine"),
    ("tsh", r"tsh|thyroide|thyroid"),
    ("crp", r"crp"),
    ("psa", r"psa"),
    ("vitamine d", r"vitamine d|vitamin d"),
    ("potassium", r"potassium"),
    ("plaquettes", r"plaquettes|platelets"),
    ("leucocytes", r"leucocytes|globules blancs|globules rouges"),
)

# Whom one sees, and what for: what an appointment is about.
SEEN: Final = (
    r"dentiste|orthodontiste|kine|kinesitherapeute|osteo|osteopathe|ophtalmo|ophtalmologue|ophtalmologiste|dermato|"
    r"dermatologue|gyneco|gynecologue|cardio|cardiologue|pneumo|pneumologue|neurologue|rhumato|rhumatologue|orl|"
    r"urologue|endocrino|endocrinologue|diabetologue|gastro|gastroenterologue|psychologue|psychiatre|psy|orthophoniste|"
    r"orthoptiste|podologue|pedicure|pediatre|sage femme|infirmiere?|medecin(?: traitant)?|docteur|generaliste|"
    r"chirurgien|anesthesiste|anesthesie|radiologue|opticien(?:ne)?|pharmacien|dieteticien(?:ne)?|nutritionniste|"
    r"allergologue|oncologue|geriatre|hematologue|nephrologue|audioprothesiste|dentist|orthodontist|physio|"
    r"physiotherapist|eye doctor|optician|gp|doctor|cardiologist|dermatologist|gynaecologist|midwife|nurse|surgeon|"
    r"paediatrician|pediatrician|psychologist|podiatrist|urgences dentaires"
)
DONE_THERE: Final = (
    r"prise de sang|labo|laboratoire|irm|scanner|radio|echo|echographie|mammographie|coloscopie|fibroscopie|bilan|"
    r"vaccin|don du sang|operation|chirurgie|dialyse|chimio|chimiotherapie|radiotherapie|perfusion|pansement|hopital|"
    r"clinique|chu|pharmacie|controle|visite|examen|endoscopie|electrocardiogramme|blood test|mri|scan|xray|"
    r"vaccination|surgery|hospital|checkup"
)

MEASURED: Final = (  # the words of `measure_words`, for mending
    "tension arterielle pression glycemie capillaire interstitielle glucose dextro saturation oxygene frequence "
    "respiratoire cardiaque pouls pulsations battements taille poids pese mesure kilo kilos kilogrammes gramme grammes "
    "litre perimetre cranien douleur temperature fievre degres weight weigh height blood pressure pulse waist fasting"
)


def spoken() -> tuple[str, ...]:
    """The words of this module, for mending."""
    tables = (KINDS, DISEASES, EXAMS, ANALYTES)
    return (*(pattern for table in tables for _, pattern in table), SEEN, DONE_THERE, MEASURED)


def first(table: tuple[tuple[str, str], ...], line: str) -> str:
    """What of a table those words name; "" for none."""
    return next((name for name, pattern in table if re.search(rf"\b(?:{pattern})\b", line)), "")
