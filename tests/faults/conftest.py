"""A site that the tests of this folder break in turn."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from raya_recs.embedded import EmbeddedServers
from tests.faults.site import Site

CAP = 25  # of capped_site


@pytest.fixture(scope="package")
def shared_site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two web processes; lists stay full: nobody has a cap, is held, or is out because they were seen.

    A test leaves it well again.
    """
    each = 2 * math.ceil(math.sqrt(1.5 * request.config.getoption("races")))  # a pair for each race
    folder = Path(tempfile.mkdtemp(prefix="raya_recs-own-"))
    folder.chmod(0o711)
    try:
        with (
            EmbeddedServers(folder) as servers,
            Site(servers, tmp_path_factory.mktemp("site")) as site,
        ):
            site.open(workers=2, each=each)
            site.serve(daily_cap=0, hold_minutes=0, cooldown_days=0)
            yield site
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def capped_site(shared_site: Site) -> Iterator[Site]:
    """The shared site with a daily cap, and nobody counted yet; afterwards without."""
    site = shared_site
    site.query("DELETE FROM interactions_delivery")
    redis.Redis.from_url(site.servers.redis_url).flushall()
    site.cap = CAP
    site.serve(daily_cap=CAP, hold_minutes=0, cooldown_days=0)
    try:
        yield site
    finally:
        site.cap = 0
        site.serve(daily_cap=0, hold_minutes=0, cooldown_days=0)
