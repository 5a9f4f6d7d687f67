"""Every answer of every page, whoever asks and whatever comes of it, carries every header that protects it."""

from __future__ import annotations

import pytest

from tests.browser.visitor import visitor
from tests.laws.conftest import Scene, address
from tests.laws.matrix import PAGES
from webchat import security

LETTER = "/c/{conversation}/m/{message}/html"  # framed by the thread, itself without scripts
# Octets of somebody else's, in a sandbox of their own.
FILES = ("/files/", "/documents/{document}", "/patient/{space}/documents/{document}", "/offline/copy")
OWN = {
    "Content-Security-Policy",
    "X-Frame-Options",
    "Referrer-Policy",
}  # what a letter or a file has otherwise, stricter
KEPT = {"Cache-Control"}  # pages that hold nothing of anybody say how long they are kept
PUBLIC = {"/manifest.webmanifest", "/sw.js", "/offline/none"}
PUBLIC |= {"/.well-known/autoconfig/mail/config-v1.1.xml", "/mail/config-v1.1.xml"}


@pytest.mark.parametrize("who", ["", "dominique", "morel"])
async def test_every_answer_of_every_page_carries_every_header(scene: Scene, who: str) -> None:
    faults = []
    async with visitor(scene.house, who) as visit:
        for method, path in sorted(PAGES):
            if method != "GET":
                continue
            answer = await visit.get(address(scene, "", path))
            for name, value in security.HEADERS.items():
                given = answer.headers.get(name)
                stricter = name in OWN and (path == LETTER or path.startswith(FILES)) and given is not None
                public = name in KEPT and path in PUBLIC
                if given != value and not stricter and not public:
                    faults.append(f"{who} {path}: {name}: {given}")
            policy = answer.headers.get("Content-Security-Policy", "")
            if "unsafe-eval" in policy or ("unsafe-inline" in policy and path != LETTER) or "http" in policy:
                faults.append(f"{who} {path}: {policy}")
            if answer.headers.get("Server") != "Pli" or "X-Powered-By" in answer.headers:
                faults.append(f"{who} {path}: says what it runs on")
            for cookie in answer.headers.getall("Set-Cookie", []):
                if "HttpOnly" not in cookie or "SameSite=" not in cookie or "Path=/" not in cookie:
                    faults.append(f"{who} {path}: {cookie.partition('=')[0]} is a loose cookie")
    assert faults == []


def test_the_policy_of_a_page_lets_nothing_in_but_our_own() -> None:
    policy = dict(part.strip().partition(" ")[::2] for part in security.PAGE_POLICY.split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert set(policy.values()) <= {"'none'", "'self'", "'script'", "pli", "'self' blob:", "'self' data:"}, policy
