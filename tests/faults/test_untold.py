"""A web process that dies between its commit and Valkey: what it stored is told by the worker."""

from __future__ import annotations

import threading

import pytest
import requests

from tests.faults.breaking import kill, outage, web_processes
from tests.faults.site import Site, event, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.slow]
HEAL = "from apps.interactions.tasks import heal_online_state_task; heal_online_state_task()"


def test_a_block_whose_process_was_killed_after_the_commit_is_honoured_once_the_worker_told_it(
    shared_site: Site,
) -> None:
    site = shared_site
    blocked = event("block", site.actors[0][0], site.actors[1][0])
    answers: list[int] = []

    def post() -> None:
        try:
            answers.append(site.post("/events", [blocked]).status_code)
        except requests.RequestException:
            answers.append(0)

    sender = threading.Thread(target=post)
    with outage(site, "Valkey hangs"):
        sender.start()
        wait_until(lambda: stored(site, blocked["id"]), "the commit", 10)
        for process in web_processes(site):
            kill(process)
        sender.join(30)
    assert answers == [0], "it was answered: nothing was lost in between"
    assert untold(site, blocked["id"]) == 1
    wait_until(site.is_well, "another web process and Valkey", 60)
    site.execute("UPDATE interactions_untold SET created_at = created_at - interval '1 minute'", {})
    site.manage("shell", "--no-imports", "-c", HEAL)
    assert untold(site, blocked["id"]) == 0
    for one, other in ((blocked["actor"], blocked["target"]), (blocked["target"], blocked["actor"])):
        answer = site.list(one, limit=100)
        assert answer["degraded"] == []
        assert answer["items"]
        assert other not in {item["id"] for item in answer["items"]}


def stored(site: Site, event_id: str) -> bool:
    return bool(site.query("SELECT 1 FROM interactions_eventkey WHERE id = %s", event_id))


def untold(site: Site, event_id: str) -> int:
    return len(site.query("SELECT 1 FROM interactions_untold WHERE %s::uuid = ANY(events)", event_id))
