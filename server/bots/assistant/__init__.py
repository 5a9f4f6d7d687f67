"""The assistant: what a patient writes to Pli itself in plain words, understood by rules, and answered.

    text → words (spelling) → distress, else names, dates, measures → intents → Understood | Unclear | Distress
         → replies (what may be read, by the writer's own rights)  → one message, with a card when something would change

`understanding` (with `words`, `lexicon`, `numerals`, `dates`, `names`, `slots`, `intents`, `distress`) is pure: no
model, no clock, no storage. `answering` is the channel; `replies` and `reading_replies` say what is answered; `cards`
is what is asked before anything changes. Promises: nothing changes without a tap; no medical advice, ever; words of
distress come before everything.
"""
