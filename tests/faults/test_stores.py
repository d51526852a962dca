"""Smaller things that happen to stores: a line is cut, a file's end is lost, nobody is there at the start."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from tests.faults.breaking import outage
from tests.faults.checker import wrongs
from tests.faults.site import Site, wait_until
from tests.faults.traffic import Traffic

pytestmark = [pytest.mark.faults, pytest.mark.slow]

CUT = """
SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
ORDER BY query LIKE '%%interactions_event%%' DESC LIMIT %s
"""
TORN_BYTES = 20_000


def test_cut_lines_to_postgres_cost_no_event_and_no_list(shared_site: Site) -> None:
    site, cut = shared_site, 0
    with Traffic(site, posters=2, askers=2) as traffic:
        for lines in (1, 1, 1, 100):
            traffic.wait_for_events(50)
            cut += sum(ended for _, ended in site.query(CUT, lines))
        traffic.wait_for_events(50)
        traffic.wait_for_answers(50)
    assert cut > 3, "no line was cut: the test shows nothing"
    assert traffic.put_off > 0, "nobody noticed: the test shows nothing"
    assert {answer.status for answer in traffic.answers} == {200}
    assert wrongs(traffic) == []


def test_a_torn_append_only_file_is_made_good_from_postgres(shared_site: Site) -> None:
    site = shared_site
    with Traffic(site, posters=2, askers=2) as traffic:
        traffic.block("w2", "m2")
        traffic.wait_for_answers(100)
        traffic.wait_for_events(100)
        with outage(site, "Valkey is killed"):
            _tear(site.servers.folder / "valkey" / "appendonlydir")
        wait_until(site.is_well, "recovery", 60)
        traffic.wait_for_answers(100)
    said = (site.servers.folder / "log" / "valkey.log").read_text()
    assert "loaded anyway because aof-load-truncated" in said, "nothing was torn: the test shows nothing"
    assert wrongs(traffic) == []


def test_a_process_that_starts_while_nobody_is_there_serves_once_they_are(shared_site: Site) -> None:
    site = shared_site
    with ExitStack() as away:
        away.enter_context(outage(site, "Postgres is killed"))
        away.enter_context(outage(site, "Valkey is killed"))
        with site.another_web():
            ready = requests.get(f"{site.address}/health/ready", timeout=10)
            assert (ready.status_code, ready.json()["ready"]) == (503, False)
            assert site.send("GET", "/recommendations?surface=dating&member=w3").status_code == 503
            away.close()
            wait_until(site.is_well, "a process that found nobody", 60)
            with Traffic(site, posters=1, askers=2) as traffic:
                traffic.wait_for_answers(100)
                traffic.wait_for_events(50)
    assert wrongs(traffic) == []


def _tear(folder: Path) -> None:
    """Cuts the end off the newest file, within a record."""
    newest = max(folder.glob("*.incr.aof"), key=lambda path: path.stat().st_mtime)
    size = newest.stat().st_size
    assert size > TORN_BYTES, "nothing to tear: the test shows nothing"
    with newest.open("r+b") as file:
        file.truncate(size - TORN_BYTES)
