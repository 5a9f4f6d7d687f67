"""Prevention: what vaccines, screenings and examinations a person may think of now, why, and according to whom.

    data/rules.json, data/seasons.json  →  rules (read and checked)  ┐
    the dossier, answers, professionals →  known                     ├→ engine.evaluate → standings, one a rule
    today, in Paris, given by the caller                             ┘

Promises: rules are data with their source, and what no two sources agree on is off; the engine is pure and says why.
Does not: advise anybody. This is information; a doctor, a midwife, a nurse or a pharmacist decides with the person.
"""
