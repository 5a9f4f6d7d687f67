"""Who guesses is slowed, learns nothing, and locks nobody out."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from server import brakes, devices, factors, mail_sign_in, sign_in
from server.errors import PliError, Throttled, Unauthorised
from server.factors import prove
from server.passwords import Passwords
from server.settings import Settings
from storage import brakes as counts
from storage.database import SqliteTx
from tests import house as people_here
from tests import signing
from tests.house import PASSWORD as MAIL_PASSWORD
from tests.house import House
from tests.signing import IDENTIFIER, PASSWORD, hand, settle

MOREL = "agathe.morel@pli.example"
NOBODYS = "personne.du.tout"


@pytest.fixture
def quick(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2id at its least, for those who hash hundreds: what is counted here is tries. The house stands before: it is
    one that other tests have copies of.
    """
    assert house.app.ready

    def kdf(salt: bytes) -> Argon2id:
        return Argon2id(salt=salt, length=32, iterations=1, lanes=1, memory_cost=8)

    monkeypatch.setattr(Passwords, "_kdf", staticmethod(kdf))
    for cast in (signing, people_here):  # what was hashed so is forgotten with it
        monkeypatch.setattr(cast, "_hashed", [])


async def outcome(
    house: House, source: str, identifier: str = IDENTIFIER, password: str = "x", device: str = ""
) -> str:
    try:
        begun = await sign_in.begin(house.app, identifier, password, source, device)
    except PliError as error:
        return error.code
    return "in" if isinstance(begun, sign_in.Entered) else "factor"


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("page", ["/sign-in", "/sign-in/lost"])
async def test_nobody_learns_from_an_answer_whether_an_identifier_is_somebodys(house: House, page: str) -> None:
    """Status, body, headers and place, over many of each in turn, braked ones too; for the same work."""
    await settle(house)
    seen: dict[str, list[tuple[Any, ...]]] = {IDENTIFIER: [], NOBODYS: []}
    for turn in range(24):
        for identifier, answers in seen.items():
            async with hand(house, f"192.0.2.{turn % 2}") as browser:
                form = {"identifier": identifier, "password": f"faux {turn}"}
                answer = await browser.visitor.post(page, form, headers=browser.headers)
                cookie = re.sub(r"=[\w-]{43};", "=…;", answer.headers.get("Set-Cookie", ""))
                names = tuple(sorted(name for name in answer.headers if name != "Date"))
                answers.append((answer.status, answer.place, names, cookie, answer.text.replace(identifier, "…")))
                if answer.place:
                    step = await browser.get(answer.place)
                    answers.append((step.status, step.text))
                    given = await browser.send("/sign-in/step", do="give", kind="email", given="000000")
                    answers.append((given.status, given.text))
    assert seen[IDENTIFIER] == seen[NOBODYS]
    assert len(set(seen[IDENTIFIER])) > 1, "braked answers are other answers, the same for both"


