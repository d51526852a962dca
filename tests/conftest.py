"""What every test shares: an empty Valkey before each, and servers of its own for a test that breaks them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.conf import settings

from raya_recs.embedded import EmbeddedServers


@pytest.fixture(autouse=True)
def empty_valkey() -> None:
    """Tests share one server; no test sees another's keys."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.flushdb()


@pytest.fixture
def own_servers(tmp_path: Path) -> Iterator[EmbeddedServers]:
    """Durable servers that this test alone may stop, kill and restart."""
    servers = EmbeddedServers(tmp_path / "servers")
    with servers:
        yield servers
    servers.destroy()
