"""Dates and quantities of the dossier as a person reads them: no more precise than they were given. Pure.

A quantity keeps its number as it was reported; only the decimal comma and the unit are put in words.
"""

from __future__ import annotations

import datetime as calendar
import re

from babel import dates

from server.formats import said
from server.formats.findings import MASKED, Quantity
from server.settings import PLACE
from webchat.words import Words, instant


def say_date(words: Words, at: str) -> str:
    """`2021`, `mars 2021`, `28 mars 2021`; "" of what is no date; masked when it is."""
    if at == MASKED:
        return words("health.masked")
    if re.fullmatch(r"\d{4}", at):
        return at
    if re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", at):
        first = calendar.date(int(at[:4]), int(at[5:]), 1) if int(at[:4]) else calendar.date.min
        return str(dates.format_date(first, "MMMM y", locale=words.locale))
    moment = instant(at)
    return words.date(moment.astimezone(PLACE).date()) if moment else ""


def say_quantity(words: Words, quantity: Quantity) -> str:
    """`5,4 mmol/L`, `< 5 mg/L`, `128 / 76 mmHg`, words as they are; masked when it is."""
    if MASKED in (quantity.value, quantity.unit):
        return words("health.masked")
    comma = words.language == "fr"
    values = " / ".join(said.number(one, comma) for one in quantity.value.split(" / "))
    return said.quantity(Quantity(values, quantity.unit, quantity.comparator)).replace(" ", "\N{NO-BREAK SPACE}")


def say_range(words: Words, low: str, high: str, text: str, unit: str) -> str:
    """`de 3,9 à 5,5 mmol/L`, `jusqu’à 5 mg/L`, the words of the document; "" when it gives none."""
    comma = words.language == "fr"
    first, last, told_unit = said.number(low, comma), said.number(high, comma), said.unit(unit)
    if first and last:
        told = words("health.range.both", low=first, high=last)
    elif first or last:
        told = words("health.range.from", low=first) if first else words("health.range.to", high=last)
    else:
        return text
    return f"{told}\N{NO-BREAK SPACE}{told_unit}" if told_unit else told
