"""What the HTTP API refuses: those who have no business there, and what comes in wrong, broken or too large."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from aiohttp import FormData

from server import logs, lookups
from server.api import door, files, problems
from server.api.door import MAX_JSON
from server.attachments import MAX_UPLOAD
from storage import accounts
from storage.ids import new_id
from tests.support.api import Api, open_api

PDF = b"%PDF-1.4 " + bytes(range(256)) * 600  # larger than what is kept in a row


@pytest.fixture
async def api(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Api]:
    async with open_api(tmp_path, database_url=sqlite_url) as opened:
        yield opened


# Who is let in.


async def test_only_a_bearer_token_in_force_signs_in(api: Api) -> None:
    token, session = await api.token("dominique"), await api.house.session("dominique")
    headers: list[dict[str, str]] = [
        {},
        {"Cookie": f"session={session}; __Host-session={session}"},
        {"Authorization": f"Bearer {session}"},
        {"Authorization": f"Basic {token}"},
        {"Authorization": token},
        {"Authorization": "Bearer "},
        {"Authorization": f"Bearer {token[:-1]}"},
        {"Authorization": f"Bearer {token} {token}"},
        {"Authorization": "Bearer " + "a" * 5_000},
    ]
    for given in headers:
        answer = await api.get("", "/conversations", headers=given)
        assert (answer.status, answer.code) == (401, "unauthorised"), given
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert (await api.get("", "/conversations", headers={"Authorization": f"bearer {token}"})).status == 200
    assert (await api.get("", "/entries", params={"token": token})).status == 401
    await api.house.app.db.write(accounts.end, api.house.dominique.account_id)
    assert (await api.get("dominique", "/conversations")).status == 401
    assert api.count("unauthorised") == len(headers) + 2


async def test_who_has_a_space_is_no_register_to_be_read(api: Api) -> None:
    closed = api.house.marcel.space_id
    await api.house.app.db.write(lambda tx: tx.run("UPDATE spaces SET state = 'closed' WHERE id = :s", s=closed))
    letter = {"subject": "S", "text": "T"}
    absent = [f"1{number:012}99" for number in range(lookups.MOST)]
    answers = [
        await api.post("lab", "/conversations", {**letter, "to": to}) for to in [api.house.ins("marcel"), *absent[1:]]
    ]
    assert {(answer.status, answer.data) for answer in answers} == {(404, answers[0].data)}, "closed is as absent"
    braked = await api.post("lab", "/conversations", {**letter, "to": api.house.ins("dominique")})
    assert (braked.status, braked.code) == (429, "too_many_unknown")
    assert int(braked.headers["Retry-After"]) > 0
    await api.letter("carnet", "dominique")


@pytest.mark.parametrize(
    "to", ["279035121518", "27903512151898A", "٢79035121518989", "x@patient.pli.example", "a@b.example"]
)
async def test_what_is_no_patient_is_not_looked_up(api: Api, to: str) -> None:
    answer = await api.post("lab", "/conversations", {"to": to, "subject": "S", "text": "T"})
    assert (answer.status, answer.code) == (422, "bad_recipient")


async def test_a_wrong_key_is_refused_where_real_people_are_served(tmp_path: Path, sqlite_url: str) -> None:
    async with open_api(tmp_path, database_url=sqlite_url, strict_ins_key=True) as api:
        ins = api.house.ins("marcel")
        wrong = ins[:-2] + f"{(int(ins[-2:]) + 1) % 97:02}"
        answer = await api.post("lab", "/conversations", {"to": wrong, "subject": "S", "text": "T"})
        assert (answer.status, answer.code) == (422, "bad_recipient")


# What comes in wrong.


SAID_BY_A_LIBRARY = ("Expected", "Object ", "`", "Traceback", "msgspec", "aiohttp", "JSON is malformed", "truncated")

BAD_BODIES: list[tuple[bytes, str]] = [
    (b"", "bad_json"),
    (b"{", "bad_json"),
    (b"\xff\xfe", "bad_json"),
    (b'{"text": "\\ud800"}', "bad_json"),
    (b"[" * 200_000, "invalid"),
    (b'{"text":' + b"[" * 200_000, "invalid"),
    (b"[]", "invalid"),
    (b"null", "invalid"),
    (b'{"text": 1}', "invalid"),
    (b'{"text": "T", "more": true}', "invalid"),
    (b'{"text": "T", "attachments": [1]}', "invalid"),
    (b'{"text": "T", "attachments": ["../../etc/passwd"]}', "invalid"),
    (b'{"text": "T", "card": {"type": "prescription"}}', "invalid"),
    (b'{"text": "T", "card": {"type": "reminder"}}', "invalid"),
    (b'{"text": "T", "card": {"type": "appointment", "title": "R", "sequence": "x"}}', "invalid"),
    (b'{"text": "T", "card": {"type": "service", "service": "none"}}', "unknown_service"),
    (b'{"text": "T", "card": {"type": "reminder", "title": "a\\nb"}}', "control_characters"),
    (b'{"text": "T", "card": {"type": "reminder", "title": "a", "text": "\\u0000"}}', "control_characters"),
    (b'{"text": "a\\u0000b"}', "control_characters"),
    (b'{"text": "T", "client_key": "a\\u0000b"}', "bad_key"),
    (b'{"text": "   "}', "empty"),
    (b'{"text": "T", "client_key": "' + b"k" * 201 + b'"}', "invalid"),
    (b'{"text": "T", "attachments": ["AAAAAAAAAAAAAAAAAAAAAA"]}', "no_such_upload"),
    (b'{"text": "T", "in_reply_to": "AAAAAAAAAAAAAAAAAAAAAA"}', "not_found"),
    (b'{"text": "' + b"a" * 200_001 + b'"}', "text_too_long"),
]


@pytest.mark.parametrize(
    ("body", "code"), BAD_BODIES, ids=[f"{code}-{number}" for number, (_, code) in enumerate(BAD_BODIES)]
)
async def test_a_body_that_cannot_be_understood_gets_our_own_words(api: Api, body: bytes, code: str) -> None:
    sent = await api.letter("lab", "dominique")
    answer = await api.reach(
        "lab", "POST", f"/conversations/{sent['conversation']}/messages", data=body,
        headers={"Content-Type": "application/json"},
    )  # fmt: skip
    assert answer.code == code
    assert answer.status in {404, 413, 422}
    assert not [word for word in SAID_BY_A_LIBRARY if word in answer.json["detail"]]
    assert len((await api.get("dominique", "/entries")).json["entries"]) == 1


@pytest.mark.parametrize(
    "query",
    ["cursor=-1", "cursor=x", "limit=0", "limit=201", "wait=61", "cursor=1&cursor=2", "since=3", f"cursor={2**63}"],
)
async def test_a_parameter_that_is_not_one_is_refused(api: Api, query: str) -> None:
    answer = await api.get("lab", f"/entries?{query}")
    assert (answer.status, answer.code) == (422, "invalid")
    assert not [word for word in SAID_BY_A_LIBRARY if word in answer.json["detail"]]


async def test_a_body_of_another_type_is_refused(api: Api) -> None:
    answer = await api.reach("lab", "POST", "/conversations", data=b"to=x", headers={"Content-Type": "text/plain"})
    assert (answer.status, answer.code) == (415, "not_json")
    answer = await api.post("lab", "/attachments", {})
    assert (answer.status, answer.code) == (415, "not_multipart")


@pytest.mark.parametrize("announced", [True, False])
async def test_a_json_body_over_a_megabyte_is_refused(api: Api, announced: bool) -> None:
    body = b'{"text": "' + b"a" * MAX_JSON + b'"}'

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    answer = await api.reach(
        "lab", "POST", "/conversations", data=io.BytesIO(body) if announced else pieces(),
        headers={"Content-Type": "application/json"},
    )  # fmt: skip
    assert (answer.status, answer.code) == (413, "body_too_large")


async def test_a_subject_stands_on_one_line(api: Api) -> None:
    for subject in ("a\r\nBcc: x", "a\x00b", "a\u202eb", "a\n"):
        answer = await api.post(
            "lab", "/conversations", {"to": api.house.ins("dominique"), "subject": subject, "text": "T"}
        )
        assert (answer.status, answer.code) == (422, "control_characters")


async def test_nothing_under_api_answers_otherwise_than_by_a_problem(api: Api) -> None:
    for method, path, status, allow in (
        ("GET", "/api", 404, ""),
        ("GET", "/api/", 404, ""),
        ("GET", "/api/v1/nothing", 404, ""),
        ("GET", "/api/v2/entries", 404, ""),
        ("POST", "/api/v1/entries", 405, "GET"),
        ("DELETE", f"/api/v1/conversations/{new_id()}", 405, "GET"),
        ("PUT", "/api/v1/conversations", 405, "GET, POST"),
        ("OPTIONS", "/api/v1/conversations", 405, "GET, POST"),
        ("GET", "/api/v1/conversations/x", 404, ""),
    ):
        answer = await api.reach("lab", method, path, headers={"Origin": "https://evil.example"})
        assert (answer.status, answer.headers.get("Allow", "")) == (status, allow), path
        assert answer.code in {"not_found", "method_not_allowed"}
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]
        assert answer.headers["Server"] == "Pli"


# Files.


async def test_a_download_is_never_a_page_of_ours(api: Api) -> None:
    page = b"<script>alert(1)</script>"
    upload = await api.upload("lab", page, called='../é"vil\u202e.html', kind="text/html; charset=utf-7")
    assert upload.json["name"] == 'é"vil.html'
    own = await api.get("lab", f"/attachments/{upload.json['id']}")
    assert own.data == page
    assert (
        own.headers["Content-Disposition"] == "attachment; filename=\"__vil.html\"; filename*=UTF-8''%C3%A9%22vil.html"
    )
    assert own.headers["X-Content-Type-Options"] == "nosniff"
    assert own.headers["Cache-Control"] == "no-store"
    assert "sandbox" in own.headers["Content-Security-Policy"]
    assert (await api.get("dominique", f"/attachments/{upload.json['id']}")).status == 404
    taken = await api.post(
        "carnet", "/conversations",
        {"to": api.house.ins("dominique"), "subject": "S", "text": "T", "attachments": [upload.json["id"]]},
    )  # fmt: skip
    assert (taken.status, taken.code) == (422, "no_such_upload"), "an upload is its account's own"


async def test_a_file_over_the_limit_is_refused(api: Api) -> None:
    assert (await api.upload("lab", b"x" * MAX_UPLOAD)).status == 201
    answer = await api.upload("lab", b"x" * (MAX_UPLOAD + 1))
    assert (answer.status, answer.code) == (413, "file_too_large")


async def test_files_are_bounded_together_as_one_by_one(api: Api) -> None:
    ids = [(await api.upload("lab", bytes(11 * 1024 * 1024))).json["id"] for _ in range(2)]
    letter = {"to": api.house.ins("dominique"), "subject": "S", "text": "T"}
    answer = await api.post("lab", "/conversations", {**letter, "attachments": ids})
    assert (answer.status, answer.code) == (413, "files_too_large")
    assert (await api.post("lab", "/conversations", {**letter, "attachments": ids[:1]})).status == 201
    answer = await api.post("lab", "/conversations", {**letter, "attachments": [new_id() for _ in range(51)]})
    assert (answer.status, answer.code) == (413, "too_many_files")


async def test_what_is_uploaded_and_never_sent_does_not_pile_up(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_WAITING", 3 * len(PDF) - 1)
    first = (await api.upload("lab", PDF)).json["id"]
    for _ in range(2):
        assert (await api.upload("lab", PDF)).status == 201
    full = await api.upload("lab", PDF)
    assert (full.status, full.code) == (429, "too_many_uploads")
    assert (await api.upload("carnet", PDF)).status == 201, "one account's files are not another's"
    await api.letter("lab", "dominique", attachments=[first])
    assert (await api.upload("lab", PDF)).status == 201, "what was sent waits no longer"
    with time_machine.travel(datetime.now(UTC) + timedelta(days=2), tick=True):
        assert (await api.upload("lab", PDF)).status == 201, "what was forgotten is gone"
    left = await api.house.app.db.read(
        lambda tx: tx.run(
            "SELECT COUNT(*) FROM attachments WHERE message_id = '' AND space_id = :s", s=api.house.lab.space_id
        )
    )
    assert left[0][0] == 1


async def test_uploads_of_everybody_together_have_a_budget(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "MAX_HELD", 2 * len(PDF))
    answer = await api.upload("lab", PDF * 3)
    assert (answer.status, answer.code) == (503, "unavailable")
    for _ in range(5):
        assert (await api.upload("lab", PDF)).status == 201


BAD_MULTIPARTS = {
    "not multipart at all": (b"hello", "boundary=b"),
    "no boundary": (b"hello", ""),
    "never ends": (b"--b\r\nContent-Disposition: form-data; name=f; filename=a\r\n\r\nhello", "boundary=b"),
    "empty": (b"--b--\r\n", "boundary=b"),
    "no file": (b"--b\r\nContent-Disposition: form-data; name=f\r\n\r\nhello\r\n--b--\r\n", "boundary=b"),
    "nested": (b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c--\r\n--b--\r\n", "boundary=b"),
    "broken encoding": (
        b"--b\r\nContent-Disposition: form-data; name=f; filename=a\r\n"
        b"Content-Transfer-Encoding: x-zip\r\n\r\nh\r\n--b--\r\n",
        "boundary=b",
    ),
    "compressed": (
        b"--b\r\nContent-Disposition: form-data; name=f; filename=a\r\nContent-Encoding: gzip\r\n\r\nh\r\n--b--\r\n",
        "boundary=b",
    ),
    "many headers": (b"--b\r\n" + b"X: y\r\n" * 20_000 + b"\r\nh\r\n--b--\r\n", "boundary=b"),
    "long header": (b"--b\r\nX: " + b"y" * 1_000_000 + b"\r\n\r\nh\r\n--b--\r\n", "boundary=b"),
    "long boundary": (b"hello", "boundary=" + "b" * 200),
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD_MULTIPARTS)
async def test_a_broken_upload_is_refused(api: Api, bad: str) -> None:
    body, parameters = BAD_MULTIPARTS[bad]
    answer = await api.reach(
        "lab", "POST", "/attachments", data=body, headers={"Content-Type": f"multipart/form-data; {parameters}"}
    )
    assert answer.status in {413, 422}, answer.data
    assert answer.code in {"bad_multipart", "no_file", "file_too_large"}
    kept = await api.house.app.db.read(lambda tx: tx.run("SELECT COUNT(*) FROM attachments"))
    assert kept[0][0] == 0


async def test_one_file_at_a_time(api: Api) -> None:
    form = FormData()
    form.add_field("note", "un champ sans fichier est ignoré")
    for _ in range(2):
        form.add_field("file", b"x", filename="a.txt")
    answer = await api.reach("lab", "POST", "/attachments", data=form)
    assert (answer.status, answer.code) == (422, "several_files")


# When something of ours fails.


async def test_a_disk_that_fails_is_our_fault_and_a_retry_works(api: Api, tmp_path: Path) -> None:
    folder = api.house.app.settings.blob_dir
    hidden = folder.rename(tmp_path / "gone")
    answer = await api.upload("lab", PDF)
    assert (answer.status, answer.code) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    hidden.rename(folder)
    assert (await api.upload("lab", PDF)).status == 201


def test_an_unexpected_fault_says_nothing_of_what_it_was_about(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up()
    try:
        raise ValueError("279035121518989 a un résultat")
    except ValueError as error:
        answer = problems.response(problems.unexpected(error))
    logged = capsys.readouterr().err
    assert answer.status == 500
    assert "ValueError" in logged
    assert "279035121518989" not in logged + answer.body.decode()  # type: ignore[union-attr]
