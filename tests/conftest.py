"""Fixtures for every test: private servers, scratch databases, sample documents; each starts when first asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.house import House, open_core_house, open_house, settings_for
from tests.support.postgres import Cluster, cluster
from tests.support.redis import redis_server
from tests.support.samples import samples_folder


@pytest.fixture(scope="session")
def samples() -> Path:
    """Folder of the sample documents (`cda`, `xdm`, `fhir`)."""
    return samples_folder()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A PostgreSQL cluster of this worker's own."""
    with cluster() as running:
        yield running


@pytest.fixture
def postgres_url(postgres: Cluster) -> Iterator[str]:
    """URL of an empty PostgreSQL database, this test's own."""
    database = postgres.create()
    yield postgres.url(database)
    postgres.drop(database)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database on each engine in turn: a test that asks for it runs twice."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'pli.sqlite'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


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


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A whole Pli with every door open, on the embedded database; its invariants are checked at the end."""
    async with open_house(settings_for(tmp_path / "pli")) as open_:
        yield open_
