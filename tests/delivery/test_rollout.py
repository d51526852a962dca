"""A staged rollout that walks on while it is well, and back by itself when it is not."""

from __future__ import annotations

import random
from datetime import timedelta
from uuid import uuid4

import pytest
import redis
import time_machine
from django.conf import settings

from apps.common.clock import now
from apps.delivery.health import Counts, Health, health_of
from apps.delivery.rollout import Watched, watch_rollout, what_is_wrong
from apps.delivery.services import recommend
from apps.interactions.models import Delivery, Event, Relationship
from apps.interactions.partitions import ensure_partitions
from apps.releases import services
from apps.releases.models import Notice
from apps.releases.selectors import live


@pytest.fixture
def client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL)


@pytest.fixture
def rolled(db: None) -> None:
    """Release 2 at 1 % of viewers."""
    draft = services.start_revision(actor=None)
    draft = services.edit_revision(draft, 1, {"dating.diversity": 0.4})
    services.publish_revision(draft, actor=None, note="", staged=True)


def count(
    client: redis.Redis, release: int, answers: int = 300, *, errors: int = 0, shown: int = 10, ms: float = 4
):
    counts = Counts()
    for _ in range(answers):
        counts.answered(release, shown=shown, wanted=10, ms=ms)
    for _ in range(errors):
        counts.failed(release)
    counts.flush(client, now().timestamp())


def test_sums_of_two_processes_are_added_and_told_by_release(client):
    count(client, 1, 90, ms=4)
    count(client, 1, 10, ms=300, errors=5)
    found = health_of(client, 1, since=now().timestamp() - 120, now=now().timestamp())
    assert (found.answers, found.errors, found.shown, found.wanted) == (100, 5, 1000, 1000)
    assert (found.p99_ms, found.error_rate) == (400.0, 5 / 105)
    assert health_of(client, 2, since=0, now=now().timestamp()) == Health()


def test_what_valkey_was_not_told_is_told_the_next_time(client):
    counts = Counts()
    counts.answered(1, shown=1, wanted=2, ms=1)
    away = redis.Redis(port=1)
    with pytest.raises(redis.RedisError):
        counts.flush(away, now().timestamp())
    counts.flush(client, now().timestamp())
    assert health_of(client, 1, since=0, now=now().timestamp()).answers == 1


def test_a_served_list_is_counted_under_its_release_and_a_dry_run_is_not(serving, client):
    serving.poll(wait=True)  # tells what earlier tests served
    before = health_of(client, 1, since=0, now=now().timestamp())
    recommend(surface="dating", member="adam", limit=2)
    recommend(surface="dating", member="adam", limit=2, dry_run=True)
    serving.poll(wait=True)
    found = health_of(client, 1, since=0, now=now().timestamp())
    more = (found.answers - before.answers, found.shown - before.shown, found.wanted - before.wanted)
    assert more == (1, 2, 2)


def test_while_it_is_well_it_walks_on_stage_by_stage(rolled, client):
    with time_machine.travel(now(), tick=False) as clock:
        assert watch_rollout() == "waiting: too few answers to judge"
        count(client, 1)
        count(client, 2)
        assert watch_rollout() == "well so far"
        for percentage in (10, 50, 100):
            clock.shift(timedelta(minutes=10, seconds=1))
            count(client, 1)
            count(client, 2)
            assert watch_rollout() == "stepped up"
            assert live().percentage == percentage


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"errors": 60}, "of its requests failed"),
        ({"shown": 5}, "full, the stable release's"),
        ({"ms": 900}, "takes over 1000 ms"),
    ],
)
def test_errors_emptier_lists_and_slowness_turn_it_back_by_themselves(rolled, client, values, words):
    count(client, 1)
    count(client, 2, **values)
    assert words in watch_rollout()
    assert (live().stable_number, live().candidate_number) == (1, None)
    assert words in Notice.objects.get(key="turned back 2").body
    assert watch_rollout() == "nothing is rolled out"


def test_a_stable_release_that_fares_as_badly_is_no_reason_to_turn_back():
    bad = Health(answers=100, errors=10, shown=500, wanted=1000)
    assert what_is_wrong(Watched(bad, bad), {}) is None


def served(release: int, lists: list[list[int]], *, surface: str = "dating") -> None:
    """One list for each viewer, of whom this release has its own."""
    ensure_partitions("interactions_delivery", [now()])
    Delivery.objects.bulk_create(
        Delivery(
            id=uuid4(), served_at=now(), viewer=100_000 * release + i, surface=surface, release=release,
            snapshot="s", seed=1, requested=len(shown), candidates=shown, scores=[1.0] * len(shown),
            propensities=[1.0] * len(shown), sources=[1] * len(shown), trace=[],
        )
        for i, shown in enumerate(lists)
    )  # fmt: skip


def matched(release: int, viewers: int) -> None:
    Relationship.objects.bulk_create(
        Relationship(
            actor=100_000 * release + i, target=9, target_kind="member", surface="dating", state="matched",
            decided_at=now(), decided_by=uuid4(),
        )
        for i in range(viewers)
    )  # fmt: skip


def reported(release: int, viewers: int) -> None:
    ensure_partitions("interactions_event", [now()])
    Event.objects.bulk_create(
        Event(
            id=uuid4(), type="report", actor=100_000 * release + i, target=9, target_kind="member",
            occurred_at=now(), received_at=now(),
        )
        for i in range(viewers)
    )  # fmt: skip


def told(client: redis.Redis) -> list[str]:
    """What a look warns of."""
    count(client, 1)
    count(client, 2)
    assert watch_rollout() == "well so far"
    return sorted(notice.body for notice in Notice.objects.filter(key__startswith="warning 2 1 "))


def test_fewer_matches_and_more_reports_are_told_once_a_stage_and_turn_nothing_back(rolled, client):
    for release in (1, 2):
        served(release, [[1, 2]] * 60)
    matched(1, 40)
    reported(2, 3)
    expected = ["Matches per viewer: 0.000 against 0.667.", "Reports per viewer: 0.0500 against 0.0000."]
    assert told(client) == expected
    matched(2, 1)
    assert told(client) == expected
    assert live().candidate_number == 2


def test_as_many_matches_are_nothing_to_tell(rolled, client):
    for release, viewers in ((1, 60), (2, 60)):
        served(release, [[1, 2]] * viewers)
        matched(release, 30)
        reported(release, 2)
    assert told(client) == []


def test_less_even_exposure_is_told_by_surface_of_as_many_lists_of_each(rolled, client):
    draw = random.Random(3)

    def lists(n: int, people: int) -> list[list[int]]:
        return [draw.sample(range(people), 5) for _ in range(n)]

    served(1, lists(2000, 1000))
    served(2, lists(200, 1000))
    served(1, lists(2000, 1000), surface="networking")
    served(2, [[1, 2, 3, 4, draw.randrange(1000)] for _ in range(200)], surface="networking")
    (sentence,) = told(client)
    assert sentence.startswith("Exposure on networking is less even: Gini 0.")
    assert sentence.endswith(" over 200 lists each.")
