"""The agenda of a space, and what offices organise in it.

book        what an appointment is known by; how it is kept and listed
organiser   what an organiser’s letters and acts do to it
organising  what an office does: proposes, moves, calls off, answers a wish; proposals: its cards; planned: its days
recurrence  every date of what repeats; rule: a rule read and walked
conflicts   two at the same time; clashes: told to the patient alone
following   what hangs on an appointment, and moves with it
own         what the patient notes alone                days      the agenda as it is looked at
preparing   what to know and have before one            notices   told the day before, and at the hour of a reminder
ics, feeds  for other calendar programs: one appointment, private addresses
"""
