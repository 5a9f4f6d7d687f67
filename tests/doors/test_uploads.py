"""Files sent ahead over HTTP, as the tus protocol says: begun, cut, gone on with, given up; our restart between."""

from __future__ import annotations

import asyncio
import base64
import io
from pathlib import Path

from server import demo
from server.app import open_app
from server.attachments import MAX_UPLOAD
from tests.browser.visitor import Answer, Visitor, visitor
from tests.doors.test_writing import fields
from tests.house import House, open_house, settings_for

TUS = {"Tus-Resumable": "1.0.0"}
DATA = bytes(range(256)) * 5_000


def _metadata(**facts: str) -> str:
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in facts.items())


async def begin(who: Visitor, size: int, **facts: str) -> Answer:
    told = _metadata(**{"filename": "radio.jpg", "filetype": "image/jpeg", **facts})
    return await who.post("/uploads", headers={**TUS, "Upload-Length": str(size), "Upload-Metadata": told})


async def add(who: Visitor, place: str, offset: int, data: bytes, **more: str) -> Answer:
    kind = "application/offset+octet-stream"
    headers = {**TUS, "Upload-Offset": str(offset), "Content-Type": kind, **more}
    return await who.ask("PATCH", place, data=io.BytesIO(data), headers=headers)


async def test_a_file_comes_in_pieces_and_goes_with_a_message(house: House) -> None:
    receipt = await house.letter("morel", "dominique")
    async with visitor(house, "dominique") as dominique, visitor(house, "marcel") as marcel:
        spoken = await dominique.ask("OPTIONS", "/uploads")
        assert spoken.headers["Tus-Extension"] == "creation,expiration,termination"
        assert spoken.headers["Tus-Max-Size"] == str(MAX_UPLOAD)
        begun = await begin(dominique, len(DATA))
        assert (begun.status, begun.headers["Upload-Offset"]) == (201, "0")
        first = await add(dominique, begun.place, 0, DATA[:600_000])
        assert (first.status, first.headers["Upload-Offset"]) == (204, "600000")
        assert (await add(dominique, begun.place, 0, DATA)).status == 409
        for answer in (
            await marcel.ask("HEAD", begun.place, headers=TUS),
            await add(marcel, begun.place, 600_000, b"x"),
        ):
            assert answer.status == 404
        rest = await add(dominique, begun.place, 600_000, DATA[600_000:])
        assert rest.headers["Upload-Offset"] == rest.headers["Upload-Length"] == str(len(DATA))
        sheet = fields(await dominique.get(f"/c/{receipt.conversation}"), "Voici")
        sent = await dominique.post(
            f"/c/{receipt.conversation}", {**sheet, f"file.{begun.place.rpartition('/')[2]}": "1"}
        )
        assert sent.status == 303
        assert "radio.jpg" in (await dominique.get(f"/c/{receipt.conversation}")).said


async def test_what_is_wrong_with_a_file_is_said_before_it_comes(house: House) -> None:
    async with visitor(house, "dominique") as dominique, visitor(house) as stranger:
        assert (await begin(dominique, MAX_UPLOAD + 1)).status == 413
        assert (await begin(dominique, 0)).status == 422
        assert (await dominique.post("/uploads", headers={"Upload-Length": "3"})).status == 412
        assert (await dominique.post("/uploads", headers={**TUS, "Upload-Length": "three"})).status == 422
        assert (await begin(stranger, 3)).status == 401
        begun = await begin(dominique, 3)
        assert (await add(dominique, begun.place, 0, b"four")).status == 413
        assert (await add(dominique, begun.place, 0, b"abc", **{"Content-Type": "text/plain"})).status == 422
        assert (await dominique.ask("DELETE", begun.place, headers=TUS)).status == 204
        assert (await dominique.ask("HEAD", begun.place, headers=TUS)).status == 404
        elsewhere = {**TUS, "Upload-Length": "3", "Origin": "https://evil.test"}
        assert (await dominique.post("/uploads", headers=elsewhere)).status == 403


async def test_a_cut_in_the_middle_and_a_restart_of_ours_lose_no_counted_octet(tmp_path: Path, sqlite_url: str) -> None:
    settings = settings_for(tmp_path / "pli", database_url=sqlite_url)
    async with open_house(settings) as house:
        people = house.people
        async with visitor(house, "dominique") as dominique:
            place = (await begin(dominique, len(DATA), modified="1")).place
            port = house.app.ports["http"]
            cookie = next(iter(dominique.session.cookie_jar)).value
            _, wire = await asyncio.open_connection("127.0.0.1", port)
            head = (
                f"PATCH {place} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: pli={cookie}\r\nTus-Resumable: 1.0.0\r\n"
                f"Upload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\n"
                f"Content-Length: {len(DATA)}\r\n\r\n"
            )
            wire.write(head.encode() + DATA[:700_000])
            await wire.drain()
            kept = "0"
            while kept == "0":
                kept = (await dominique.ask("HEAD", place, headers=TUS)).headers["Upload-Offset"]
            wire.transport.abort()
    async with open_app(settings, demo.add_sign_in) as app:
        again = House(app, people)
        async with visitor(again, "dominique") as dominique:
            same = await begin(dominique, len(DATA), modified="1")
            assert same.place == place, "the same file, chosen again after a reload"
            offset = int(same.headers["Upload-Offset"])
            assert 0 < offset <= 700_000
            assert (await add(dominique, place, offset, DATA[offset:])).status == 204
            rows = await app.db.read(lambda tx: tx.run("SELECT size FROM blobs"))
            assert rows == [(len(DATA),)]
