"""A mail program sets itself up: what it is told, by each format's own rules, and that it is true: the servers let its
owner in. A professional reads the help, and takes a profile for an iPhone.
"""

from __future__ import annotations

import asyncio
import imaplib
import plistlib
import re
import smtplib
import ssl
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from server import mail_profile, mail_servers
from server.settings import Settings, problems
from tests.browser.visitor import Answer, visitor
from tests.house import PASSWORD, House
from tests.support.mail_schemas import valid
from webchat import scan
from webchat.mail_setup import PROGRAMS
from webchat.words import words

AUTOCONFIG = ("/.well-known/autoconfig/mail/config-v1.1.xml", "/mail/config-v1.1.xml")
OUTLOOK = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
TELEPHONE = "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006"


def request(address: str, schema: str = OUTLOOK, before: str = "") -> bytes:
    """As Outlook sends it."""
    return (
        f'<?xml version="1.0" encoding="utf-8"?>{before}<Autodiscover'
        ' xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request>'
        f"<EMailAddress>{address}</EMailAddress><AcceptableResponseSchema>{schema}</AcceptableResponseSchema>"
        "</Request></Autodiscover>"
    ).encode()


async def ask(house: House, body: bytes, path: str = "/autodiscover/autodiscover.xml") -> Answer:
    async with visitor(house) as outlook:
        answer = await outlook.post(path, body, headers={"Content-Type": "text/xml; charset=utf-8"})
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/xml; charset=utf-8")
    return answer


def local(root: etree._Element, path: str) -> list[str]:
    """The texts at that path, whatever the namespace."""
    return [one.text or "" for one in root.iterfind(".//" + "/".join(f"{{*}}{step}" for step in path.split("/")))]


async def lets_in(house: House, imap: tuple[str, int], smtp: tuple[str, int], name: str) -> bool:
    """Whether a program set up so, with TLS from the first octet, signs in at both."""
    context = ssl.create_default_context(cafile=house.app.settings.tls_ca)

    def sign_in() -> bool:
        with imaplib.IMAP4_SSL(*imap, ssl_context=context, timeout=20) as reading:
            read = reading.login(name, PASSWORD)[0] == "OK"
        with smtplib.SMTP_SSL(*smtp, context=context, timeout=20) as writing:
            return read and writing.login(name, PASSWORD)[0] == 235

    return await asyncio.to_thread(sign_in)


async def test_thunderbird_is_told_by_its_own_schema_where_to_read_and_write_and_it_is_true(house: House) -> None:
    async with visitor(house) as program:
        answer = await program.get(AUTOCONFIG[0])
    assert answer.headers["Content-Type"] == "text/xml; charset=utf-8"
    (provider,) = valid("autoconfig", answer.text.encode()).findall("emailProvider")
    assert (provider.get("id"), provider.findtext("domain")) == ("pli.example", "pli.example")
    ways = {(one.get("type"), one.findtext("socketType"), one.findtext("port")) for one in provider.iterchildren("*")}
    ports = house.app.ports
    assert {("imap", "SSL", str(ports["imaps"])), ("smtp", "STARTTLS", str(ports["submission"]))} < ways
    first = [provider.find(f"{way}Server") for way in ("incoming", "outgoing")]
    imap, smtp = [(one.findtext("hostname"), int(one.findtext("port") or 0)) for one in first if one is not None]
    assert [one.findtext("socketType") for one in first if one is not None] == ["SSL", "SSL"], "the best stands first"
    assert [one.text for one in first[0].findall("authentication")] == ["password-cleartext", "OAuth2"]  # type: ignore[union-attr]
    assert await lets_in(house, imap, smtp, house.address("morel"))  # type: ignore[arg-type]
    page = provider.find("documentation")
    assert page is not None
    async with visitor(house) as reader:
        assert (await reader.get(str(page.get("url")).removeprefix(house.http))).status == 200


async def test_programs_are_told_the_same_whoever_asks_so_that_nobody_learns_who_is_here(house: House) -> None:
    known, unknown = house.address("morel"), "personne@pli.example"
    async with visitor(house) as anybody, visitor(house, "morel") as morel:
        answers = [
            await who.get(path + query)
            for who in (anybody, morel)
            for path in AUTOCONFIG
            for query in ("", f"?emailaddress={known}", f"?emailaddress={unknown}", "?emailaddress=%00%ff<")
        ]
    assert {answer.text for answer in answers} == {answers[0].text}
    assert {answer.headers["Cache-Control"] for answer in answers} == {"public, max-age=3600"}
    assert all("Set-Cookie" not in answer.headers for answer in answers)
    here, nowhere = [(await ask(house, request(address))).text for address in (known, unknown)]
    assert here.replace(known, unknown) == nowhere


