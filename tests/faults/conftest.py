"""Each fault test has a site of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from raya_recs.embedded import EmbeddedServers
from tests.faults.site import Site


@pytest.fixture
def site(own_servers: EmbeddedServers, tmp_path: Path) -> Iterator[Site]:
    site = Site(own_servers, tmp_path)
    try:
        site.open()
        yield site
    finally:
        site.close()
