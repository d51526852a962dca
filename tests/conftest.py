"""What every test shares: an empty Valkey before each, and servers of its own for a test that breaks them."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.conf import settings
from django.db import connection
from hypothesis import settings as hypothesis_settings

from apps.common import clock, valkey
from apps.delivery import truth
from raya_recs.embedded import EmbeddedServers
from tests.servers import stop_runtime

# Time is measured by benchmarks: a test that also compiles a loop is no failure.
hypothesis_settings.register_profile("untimed", parent=hypothesis_settings(), deadline=None)
hypothesis_settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long the long tests are: the defaults are what CI runs."""
    group = parser.getgroup("faults")
    group.addoption("--grants", type=int, default=100_000, help="exposures that the tests of caps grant")
    group.addoption("--kills", type=int, default=60, help="how often a process is killed under events")
    group.addoption(
        "--races", type=int, default=2_000, help="blocks that lists are asked right after, all rungs"
    )
    group.addoption("--answers", type=int, default=3_000, help="lists that each outage has to answer")
    group.addoption(
        "--storm", type=float, default=12.0, help="seconds of five times the calls there is room for"
    )
    group.addoption("--members", type=int, default=1_000, help="of the site whose stores return")
    group.addoption("--rare", action="store_true", help="also bad wires, full disks, clocks that jump")
    group.addoption("--minutes", type=float, default=0.5, help="how long one fault follows the other")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The public data sets are not part of the project: what needs them is skipped where they are not.

    What is rare takes root, mounts or libfaketime, and minutes: it is run by option alone, and then fails
    where a machine lacks one of these.
    """
    if not config.getoption("rare"):
        for item in items:
            if item.get_closest_marker("rare"):
                item.add_marker(pytest.mark.skip(reason="asked for with --rare"))
    if not os.environ.get("RAYA_RECS_DATA"):
        for item in items:
            if item.get_closest_marker("data"):
                item.add_marker(pytest.mark.skip(reason="RAYA_RECS_DATA is not set"))


@pytest.fixture(autouse=True)
def empty_valkey() -> None:
    """Tests share one server; no test sees another's keys."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.flushdb()


@pytest.fixture(autouse=True)
def no_runtime_meets_a_flush() -> Iterator[None]:
    """The serving half's threads end before a test's tables are emptied.

    In a test that is rolled back they may wait for a row that its transaction holds: see servers.py.
    """
    yield
    if not connection.in_atomic_block:
        stop_runtime()


@pytest.fixture(autouse=True)
def clocks_stay_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that moves this process's clock means it: nobody puts it right by Postgres's."""
    monkeypatch.setattr(clock, "behind", lambda *_, **__: clock.NOTHING)


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists that are compared whole get the time they want: a starved machine narrows and degrades none."""
    for ask in (valkey.ask, truth.ask):
        monkeypatch.setattr(ask, "__kwdefaults__", (ask.__kwdefaults__ or {}) | {"seconds": 5.0})
    monkeypatch.setattr(settings, "LIST_BUDGET_MS", 60_000)


@pytest.fixture
def servers_folder() -> Iterator[Path]:
    """A folder that the database's user can enter when the tests run as root, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="raya_recs-own-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def own_servers(servers_folder: Path) -> Iterator[EmbeddedServers]:
    """Durable servers that this test alone may stop, kill and restart."""
    with EmbeddedServers(servers_folder) as servers:
        yield servers