@pytest.mark.parametrize("path", ["/autodiscover/autodiscover.xml", "/Autodiscover/Autodiscover.XML"])
async def test_outlook_is_told_by_its_own_schema_and_it_is_true(house: House, path: str) -> None:
    root = valid("autodiscover", (await ask(house, request(house.address("morel")), path)).text.encode())
    servers, ports = local(root, "Protocol/Server"), [int(port) for port in local(root, "Protocol/Port")]
    imap, smtp = zip(servers, ports, strict=True)
    assert local(root, "Protocol/Encryption") == ["SSL", "SSL"]
    (name,) = set(local(root, "Protocol/LoginName"))
    assert await lets_in(house, imap, smtp, name)


REFUSED = [
    (b"", "600"),
    (b"<a/>", "600"),
    (b"not XML", "600"),
    (b"\xff\xfe\x00", "600"),
    (b"x" * 30_000, "600"),
    (b"<a>" * 5_000, "600"),
    (request("somebody"), "600"),
    (request("a@pli.example&lt;script&gt;"), "600"),
    (request("a@pli.example", before='<!DOCTYPE a SYSTEM "file:///etc/passwd">'), "600"),
    (request("&e;@pli.example", before='<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/hostname">]>'), "600"),
    (request("a@pli.example", TELEPHONE), "601"),
    (request("a@elsewhere.example"), "500"),
    (request("a@patient.pli.example"), "500"),
]


async def test_outlook_is_refused_in_its_own_schema_what_is_not_ours_or_hostile(house: House) -> None:
    for body, code in REFUSED:
        answer = await ask(house, body)
        assert local(valid("refusal", answer.text.encode()), "Error/ErrorCode") == [code], body[:200]


async def test_outlook_s_second_way_leads_to_the_first(house: House) -> None:
    where = house.http + "/autodiscover/autodiscover.xml"
    json, told = "/autodiscover/autodiscover.json", {"Protocol": "AutodiscoverV1", "Url": where}
    async with visitor(house) as outlook:
        for path, status, said in (
            (f"{json}?Email=a@pli.example&Protocol=AutodiscoverV1", 200, told),
            ("/Autodiscover/Autodiscover.json?email=b@PLI.example&protocol=autodiscoverv1", 200, told),
            (f"{json}/v1.0/a@pli.example?Protocol=Autodiscoverv1", 200, told),
            (f"{json}?Email=a@pli.example&Protocol=ActiveSync", 400, "InvalidProtocol"),
            (f"{json}?Email=a@elsewhere.example&Protocol=AutodiscoverV1", 404, "UserNotFound"),
            (f"{json}?Protocol=AutodiscoverV1", 400, "InvalidUserId"),
        ):
            async with outlook.session.get(house.http + path) as answer:
                found = await answer.json()
                assert (answer.status, found if status == 200 else found["ErrorCode"]) == (status, said)
        assert valid("refusal", (await outlook.get("/autodiscover/autodiscover.xml")).text.encode()) is not None
        assert (await outlook.get("/autodiscover/other.xml")).status == 404


async def profile(house: House, who: str, path: str = "/mail/pli.mobileconfig") -> bytes:
    async with visitor(house, who) as owner:
        async with owner.session.get(house.http + path) as answer:
            assert answer.content_type == "application/x-apple-aspen-config"
            return await answer.read()


def unwrapped(house: House, signed: bytes, folder: Path) -> dict[str, Any]:
    """What stands in the profile, its signature verified by another implementation."""
    (folder / "profile").write_bytes(signed)
    command = ["openssl", "cms", "-verify", "-inform", "DER", "-in", str(folder / "profile"), "-binary"]
    command += ["-CAfile", house.app.settings.tls_ca, "-purpose", "any"]
    found: dict[str, Any] = plistlib.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


