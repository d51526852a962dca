"""A small market with a snapshot and a release, served by this process."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from django.test.utils import override_settings

from apps.delivery import runtime as runtimes
from apps.delivery import truth
from apps.delivery.runtime import Runtime, runtime
from apps.members.models import Member
from apps.refresh.services import refresh
from apps.releases.services import ensure_first_release
from apps.surfaces.models import Market
from apps.surfaces.services import ensure_first_surfaces
from raya_recs.embedded import EmbeddedServers
from tests import servers as suite
from tests.refresh.rows import make_market, make_member, make_place


@pytest.fixture
def market(transactional_db: None, tmp_path: Path) -> Iterator[Market]:
    """London with a man who looks (`adam`), five women whom he may see, and two places."""
    ensure_first_surfaces()
    ensure_first_release()
    with override_settings(SNAPSHOT_DIR=tmp_path / "snapshots"):
        london = make_market()
        make_member("adam", london, gender="man", seeking=["woman"])
        for name in ("bea", "cleo", "dora", "ella", "fay"):
            make_member(name, london)
        make_member("minor", london, birth_date=date(2015, 1, 1))
        for name in ("bar", "cafe"):
            make_place(name, london)
        yield london
        runtimes.stop()


@pytest.fixture
def serving(market: Market) -> Runtime:
    """This process, ready to serve: snapshot, release, and an online state that is believed."""
    refresh()
    return runtime()


@pytest.fixture
def servers() -> Iterator[EmbeddedServers]:
    """The suite's own servers, to be stopped. Those that DATABASE_URL names are lent: nobody stops them.

    `make test` and CI start their own, so there nothing is skipped for this.
    """
    if not suite._STARTED:
        pytest.skip("stops servers: needs the suite's own")
    truth.rest()
    yield suite._STARTED[0]
    truth.rest()


def number(name: str) -> int:
    return int(Member.objects.get(external_id=name).number)
