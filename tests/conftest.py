"""Fixtures for every test: private servers, scratch databases, sample documents; each starts when first asked for."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from storage.migrate import migrate
from tests.house import House, Kept, open_core_house, open_house, settings_for
from tests.oidc_house import DOMINIQUE, MOREL, RPPS
from tests.support.oidc_provider import Providers, providers
from tests.support.postgres import Cluster, cluster
from tests.support.programs import free_port
from tests.support.redis import redis_server
from tests.support.samples import samples_folder

LONG = ("test_what_got_its_250", "test_what_was_pressed_as_the_server_was_killed", "test_axe_pages")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first: begun last, one of them would hold up the end alone."""
    items.sort(key=lambda item: not any(name in item.nodeid for name in LONG))


@pytest.fixture(scope="session")
def samples() -> Path:
    """Folder of the sample documents (`cda`, `xdm`, `fhir`)."""
    return samples_folder()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A PostgreSQL cluster of this worker's own."""
    with cluster() as running:
        yield running


@pytest.fixture(scope="session")
def postgres_template(postgres: Cluster) -> str:
    """Name of a database at today's schema: a copy of it costs a third of a migration."""
    name = postgres.create()
    migrate(postgres.url(name))
    return name


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file at today's schema."""
    path = tmp_path_factory.mktemp("template") / "pli.sqlite"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def postgres_url(postgres: Cluster, postgres_template: str) -> Iterator[str]:
    """URL of a PostgreSQL database at today's schema and without a row, this test's own."""
    name = postgres.create(postgres_template)
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """URL of a SQLite database at today's schema and without a row, this test's own."""
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'pli.sqlite')}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """`sqlite_url`, then `postgres_url`: a test that asks for it runs on both engines."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of a database without a table, on each engine in turn: for the migrations' own tests."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.sqlite'}"
        return
    postgres: Cluster = request.getfixturevalue("postgres")
    name = postgres.create()
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """URL of a Redis server of this worker's own."""
    with redis_server() as url:
        yield url


@pytest.fixture
async def core(database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    """Storage, vault, hub and delivery with the cast, on each engine in turn; its invariants are checked at the end."""
    async with open_core_house(settings_for(tmp_path / "pli", database_url=database_url)) as open_:
        yield open_


@pytest.fixture(scope="session")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Kept[None]:
    """A house where nothing happened yet."""

    async def nothing(_house: House) -> None:
        return None

    return Kept(tmp_path_factory.mktemp("settled"), nothing)


@pytest.fixture
async def house(settled: Kept[None], tmp_path: Path) -> AsyncIterator[House]:
    """A whole Pli with every door open, on the embedded database; its invariants are checked at the end."""
    async with settled.opened(tmp_path / "pli") as (open_, _):
        yield open_


@pytest.fixture
async def sqlite_core(sqlite_url: str, tmp_path: Path) -> AsyncIterator[House]:
    """As `core`, on the embedded database alone: for what looks at its files."""
    async with open_core_house(settings_for(tmp_path / "pli", database_url=sqlite_url)) as open_:
        yield open_


@pytest.fixture(scope="session")
def idp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Providers]:
    with providers(tmp_path_factory.mktemp("idp"), free_port()) as running:
        yield running


@pytest.fixture
async def known(idp: Providers, sqlite_url: str, tmp_path: Path) -> AsyncIterator[House]:
    """A Pli known at both; at one Dr Morel signs in, at the other Dominique, and neither lies."""
    await idp.tell("psc", account=f"f:1:{RPPS}", claims=MOREL, acr="eidas1", error="", fault="")
    await idp.tell("franceconnect", account="of-dominique", claims=DOMINIQUE, acr="eidas2", error="", fault="")
    async with open_house(settings_for(tmp_path / "pli", database_url=sqlite_url, **idp.settings)) as opened:
        yield opened
