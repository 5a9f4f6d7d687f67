"""Who is meant: professionals and teams one writes with, children one represents. Pure.

Promises: a name that fits two people is both of them, never one at a guess; « mon médecin », « la pharmacie » are
those of one's own people whose role says so; a doctor's name that fits nobody is kept as it was said (`stranger`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from server.bots.assistant.words import Word, distance, sounded
from server.query import fold

_ROLES: Final = {  # how somebody is called → how their role, or their name, begins
    "pharmacie": ("pharmacie",), "pharmacien": ("pharmacien",), "pharmacienne": ("pharmacien",),
    "officine": ("pharmacie",), "chirurgien": ("chirurg",), "chirurgienne": ("chirurg",), "surgeon": ("chirurg",),
    "opticien": ("optic",), "opticienne": ("optic",), "optician": ("optic",), "medecin": ("medecin gen",),
    "generaliste": ("medecin gen",), "traitant": ("medecin gen",), "gp": ("medecin gen",),
    "admissions": ("admissions",),
    "anesthesiste": ("anesth",), "anesthesie": ("anesth",), "laboratoire": ("laboratoire",), "labo": ("laboratoire",),
    "cardiologue": ("cardio",), "dermatologue": ("dermato",), "dentiste": ("dentiste", "chirurgien dent"),
    "kine": ("masseur", "kine"), "infirmier": ("infirm",), "infirmiere": ("infirm",), "pharmacy": ("pharmacie",),
    "pharmacist": ("pharmacien",), "pediatre": ("pediatr",), "sage": ("sage",), "gynecologue": ("gyneco",),
    "ophtalmo": ("ophtalmo",), "urgentiste": ("medecin urg",),
}  # fmt: skip
_TITLES: Final = frozenset({"docteur", "doctor", "professeur", "pr", "madame", "mme", "monsieur", "mr", "mrs"})
_NOT_NAMES_SAID: Final = """
    le la les de du des un une mon ma mes a au et pour avec qui que lu vu dit plus pas is has the my to in on
"""
_NOT_NAMES: Final = frozenset(_NOT_NAMES_SAID.split())
_PARTICLES: Final = frozenset(
    {"docteur", "dr", "pr", "mme", "chu", "pli", "cabinet", "medical", "hopital", "bureau", "aide"}
)


@dataclass(frozen=True, slots=True)
class Someone:
    """A professional or a team that this person writes with. `role` in French, as it is written of them."""

    id: str
    name: str
    role: str = ""
    kind: str = "professional"


@dataclass(frozen=True, slots=True)
class Child:
    """Somebody whose space the writer has besides: `id` its mailbox, `name` their given name."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Known:
    """Whom a person's words may mean."""

    people: tuple[Someone, ...] = ()
    children: tuple[Child, ...] = ()

    def words(self) -> frozenset[str]:
        """Every word of a name, folded: spelling leaves them alone."""
        said = [*(one.name for one in self.people), *(one.name for one in self.children)]
        return frozenset(word for name in said for word in _words(name) if len(word) > 2)


@dataclass(frozen=True, slots=True)
class Named:
    """Who was named: `whom` (several: which one?), `stranger` (a name nobody has), `child`; and the words without
    the child's name. `named`: by name, not by role.
    """

    whom: tuple[Someone, ...] = ()
    stranger: str = ""
    child: Child | None = None
    named: bool = False
    rest: tuple[Word, ...] = ()


def spoken() -> tuple[str, ...]:
    """The words of this module, for mending."""
    return (" ".join(_ROLES), "docteur doctor professeur madame monsieur")


def read(words: Sequence[Word], known: Known) -> Named:
    """Who those words name."""
    child, rest = _child(words, known)
    stranger = ""
    for number, word in enumerate(rest):
        titled = number > 0 and rest[number - 1].said in _TITLES
        found = tuple(one for one in known.people if _is_called(word.said, one, titled=titled))
        if found:
            return Named(_narrowed(found, rest), "", child, named=True, rest=tuple(rest))
        if titled and word.said.isalpha() and word.said not in _NOT_NAMES and len(word.said) > 2:
            stranger = word.said
    found = _by_role(rest, known) if not stranger else ()
    return Named(found, stranger, child, rest=tuple(rest))


def _child(words: Sequence[Word], known: Known) -> tuple[Child | None, list[Word]]:
    for number, word in enumerate(words):
        for child in known.children:
            if _near(word.said, _words(child.name)[0], titled=False):
                rest = [*words[:number], *words[number + 1 :]]
                if number and words[number - 1].said in {"de", "a", "pour", "of", "for"}:
                    rest.pop(number - 1)
                return child, rest
    return None, list(words)


def _is_called(word: str, one: Someone, *, titled: bool) -> bool:
    if one.kind == "team":
        return False
    surnames = (
        [name for name in _words(one.name) if name not in _PARTICLES][-1:] if " " in one.name else _words(one.name)
    )
    return any(_near(word, name, titled=titled) for name in surnames)


def _near(word: str, name: str, *, titled: bool) -> bool:
    """The name, or one fault away when it is long enough or a title says that a name comes."""
    if word == name:
        return True
    if not word.isalpha() or len(word) < 4 or (len(name) < 6 and not titled):
        return False
    return distance(word, name, 1) <= 1 or (titled and sounded(word) == sounded(name))


def _narrowed(found: tuple[Someone, ...], words: Sequence[Word]) -> tuple[Someone, ...]:
    """Of two of one name, the one whose given name is said too."""
    said = {word.said for word in words}
    fits = tuple(one for one in found if said.intersection(_words(one.name)[:-1]) - _PARTICLES - _TITLES)
    return fits if len(fits) == 1 else found


def _by_role(words: Sequence[Word], known: Known) -> tuple[Someone, ...]:
    for word in words:
        for begins in _ROLES.get(word.said, ()):
            found = tuple(
                one for one in known.people if any(fold(text).startswith(begins) for text in (one.role, one.name))
            )
            if begins in {"pharmacie", "admissions", "anesth"}:  # where, rather than who
                found = tuple(one for one in found if one.kind == "team") or found
            if begins == "pharmacien":
                found = tuple(one for one in found if one.kind != "team")
            if found:
                return found
    return ()


def _words(name: str) -> list[str]:
    return [word for word in fold(name).replace("-", " ").replace(",", " ").replace("'", " ").split() if word]
