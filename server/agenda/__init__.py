"""The agenda of a space, and what offices organise in it.

book        what an appointment is known by; how it is kept and listed
organiser   what an organiser’s letters and acts do to it
following   what hangs on an appointment, and moves with it
"""
