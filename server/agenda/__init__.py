"""The agenda of a space, and what offices organise in it.

book        what an appointment is known by; how it is kept and listed
organiser   what an organiser’s letters and acts do to it
following   what hangs on an appointment, and moves with it
own         what the patient notes alone                days      the agenda as it is looked at
preparing   what to know and have before one            notices   told the day before, and at the hour of a reminder
ics, feeds  for other calendar programs: one appointment, private addresses
"""
