"""What /metrics says, from outside: a site with two web workers, asked over HTTP, one of them killed."""

from __future__ import annotations

import os
import signal
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from apps.api.metrics import exposition
from raya_recs.embedded import EmbeddedServers
from tests.faults.site import Site, event, wait_until
from tests.observability.promql import metric_names, samples
from tests.observability.shipped import expressions

LISTS = 40
NOTHING_COUNTED = struct.pack("ii", 8, 0)  # of prometheus_client: eight bytes are used, by this


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("observed")
    for parent in (folder, *folder.parents[:3]):  # the database's user must enter it
        parent.chmod(0o711)
    with EmbeddedServers(folder) as servers, Site(servers, folder) as site:
        site.open(workers=2, each=40)
        site.manage("refresh")
        wait_until(lambda: read(site).get("raya_recs_ready", 0) == 1, "a snapshot", 30)
        yield site


def read(site: Site) -> dict[str, float]:
    return samples(requests.get(f"{site.address}/metrics", timeout=10).text)


def total(found: dict[str, float], name: str) -> float:
    return sum(value for key, value in found.items() if key.partition("{")[0] == name)


def ask_for_lists(site: Site, count: int, limit: int = 5) -> None:
    """Each on a connection of its own, so that both workers get some."""
    for i in range(count):
        path = f"/api/v1/recommendations?surface=dating&member=w{i % 40}&limit={limit}"
        headers = {"Authorization": f"Api-Key {site.secret}"}
        assert requests.get(site.address + path, headers=headers, timeout=10).status_code == 200


def counting_processes(site: Site) -> set[int]:
    folder = next(path for path in Path(site.env["VAR_DIR"]).glob("metrics/*"))
    return {int(path.stem.rpartition("_")[2]) for path in folder.glob("counter_*.db")}


@pytest.mark.slow
def test_two_workers_show_full_counts_and_a_killed_one_takes_none_along(site: Site) -> None:
    before = total(read(site), "raya_recs_lists_total")
    ask_for_lists(site, LISTS)
    found = read(site)
    assert total(found, "raya_recs_lists_total") == before + LISTS
    assert found['raya_recs_list_seconds_count{market="london",surface="dating"}'] == before + LISTS
    workers = counting_processes(site)
    assert len(workers) == 2, "both processes counted"
    wait_until(lambda: read(site)["raya_recs_processes"] == 2, "both workers", 10)

    os.kill(min(workers), signal.SIGKILL)
    wait_until(lambda: not psutil.pid_exists(min(workers)), "its end", 10)
    wait_until(lambda: read(site).get("raya_recs_processes") == 2, "another in its place", 60)
    ask_for_lists(site, 4)
    assert total(read(site), "raya_recs_lists_total") == before + LISTS + 4


@pytest.mark.slow
def test_every_metric_that_rules_and_dashboard_name_is_there(site: Site) -> None:
    site.post("/events", [event("like", "w1", "m1"), event("like", "w1", "m1", days_ago=40)])
    ask_for_lists(site, 4, limit=100)  # more than there are
    registered = {
        line.split()[2]
        for line in requests.get(f"{site.address}/metrics", timeout=10).text.splitlines()
        if line.startswith("# TYPE")
    }
    named = {name for text in expressions() for name in metric_names(text)}
    known = registered | {f"{name}{end}" for name in registered for end in ("_bucket", "_count", "_sum")}
    only_when_it_happens = {
        "raya_recs_list_errors_total",
        "raya_recs_lists_degraded_total",
        "raya_recs_guard_drops_total",
        "raya_recs_calls_shed_total",
        "raya_recs_lists_narrowed_total",
        "raya_recs_exposures_refused_total",
        "raya_recs_source_failures_total",
        "raya_recs_source_opened",
        "raya_recs_source_state",
    }
    assert named - known <= only_when_it_happens
    assert registered & {"raya_recs_list_seconds", "raya_recs_events_stored_total"}


@pytest.mark.slow
def test_acknowledged_events_are_counted_as_stored(site: Site) -> None:
    before = read(site)
    fresh = [event("like", f"w{i}", f"m{i}") for i in range(10, 20)]
    site.post("/events", fresh).raise_for_status()
    site.post("/events", fresh).raise_for_status()
    after = read(site)
    accepted = 'raya_recs_events_total{status="accepted"}'
    stored = "raya_recs_events_stored_total"
    assert after[accepted] - before.get(accepted, 0) == 10
    assert after[stored] - before.get(stored, 0) == 10
    assert after['raya_recs_events_total{status="duplicate"}'] >= 10


def test_a_worker_that_has_made_its_file_and_written_nothing_yet_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    begun = tmp_path / f"gauge_livesum_{os.getpid()}.db"
    begun.touch()
    write = threading.Timer(0.05, lambda: begun.write_bytes(NOTHING_COUNTED))
    write.start()
    exposition()
    write.join()
    assert begun.read_bytes() == NOTHING_COUNTED
