"""The assistant: what a patient writes to Pli itself in plain words, understood by rules, and answered.

    text → words (spelling) → distress, else names, dates, measures → intents → Understood | Unclear | Distress
         → a card: what may be read (by the writer's own rights), or a question before something changes → one message

`understanding` (with `words`, `lexicon`, `numerals`, `dates`, `names`, `slots`, `intents`, `reminding`, `distress`) is
pure: no model, no clock, no storage. `answering` is the channel; `looking` says what may be read, `asking` what is
asked before anything changes, `cards` both in words; `errands` does what a tap asked to send.

Promises: nothing changes without a tap; no medical advice, ever; words of distress come before everything.
"""
