"""The laws of the design, each as a test. A law that cannot fail here is not a law."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import logging
import sqlite3
import tokenize
from collections.abc import Callable
from pathlib import Path

import pytest

from server import access, actions, attachments, posting, reading, search
from server.actions import acting
from server.bots import households
from server.drafts import Draft, File, FileFacts, Opening
from server.errors import Conflict, PliError
from server.handles import ConversationHandle, DossierHandle, MailboxHandle, SpaceHandle
from server.posting import Doing, post
from storage import deliveries, schema
from storage.database import Tx
from tests.house import House

ROOT = Path(__file__).parents[2]
CODE = [path for folder in ("server", "mail_gateway", "webchat", "storage") for path in (ROOT / folder).rglob("*.py")]


def _committed(house: House, sql: str) -> int:
    """What another process would find on the disk at this instant."""
    path = house.app.settings.database.removeprefix("sqlite:///")
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        return int(connection.execute(sql).fetchone()[0])


async def test_law_1_nobody_is_told_of_what_is_not_committed(sqlite_core: House) -> None:
    seen: list[int] = []

    def on_wake() -> None:
        seen.append(_committed(sqlite_core, "SELECT COUNT(*) FROM messages"))

    subscription = sqlite_core.app.hub.subscribe([sqlite_core.dominique.mailbox_id], on_wake)
    await sqlite_core.letter("morel", "dominique")
    assert seen == [1]
    assert _committed(sqlite_core, "SELECT COUNT(*) FROM entries") == 2
    subscription.close()


async def test_law_2_a_post_that_fails_leaves_nothing_and_owes_nothing(core: House) -> None:
    sent = await core.letter("morel", "dominique")
    before = await core.app.db.read(_counts)

    def break_late(doing: Doing) -> None:
        raise Conflict

    with pytest.raises(Conflict):
        await core.answer("dominique", sent.conversation, effect=break_late, retry_key="k")
    assert await core.app.db.read(_counts) == before
    assert (await core.answer("dominique", sent.conversation, retry_key="k")).again is False, (
        "the retry key was not taken"
    )


def _counts(tx: Tx) -> dict[str, int]:
    # Reading through a handle leaves its own audit row; everything else must stand still.
    return {
        table.name: tx.run(f"SELECT COUNT(*) FROM {table.name}")[0][0]
        for table in schema.metadata.tables.values()
        if table.name != "audit"
    }


async def test_law_3_a_lost_wake_up_costs_no_message(core: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.app.hub, "wake", lambda mailboxes: None)
    sent = await core.letter("morel", "dominique", "un")
    await core.answer("morel", sent.conversation, "deux")
    page = await reading.since(core.app, await core.mailbox("dominique"), 0)
    assert [entry.message.text for entry in page.entries] == ["un", "deux"]


CANARIES = ("zephyrin", "279035121518989", "pat-trois", "cormoran", "hirondelle", "pneumocoque", "mesange")


async def test_law_4_the_disk_and_the_log_hold_no_personal_word(
    sqlite_core: House, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    house = sqlite_core
    space = await access.patient(house.app, house.morel, house.ins("dominique"))
    for size in (10, 100_000):
        data = b"mesange " * size
        file = File(
            FileFacts("hirondelle.pdf", "application/pdf", len(data)), await house.app.blobs.put(space.keys, data)
        )
        opening = Opening(space, "Sujet cormoran")
        await post(
            house.app, house.morel, Draft(to=opening, text="Texte zephyrin", files=(file,), raw=b"raw zephyrin " * size)
        )
    upload = await attachments.upload(house.app, house.dominique, "hirondelle.txt", "text/plain", b"mesange")
    found = await search.search(house.app, await house.mailbox("dominique"), search.Asked("zephyrin"))
    await house.answer("dominique", found.groups[0].conversation, "zephyrin", uploads=(upload,))
    await households.remind_everybody(house.app)

    folder = house.app.settings.data_dir
    files = [
        path
        for path in [*folder.rglob("*"), *Path(house.app.settings.database[10:]).parent.glob("pli.sqlite*")]
        if path.is_file()
    ]
    assert any(path.name.endswith("-wal") for path in files), "the write-ahead log is looked at too"
    for path in files:
        content = path.read_bytes().lower()
        assert [word for word in CANARIES if word.encode() in content] == [], path.name
    logged = (caplog.text + "".join(capfd.readouterr())).lower()
    assert [word for word in CANARIES if word in logged] == []


def test_law_4_every_column_that_holds_bytes_is_sealed_or_a_wrapped_key() -> None:
    for table in schema.metadata.tables.values():
        for column in table.columns:
            if str(column.type) == "BLOB":
                assert column.info.get("sealed") or column.name in {"wrapped", "wrapped_key"}, (
                    f"{table.name}.{column.name}"
                )


HANDLES = {"MailboxHandle", "SpaceHandle", "ConversationHandle", "DossierHandle"}


def test_law_5_reading_takes_handles_never_ids() -> None:
    for name, function in inspect.getmembers(reading, inspect.iscoroutinefunction):
        if function.__module__ != reading.__name__ or name.startswith("_"):
            continue
        takes = {str(parameter.annotation) for parameter in inspect.signature(function).parameters.values()}
        assert takes & HANDLES or name.endswith("_unchecked") or name == "upload", f"reading.{name} asks for no handle"
    assert "ConversationHandle | Opening" in str(inspect.signature(Draft).parameters["to"].annotation)


def test_law_5_only_access_makes_handles() -> None:
    made = {handle.__name__ for handle in (MailboxHandle, SpaceHandle, ConversationHandle, DossierHandle)}
    allowed = {"server/access.py", "server/posting.py", "server/undelivered.py", "server/actions/catalogue.py"}
    for path in CODE:
        names = {
            node.func.id
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        where = str(path.relative_to(ROOT))
        assert not names & made or where in allowed, f"{where} makes a handle of its own"


async def test_law_5_absent_and_forbidden_are_the_same_answer(core: House) -> None:
    sent = await core.letter("morel", "dominique")
    marcel = await core.mailbox("marcel")

    async def answer(call: Callable[[str], object], what: str) -> tuple[str, str]:
        try:
            await call(what)  # type: ignore[misc]
        except PliError as error:
            return error.code, error.detail
        return "granted", what

    for call in (
        lambda what: access.conversation(core.app, marcel, what),
        lambda what: access.conversation_of_message(core.app, marcel, what),
        lambda what: access.mailbox(core.app, core.marcel, what),
        lambda what: access.attachment(core.app, marcel, what, core.dominique.space_id),
    ):
        real = {sent.conversation, sent.message, core.dominique.mailbox_id}
        assert len({await answer(call, what) for what in [*real, "absent"]}) == 1


def test_law_6_an_action_sends_nothing_itself() -> None:
    for path in (ROOT / "server" / "actions").glob("*.py"):
        if path.name == "acting.py":
            continue
        tree = ast.parse(path.read_text())
        calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
        names = {f.attr if isinstance(f, ast.Attribute) else getattr(f, "id", "") for f in calls}
        assert not names & {"post", "wake", "send"}, path.name


def test_law_6_every_action_has_its_function_and_every_card_its_letter() -> None:
    assert set(acting._PREPARE) == set(actions.ACTIONS)
    offered = {action for after in actions.CARDS.values() for choices in after.values() for action in choices}
    assert offered | {"dossier.file"} == set(actions.ACTIONS)
    for after in actions.CARDS.values():
        assert all(len(choices) <= 3 for choices in after.values()), "one question, at most three answers"
        assert set(after) - {""} <= set(actions.ACTIONS)


def test_law_7_a_state_has_an_author_and_a_date() -> None:
    for table, author, date in (
        ("receipts", "member_id", "at"), ("answers", "account_id", "at"), ("reminders", "by", "at"),
        ("situations", "by", "at"),
        ("grants", "granted_by", "granted_at"), ("documents", "filed_by", "filed_at"),
        ("appointments", "changed_by", "changed_at"),
        ("delegations", "granted_by", "from_at"), ("delegation_changes", "by", "at"),
        ("invitations", "invited_by", "created_at"), ("audit", "actor_id", "at"),
        ("marks", "by", "at"), ("labels", "by", "created_at"),
    ):  # fmt: skip
        columns = schema.metadata.tables[table].columns
        assert {author, date} <= set(columns.keys()), table
    kinds = {str(column.type) for table in schema.metadata.tables.values() for column in table.columns}
    assert "BOOLEAN" not in kinds


def test_law_8_every_data_file_names_its_source() -> None:
    files = [path for folder in ("server", "mail_gateway") for path in (ROOT / folder).rglob("data/*.json")]
    assert len(files) >= 3
    for path in files:
        said = json.loads(path.read_text())
        assert said.get("source") or said.get("basis"), path.name  # of the whole, or what its rows' own rest on


def test_law_9_only_storage_touches_the_driver() -> None:
    for path in CODE:
        if path.is_relative_to(ROOT / "storage"):
            continue
        tree = ast.parse(path.read_text())
        modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        modules |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not {module.split(".")[0] for module in modules} & {"sqlite3", "aiosqlite", "asyncpg", "sqlalchemy"}, (
            path
        )


def test_law_10_every_storage_test_runs_on_both_engines() -> None:
    engine_free = {"test_vault.py"}  # no database in it
    about_one_engine = {
        "test_a_reader_of_the_embedded_database_cannot_write",
        "test_the_running_database_is_set_to_survive_a_power_cut",
        "test_a_postgresql_that_may_lose_what_it_acknowledged_is_refused",
        "test_a_second_process_may_not_write_the_same_file",
        "test_two_units_that_want_what_the_other_holds_are_both_done",  # SQLite has one writer
    }  # fmt: skip
    both = {"core", "database", "database_url", "empty_database_url"}
    for path in (ROOT / "tests" / "storage").glob("test_*.py"):
        if path.name in engine_free:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.AsyncFunctionDef)
                and node.name.startswith("test_")
                and node.name not in about_one_engine
            ):
                assert {argument.arg for argument in node.args.args} & both, (
                    f"{path.name}: {node.name} runs on one engine"
                )


def test_law_11_the_one_path_stays_short() -> None:
    assert len(inspect.getsource(posting.post).splitlines()) < 60
    with tokenize.open(posting.__file__) as file:
        assert "INSERT" not in file.read(), "statements stand with their nouns"


def test_nothing_else_inserts_a_message() -> None:
    for path in CODE:
        if "INSERT INTO messages" in path.read_text():
            assert path.relative_to(ROOT).as_posix() == "storage/messages.py"
        if "messages.insert(" in path.read_text():
            assert path.relative_to(ROOT).as_posix() == "server/posting.py"


async def test_a_hundred_at_once_wake_each_reader_and_owe_each_correspondent_once(core: House) -> None:
    sent = await core.letter("morel", "dominique")
    await asyncio.gather(
        *(core.answer("dominique", sent.conversation, str(number), retry_key=str(number % 50)) for number in range(100))
    )
    page = await reading.since(core.app, await core.mailbox("morel"), 1, 200)
    new = [entry for entry in page.entries if entry.kind == "message"]
    assert sorted(int(entry.message.text) % 50 for entry in new) == list(range(50))
    assert await core.app.db.read(deliveries.counts) == {}