async def test_an_iphone_s_profile_is_signed_by_the_door_and_holds_no_password(house: House, tmp_path: Path) -> None:
    found = unwrapped(house, await profile(house, "morel"), tmp_path)
    (account,) = found["PayloadContent"]
    address, ports = house.address("morel"), house.app.ports
    told = [account[f"{way}MailServer{what}"] for way in ("Incoming", "Outgoing") for what in ("PortNumber", "UseSSL")]
    assert told == [ports["imaps"], True, ports["submissions"], True]
    names = {account[name] for name in account if name.endswith("Username") or name == "EmailAddress"}
    assert (names, account["EmailAccountName"]) == ({address}, house.morel.name)
    assert [name for name in account if "Password" in name] == ["OutgoingPasswordSameAsIncomingPassword"]
    assert account["disableMailRecentsSyncing"] is True, "a patient's address holds their number"
    assert account["allowMailDrop"] is False
    again = unwrapped(house, await profile(house, "morel"), tmp_path)
    assert again == found, "a newer profile takes the place of the older one"
    other = unwrapped(house, await profile(house, "leroy"), tmp_path)
    assert all(found[name] != other[name] for name in ("PayloadIdentifier", "PayloadUUID"))


async def test_without_a_certificate_the_profile_is_as_it_is_and_the_page_would_say_so(house: House) -> None:
    bare = replace(house.app.settings, tls_certificate="", tls_key="")
    assert mail_profile.signer(house.app.settings) != ""
    assert mail_profile.signer(bare) == ""
    assert mail_profile.signed(bare, b"<plist/>") == b"<plist/>"


async def test_a_team_s_profile_is_for_its_members_and_a_patient_has_none(house: House, tmp_path: Path) -> None:
    team = f"/for/{house.admissions.mailbox_id}/mail"
    found = unwrapped(house, await profile(house, "petit", f"{team}/pli.mobileconfig"), tmp_path)
    (account,) = found["PayloadContent"]
    assert account["EmailAddress"] == house.address("admissions")
    async with visitor(house, "morel") as stranger, visitor(house, "dominique") as dominique:
        assert (await stranger.get(f"{team}/pli.mobileconfig")).status == 404
        assert (await dominique.get("/mail/pli.mobileconfig")).status == 404
        assert (await dominique.get("/mail")).status == 404


async def test_one_s_own_page_has_the_address_and_a_code_in_which_nothing_is_secret(house: House) -> None:
    async with visitor(house, "morel") as morel, visitor(house, "petit") as petit:
        page = await morel.get("/mail")
        assert f"Votre adresse : {house.address('morel')}" in page.said
        code = scan.drawn(f"{house.http}/aide/messagerie", "Code à scanner")  # the help, and nothing of hers
        assert str(code) in page.text
        assert 'href="/account/mail"' in page.text
        theirs = await petit.get(f"/for/{house.admissions.mailbox_id}/mail")
        assert "cette boîte est déjà sous « Equipes »" in theirs.said
        assert 'href="/mail"' in (await morel.get("/account")).text


@pytest.mark.parametrize("language", ["fr", "en"])
async def test_the_help_tells_each_program_in_eight_steps_at_most_with_the_servers_that_are_here(
    house: House, language: str
) -> None:
    async with visitor(house) as reader:
        reader.session.cookie_jar.update_cookies({"pli-language": language})
        index = await reader.get("/aide/messagerie")
        title = words(language)("mail.help.title")
        assert title in index.said
        for program in PROGRAMS:
            page = await reader.get(f"/aide/messagerie/{program}")
            assert f'href="/aide/messagerie/{program}"' in index.text
            assert page.status == 200
            steps = re.findall(r"<li>", page.text[page.text.find("mail-steps") :].partition("</ol>")[0])
            refused = program == "nouvel-outlook"
            assert (0 if refused else 4) <= len(steps) <= (0 if refused else 8), program
            assert refused or str(house.app.ports["imaps"]) in page.said, program
            assert not re.search(r"[{}]", page.said), program
        assert (await reader.get("/aide/messagerie/autre")).status == 404
        if language == "fr":
            kept = "Supprimer un message ici l’enlève de votre boîte ; le patient garde le sien."
            assert kept in index.said
            assert "25 Mo au plus" in index.said
            assert kept in (await reader.get("/aide/messagerie/outlook")).said


def test_programs_are_told_the_ports_that_people_reach_and_a_door_that_is_not_told_is_left_out() -> None:
    settings = Settings(mail_host="Mail.Pli.example", mail_ports="imaps=993, submissions=465,imap=0, submission = 0")
    told = mail_servers.servers(settings, {"imaps": 1, "imap": 2})
    assert [(one.host, one.port, one.tls) for one in told.reading + told.writing] == [
        ("mail.pli.example", 993, True), ("mail.pli.example", 465, True),
    ]  # fmt: skip
    for wrong in ("pop3=110", "imaps=", "imaps=70000", "993"):
        assert any(line.startswith("mail_ports:") for line in problems(Settings(mail_ports=wrong))), wrong
    assert any(line.startswith("mail_host:") for line in problems(Settings(mail_host="https://x")))
