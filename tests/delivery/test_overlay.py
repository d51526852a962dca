"""Who joined, left or changed since the snapshot, as this process sees it after its next poll."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from django.db import connections

from apps.common import clock
from apps.common.changes import latest_position, record_changes
from apps.common.geo import cell_of
from apps.common.models import Change
from apps.delivery import overlay, truth
from apps.delivery.overlay import Overlay, first_overlay, followed
from apps.delivery.runtime import Runtime
from apps.delivery.services import recommend
from apps.delivery.world import World
from apps.interactions.selectors import blocked_numbers
from apps.members.bodies import TripBody
from apps.members.models import Member
from apps.members.services import set_trips
from apps.pipeline.contracts import NOBODY, Request, Viewer
from apps.pipeline.params import PipelineParams
from apps.pipeline.retrieval.eligible import find_eligible
from apps.pipeline.snapshot import Snapshot, open_snapshot
from apps.places.models import Place
from apps.refresh.selectors import active_snapshot_id, snapshot_folder
from apps.refresh.services import refresh
from apps.surfaces.models import Market
from tests.delivery.conftest import number
from tests.delivery.test_services import names
from tests.refresh.rows import decide, make_market, make_member, make_place


def changed(name: str, **values: object) -> None:
    Member.objects.filter(external_id=name).update(**values)
    record_changes("member.saved", [number(name)])


def shown_to(name: str, surface: str = "dating") -> set[str]:
    return set(names(recommend(surface=surface, member=name, limit=20, dry_run=True)))


def test_whoever_joined_a_minute_ago_is_shown_and_can_look(serving: Runtime, market: Market) -> None:
    gil = make_member("gil", market)
    record_changes("member.saved", [gil.number])
    serving.poll()
    assert "gil" in shown_to("adam")
    assert shown_to("gil") == {"adam"}


def test_whoever_joined_is_given_a_list_even_before_the_next_poll(serving: Runtime, market: Market) -> None:
    make_member("gil", market)
    assert shown_to("gil") == {"adam"}


def test_a_hidden_newcomer_looks_but_is_not_shown(serving: Runtime, market: Market) -> None:
    hidden = make_member("gil", market, visibility="hidden")
    record_changes("member.saved", [hidden.number])
    serving.poll()
    assert shown_to("gil") == {"adam"}
    assert "gil" not in shown_to("adam")


@pytest.mark.parametrize("values", [{"status": "paused"}, {"status": "suspended"}])
def test_whoever_paused_is_neither_shown_nor_given_a_list(serving: Runtime, values: dict[str, str]) -> None:
    changed("bea", **values)
    serving.poll()
    assert "bea" not in shown_to("adam")
    answer = recommend(surface="dating", member="bea", limit=5)
    assert answer["shortfall"]["reasons"] == ["viewer_not_eligible"]
    changed("bea", status="active")
    serving.poll()
    assert "bea" in shown_to("adam")
    assert shown_to("bea") == {"adam"}


def test_a_newcomer_who_is_erased_again_is_unknown(serving: Runtime, market: Market) -> None:
    from apps.common.errors import NotFound

    gil = make_member("gil", market)
    record_changes("member.saved", [gil.number])
    serving.poll()
    erased = gil.number
    gil.delete()
    record_changes("member.erased", [erased])
    serving.poll()
    assert "gil" not in shown_to("adam")
    with pytest.raises(NotFound):
        recommend(surface="dating", member="gil", limit=5)


def test_a_new_place_is_shown(serving: Runtime, market: Market) -> None:
    place = make_place("museum", market)
    record_changes("place.saved", [place.number])
    serving.poll()
    assert "museum" in shown_to("adam", "travel")


def test_who_travels_draws_from_where_they_are(serving: Runtime, market: Market) -> None:
    assert shown_to("adam", "travel") == {"bar", "cafe"}
    paris = make_market("paris", (48.85, 2.35))
    refresh()
    changed("adam", current_market=paris)
    serving.poll(wait=True)
    assert shown_to("adam", "travel") == set()


def test_an_edit_is_seen_both_ways_after_the_next_poll(serving: Runtime, market: Market) -> None:
    paris = make_market("paris", (48.85, 2.35))
    refresh()
    serving.poll(wait=True)
    before = serving.world.viewer_row("dating", number("bea"))
    assert before is not None
    for values in (
        {"seeking": ["woman"]},
        {"age_min": 90, "age_max": 99},
        {"intents": ["hire"]},
        {"home_market": paris},
        {"gender": "man"},
    ):
        was = Member.objects.filter(external_id="bea").values(*values).get()
        changed("bea", **values)
        serving.poll()
        assert "bea" not in shown_to("adam"), values
        assert "adam" not in shown_to("bea"), values
        assert {"cleo", "dora"} <= shown_to("adam")
        fresh = serving.world.viewer_row("dating", number("bea"))
        assert fresh is not None
        assert fresh["looks"].tobytes() == before["looks"].tobytes()
        changed("bea", **{name.replace("home_market", "home_market_id"): was[name] for name in values})
        serving.poll()
        assert "bea" in shown_to("adam"), values
        assert shown_to("bea") == {"adam"}
        assert len(serving.world.overlay.newcomers["dating"]) == 0  # as the snapshot knows her


def test_an_edit_of_the_viewer_opens_and_closes_their_list(serving: Runtime) -> None:
    changed("adam", age_min=90, age_max=99)
    serving.poll()
    assert shown_to("adam") == set()
    changed("adam", age_min=18, age_max=99)
    serving.poll()
    assert shown_to("adam") == {"bea", "cleo", "dora", "ella", "fay"}


def test_a_trip_is_seen_after_the_next_poll(serving: Runtime, market: Market) -> None:
    make_market("paris", (48.85, 2.35))
    refresh()
    serving.poll(wait=True)
    today = clock.today()
    set_trips("adam", [TripBody(market="paris", starts_on=today, ends_on=today)])
    serving.poll()
    assert shown_to("adam", "travel") == set()
    set_trips("adam", [])
    serving.poll()
    assert shown_to("adam", "travel") == {"bar", "cafe"}


def test_a_place_that_moved_or_closed_is_seen_after_the_next_poll(serving: Runtime, market: Market) -> None:
    bar = Place.objects.get(external_id="bar")
    Place.objects.filter(pk=bar.pk).update(is_open=False)
    record_changes("place.saved", [bar.number])
    serving.poll()
    assert shown_to("adam", "travel") == {"cafe"}


def test_beyond_what_fits_whoever_changed_is_not_shown(
    serving: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overlay, "MOST_ROWS", 2)
    for name in ("bea", "cleo", "dora"):
        changed(name, age_max=80)
    serving.poll()
    assert shown_to("adam") == {"cleo", "dora", "ella", "fay"}


def test_beyond_what_fits_whoever_changed_is_given_a_list_by_their_profile_of_now(
    serving: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overlay, "MOST_ROWS", 2)
    changed("adam", age_min=90, age_max=99)
    for name in ("bea", "cleo", "dora"):
        changed(name, age_min=90, age_max=99)
    serving.poll()
    for name in ("adam", "bea", "cleo", "dora", "adam"):
        assert shown_to(name) == set(), name
    changed("adam", age_min=18, age_max=99)
    changed("bea", status="paused")
    serving.poll()
    assert shown_to("adam") == {"ella", "fay"}
    answer = recommend(surface="dating", member="bea", limit=5)
    assert answer["shortfall"]["reasons"] == ["viewer_not_eligible"]
    assert len(serving.world.overlay.viewers["dating"]) == 2


def test_beyond_what_fits_whoever_changed_waits_while_postgres_is_away(
    serving: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overlay, "MOST_ROWS", 1)
    changed("adam", age_min=90, age_max=99)
    changed("bea", age_max=80)
    serving.poll()

    def away(*_: object) -> None:
        raise truth.TruthAway

    monkeypatch.setattr(truth, "ask", away)
    assert shown_to("adam") == set()


def test_a_write_that_began_long_before_a_refresh_and_ended_after_it_is_known_at_the_start(
    market: Market,
) -> None:
    other = connections.create_connection("default")
    other.set_autocommit(False)
    with other.cursor() as cursor:
        cursor.execute("UPDATE members_member SET status = 'paused' WHERE number = %s", [number("bea")])
        cursor.execute(
            "INSERT INTO common_change (kind, payload, number, created_at)"
            " VALUES ('member.saved', '{}', %s, now() - interval '1 hour')",
            [number("bea")],
        )
    refresh()
    other.commit()
    other.close()
    assert first_overlay(active()).barred == {number("bea")}


@pytest.mark.parametrize("said", [{}, {"position": 2**62}], ids=["from before", "of another server"])
def test_a_snapshot_that_says_no_position_of_this_feed_is_followed_by_the_clock(
    market: Market, said: dict[str, int]
) -> None:
    refresh()
    changed("bea", status="paused")
    assert number("bea") in first_overlay(replace(active(), manifest=said)).barred


KINDS = 9  # of changes below
CHANGED_EACH = 334  # in each of three turns, and as many join


def crowd(first: int, n: int, markets: list[Market]) -> list[Member]:
    """Members at random of one seed by their first number."""
    draw = np.random.default_rng(first)
    return Member.objects.bulk_create([
        Member(
            external_id=f"m{i}", display_name="M", status="active", birth_date=date(1970 + i % 30, 1, 31),
            gender=("woman", "man")[i % 2], seeking=[["woman"], ["man"], ["woman", "man"]][draw.integers(3)],
            age_min=int(draw.integers(18, 30)), age_max=int(draw.integers(40, 60)),
            joined_at=clock.now(), home_market=markets[i // 2 % 2], home_cell=cell_of(51.5, -0.12),
        )
        for i in range(first, first + n)
    ])  # fmt: skip


def change(numbers: np.ndarray, markets: list[Market], *, turn: int) -> None:
    """A change for everybody, of each kind for a ninth, set-wise and as the feed tells it; others join."""
    numbers = np.roll(numbers, turn)
    edits: list[dict[str, Any]] = [
        {"age_min": 35, "age_max": 45}, {"seeking": ["woman"]}, {"home_market": markets[0]},
        {"current_market": markets[1]}, {"status": "paused"}, {"visibility": "hidden"},
        {"stopped_at": clock.now()}, {"intents": ["long_term"]},
    ]  # fmt: skip
    for kind, values in enumerate(edits):
        some = numbers[kind::KINDS].tolist()
        Member.objects.filter(number__in=some).update(**values)
        record_changes("member.saved", some)
    erased = numbers[KINDS - 1 :: KINDS].tolist()
    Member.objects.filter(number__in=erased).delete()
    record_changes("member.erased", erased)
    joined = crowd(100_000 * (turn + 1), len(numbers) // KINDS, markets)
    record_changes("member.saved", [member.number for member in joined])


def eligible_to(world: World, surface: str, viewer: int) -> list[int] | None:
    """Sorted numbers; None: they are given no list."""
    assert world.snapshot is not None
    row = None if viewer in world.overlay.barred else world.viewer_row(surface, viewer)
    if row is None:
        return None
    request = Request(
        snapshot=world.snapshot, surface=surface, params=PipelineParams(lineup="people"), limit=10, seed=1,
        viewer=Viewer(row, excluded=np.array(sorted(blocked_numbers(viewer)), "i4")),
        now=clock.now().timestamp(),
        newcomers=world.overlay.newcomers.get(surface), stale=world.overlay.stale.get(surface, NOBODY),
        gone=world.overlay.gone_sorted.get("member", NOBODY),
    )  # fmt: skip
    return sorted(find_eligible(request)[0].numbers.tolist())


def caught_up(overlay: Overlay, snapshot: Snapshot) -> Overlay:
    """As a process polls, 5,000 changes at a time."""
    while (after := followed(overlay, snapshot)) is not overlay:
        overlay = after
    return overlay


def active() -> Snapshot:
    return open_snapshot(snapshot_folder(active_snapshot_id() or ""))


@pytest.mark.slow  # three refreshes of some thousand members: it compares whole markets
def test_10_000_changes_before_during_and_after_a_refresh_come_to_what_a_fresh_snapshot_says(
    market: Market,
) -> None:
    markets = [market, make_market("paris", (48.85, 2.35))]
    numbers = np.array([member.number for member in crowd(0, KINDS * CHANGED_EACH, markets)])
    refresh()
    old, overlaid = active(), Overlay(position=latest_position())
    before = Change.objects.count()
    change(numbers, markets, turn=0)
    overlaid = caught_up(overlaid, old)

    def meanwhile(said: str) -> None:
        if said.startswith("reading"):  # it has read: what comes now is not in it
            change(numbers, markets, turn=1)
            decide(Member(number=numbers[1]), Member(number=numbers[3]), "blocked", surface="")

    refresh(progress=meanwhile)
    new = active()
    loaded = first_overlay(new)
    change(numbers, markets, turn=2)
    assert Change.objects.count() - before >= 10_000
    worlds = [World(snapshot=s, overlay=caught_up(o, s)) for s, o in ((old, overlaid), (new, loaded))]
    refresh()
    last = active()
    fresh = World(snapshot=last, overlay=Overlay())

    draw, shown, found = np.random.default_rng(1), last.surfaces["dating"].viewers["number"], 0
    for viewer in draw.choice(shown, 40, replace=False).tolist():
        for surface in ("dating", "networking"):
            expected = eligible_to(fresh, surface, viewer)
            found += len(expected or ())
            for world in worlds:
                assert eligible_to(world, surface, viewer) == expected
    assert found > 1000
    active_now = Member.objects.filter(status="active", stopped_at=None).values_list("number", flat=True)
    for viewer in sorted(set(numbers.tolist()) - set(active_now))[::50]:
        assert [eligible_to(world, "dating", viewer) for world in worlds] == [None, None]
