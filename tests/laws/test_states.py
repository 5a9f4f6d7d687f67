"""A page that nobody looked at does not pass: each page of the matrix of rights is in the table of states."""

from __future__ import annotations

from tests.browser.states import ELSEWHERE, NO_PAGES, routes
from tests.laws.matrix import PAGES


def test_every_page_has_a_state_that_is_looked_at() -> None:
    pages = {path for method, path in PAGES if method == "GET"}
    known = routes() | NO_PAGES.keys() | ELSEWHERE.keys()
    assert pages - known == set(), "add it to tests/browser/states.py, or say there why it is no page"
    assert known - pages == set(), "nothing is served there"
    assert not routes() & NO_PAGES.keys()