async def test_nobody_learns_from_the_work_an_answer_takes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes time is counted, which a busy machine does not blur: passwords hashed, statements run, commits."""
    await settle(house)
    work: Counter[str] = Counter()

    def count(owner: Any, name: str, what: str) -> None:
        inner = getattr(owner, name)

        def counted(self: Any, *args: Any, **more: Any) -> Any:
            work[what] += 1
            return inner(self, *args, **more)

        monkeypatch.setattr(owner, name, counted)

    count(Passwords, "_verify", "hashes")
    count(SqliteTx, "run", "statements")
    count(type(house.app.db), "write", "writes")
    count(type(house.app.db), "read", "reads")

    async def cost(identifier: str, turn: int) -> dict[str, int]:
        """The least of three tries: the house does other things meanwhile."""
        tries: list[dict[str, int]] = []
        for again in range(3):
            work.clear()
            assert await outcome(house, f"198.51.{100 + again}.{turn}", identifier, "faux") == "bad_sign_in"
            tries.append(dict(work))
        return {what: min(one[what] for one in tries) for what in tries[0]}

    await cost(NOBODYS, 1)
    unknown, known = await cost(NOBODYS, 2), await cost(IDENTIFIER, 2)
    assert (known["hashes"], known["writes"], known["reads"]) == (1, 1, 2)
    assert {what: known[what] for what in ("hashes", "writes", "reads")} == {
        what: unknown[what] for what in ("hashes", "writes", "reads")
    }
    assert abs(known["statements"] - unknown["statements"]) <= 2, "two look-ups by key, of a name for the journal"


@pytest.mark.usefixtures("quick")
async def test_a_stranger_who_hammers_locks_nobody_out(house: House) -> None:
    person = await settle(house)
    home, stranger = "203.0.113.5", "198.51.100.7"
    begun = await sign_in.begin(house.app, IDENTIFIER, PASSWORD, home)
    assert isinstance(begun, str)
    entered = await sign_in.give(house.app, begun, "totp", person.telephone.code(), home)
    assert isinstance(entered, sign_in.Entered)
    device = await remembered(house, person.account_id)
    told = [await outcome(house, stranger) for _ in range(12)]
    assert told == ["bad_sign_in"] * 10 + ["too_often"] * 2
    assert await outcome(house, stranger, password=PASSWORD) == "too_often", "right or wrong, braked is braked"
    assert await outcome(house, "192.0.2.77", password=PASSWORD) == "factor", "from anywhere else"
    for number in range(95):  # a hundred in all, from as many places
        await outcome(house, f"100.64.{number}.1")
    assert await outcome(house, "192.0.2.78", password=PASSWORD) == "recovery_only"
    assert await outcome(house, home, password=PASSWORD) == "factor", "where she came in before"
    assert await outcome(house, stranger, password=PASSWORD, device=device) == "in", "on a device she trusts"
    assert await outcome(house, "192.0.2.79", password=PASSWORD) == "factor", "a success ends the run"


async def remembered(house: House, account_id: str) -> str:
    return await devices.remember(house.app, account_id, "Firefox (Linux)")


@pytest.mark.usefixtures("quick")
async def test_whoever_knows_the_password_has_few_tries_at_the_code_and_the_person_hears_of_it(house: House) -> None:
    """AuthQuake: many sessions at once, each with its own tries."""
    person = await settle(house)
    wrong = "000000"
    proofs = []
    for number in range(40):
        begun = await sign_in.begin(house.app, IDENTIFIER, PASSWORD, f"198.51.100.{number}")
        assert isinstance(begun, str)
        proofs.append(begun)
    tries = [
        sign_in.give(house.app, proof, "totp", wrong, f"198.51.100.{number}")
        for number, proof in enumerate(proofs)
        for _ in range(4)
    ]
    told = Counter(getattr(each, "code", "in") for each in await asyncio.gather(*tries, return_exceptions=True))
    assert told["wrong_code"] == brakes.CONSECUTIVE
    assert set(told) == {"wrong_code", "recovery_only"}
    good = sign_in.give(house.app, proofs[0], "totp", person.telephone.code(), "198.51.100.0")
    with pytest.raises(Throttled):
        await good
    known = await sign_in.begin(
        house.app, IDENTIFIER, PASSWORD, "198.51.100.0", await remembered(house, person.account_id)
    )
    assert isinstance(known, sign_in.Entered)
    assert known.failures == brakes.CONSECUTIVE, "told how often, once in"


@pytest.mark.usefixtures("quick")
async def test_one_proof_has_ten_tries_however_many_come_at_once(house: House) -> None:
    await settle(house)
    begun = await sign_in.begin(house.app, IDENTIFIER, PASSWORD, "192.0.2.1")
    assert isinstance(begun, str)
    told = await asyncio.gather(
        *(sign_in.give(house.app, begun, "totp", "000000", f"192.0.2.{n}") for n in range(20)), return_exceptions=True
    )
    assert Counter(getattr(each, "code", "in") for each in told) == {"wrong_code": 10, "too_often": 10}


@pytest.mark.usefixtures("quick")
async def test_a_source_and_the_whole_house_are_slowed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    told = [await outcome(house, "192.0.2.9", f"inconnu.{number // 5}") for number in range(33)]
    assert told == ["bad_sign_in"] * brakes.SOURCE + ["too_often"] * 3
    monkeypatch.setattr(brakes, "EVERYBODY", 30)
    told = [await outcome(house, "192.0.2.10", "inconnu.neuf") for _ in range(5)]
    assert told == ["bad_sign_in"] * brakes.PAIR_UNDER_ATTACK + ["too_often"] * 2
    with time_machine.travel(_later(brakes.WINDOW_MS / 1000 + 1), tick=True):
        assert await outcome(house, "192.0.2.10", "inconnu.neuf") == "bad_sign_in"
        await house.app.db.write(counts.forget_old)
        rows = await house.app.db.read(lambda tx: tx.run("SELECT COUNT(*) FROM brakes WHERE failures > 5"))
        assert rows[0][0] == 0, "what is over is forgotten"


def _later(seconds: float) -> float:
    return time.time() + seconds


async def test_mail_clients_are_braked_as_people_are_and_by_every_process(house: House) -> None:
    async def mail(password: str, source: str) -> str:
        try:
            await mail_sign_in.sign_in_by_mail(house.app, MOREL, password, source)
        except PliError as error:
            return error.code
        return "in"

    assert await mail(MAIL_PASSWORD, "203.0.113.1") == "in"
    told = await asyncio.gather(*(mail("faux", "198.51.100.1") for _ in range(20)))
    assert Counter(told) == {"bad_credentials": 10, "too_often": 10}, "at once as one after the other"
    house.app.passwords = Passwords()  # another process: it knows what the first one counted
    assert await mail(MAIL_PASSWORD, "198.51.100.1") == "too_often"
    assert await mail(MAIL_PASSWORD, "203.0.113.1") == "in", "Dr Morel's own client reads on"


async def test_fifty_sign_ins_at_once_keep_nobody_else_waiting(house: House) -> None:
    """Passwords are hashed beside the loop: a page that is asked for after fifty of them is there before the last."""
    order: list[str] = []

    async def sign(number: int) -> None:
        await outcome(house, f"192.0.2.{number}", f"inconnu.{number}")
        order.append("sign-in")

    async with hand(house, who="dominique") as browser:
        signing = [asyncio.create_task(sign(number)) for number in range(50)]
        for _ in range(3):
            assert (await browser.get("/account")).status == 200
            order.append("page")
        await asyncio.gather(*signing)
    assert order.count("sign-in") == 50
    assert order.index("page") < 50
    last = max(place for place, what in enumerate(order) if what == "page")
    assert last < len(order) - 1, "all three pages before the last sign-in"


async def test_a_step_up_has_its_own_ten_tries(house: House) -> None:
    person = await settle(house)
    for _ in range(brakes.PAIR):
        assert not await prove(house.app, person.account_id, "totp", "000000")
    with pytest.raises(Throttled):
        await prove(house.app, person.account_id, "totp", person.telephone.code())
    assert await factors.ways(house.app, person.account_id) == ["totp", "recovery"]
    assert await outcome(house, "192.0.2.1", password=PASSWORD) == "factor", "nobody is locked out by it"


class Headers(dict[str, list[str]]):
    """As aiohttp gives them: a name may come several times."""

    def getall(self, name: str, default: list[str]) -> list[str]:
        return self.get(name, default)


@pytest.mark.parametrize(
    ("peer", "told", "proxies", "source"),
    [
        ("203.0.113.9", "198.51.100.1", "127.0.0.1", "203.0.113.9"),  # not ours: what it says counts for nothing
        ("127.0.0.1", "1.1.1.1, 198.51.100.1", "127.0.0.1", "198.51.100.1"),  # the first anybody may have written
        ("10.0.0.2", "198.51.100.1, 10.0.0.1", "10.0.0.0/8", "198.51.100.1"),
        ("127.0.0.1", "", "127.0.0.1,::1", "127.0.0.1"),
        ("127.0.0.1", "nonsense", "127.0.0.1", "unknown"),
        ("2001:db8:1:2:3:4:5:6", "", "", "2001:db8:1:2::/64"),
    ],
)
def test_who_calls_is_whom_our_own_proxy_names(peer: str, told: str, proxies: str, source: str) -> None:
    request = SimpleNamespace(remote=peer, headers=Headers({"X-Forwarded-For": [told]} if told else {}))
    app = SimpleNamespace(settings=Settings(proxies=proxies))
    assert brakes.source_of(app, request) == source  # type: ignore[arg-type]  # all that it reads


async def test_what_the_brakes_keep_names_nobody(house: House) -> None:
    await outcome(house, "192.0.2.200", "identifiant.canari")
    with pytest.raises(Unauthorised):
        await sign_in.look(house.app, "no such proof")
    rows = await house.app.db.read(lambda tx: tx.run("SELECT name_hash FROM brakes"))
    assert rows
    assert not any("192.0.2" in row[0] or "canari" in row[0] for row in rows)
    metrics = house.app.metrics.text().decode()
    assert 'pli_refusals_total{code="bad_sign_in",door="sign-in"} 1.0' in metrics
    assert "canari" not in metrics
