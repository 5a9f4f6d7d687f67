"""Forms and checklists: what an office asks a patient (or a correspondent) to fill in, in the conversation.

    FHIR Questionnaire  →  fhir.read → questionnaires.Form  →  cards.form_card → a message of the conversation
    a page, or a mail   →  reading (what was typed → an answer)  →  filling (kept at each step, table `fillings`)
    sent                →  server/actions/forms.py: text, PDF and QuestionnaireResponse to who asked (`returning`), and
                           what is mapped (`data/mapping.json`, `entering`) into the dossier, as the patient declared it
    ticks               →  server/actions/checklists.py, `ticking`

`library`: the forms an office keeps (blueprints, with versions), and the examples shipped (`data/`). `asking`: an
office sends one by hand; `progress`: how far the one who fills it in has come.
"""
