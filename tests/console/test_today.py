"""The figures of the first page, worked out by hand."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest

from apps.console.figures import draw, marks, nice_top, runs
from apps.console.roles import ensure_roles, ensure_staff
from apps.console.today import daily_figures, with_zeros
from apps.interactions.daily import count_days, count_since, first_uncounted
from apps.interactions.models import DailyFigure, Delivery, Event, Relationship
from apps.interactions.partitions import ensure_partitions

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = NOON.date()
LIKES, MATCHES = "How many likes are there a day?", "How many matches do a hundred lists lead to?"
EMPTY, GINI = "How many lists come back empty?", "How unevenly are people shown?"


def delivered(*candidates: int, surface: str = "dating", at: datetime = NOON) -> Delivery:
    some = [1.0] * len(candidates)
    return Delivery(
        id=uuid.uuid4(),
        served_at=at,
        viewer=1,
        surface=surface,
        release=1,
        snapshot="s",
        seed=1,
        requested=5,
        candidates=list(candidates),
        scores=some,
        propensities=some,
        sources=[1] * len(candidates),
    )


def happened(type_: str, surface: str = "dating") -> Event:
    return Event(
        id=uuid.uuid4(),
        type=type_,
        actor=1,
        target=2,
        target_kind="member",
        surface=surface,
        occurred_at=NOON,
        received_at=NOON,
    )


def figures() -> dict[str, dict[tuple[str, date], float]]:
    """As the page shows them, once the days are counted."""
    count_since(DAY - timedelta(days=3))
    return {question: values for question, _, values, _ in daily_figures(DailyFigure.objects.all())}


@pytest.fixture
def _months(db) -> None:
    for table in ("interactions_event", "interactions_delivery"):
        ensure_partitions(table, [NOON, NOON - timedelta(days=40)])


@pytest.mark.usefixtures("_months")
def test_likes_and_saves_are_counted_by_surface_and_day():
    Event.objects.bulk_create(
        [
            *[happened("like")] * 0,
            happened("like"),
            happened("like"),
            happened("pass"),
            happened("save", "travel"),
        ]
    )
    likes = {key: n for key, n in figures()[LIKES].items() if key[1] <= DAY}
    assert likes == {("dating", DAY): 2, ("travel", DAY): 1}


def test_a_day_without_a_like_is_a_zero_and_not_a_gap(time_machine):
    time_machine.move_to(NOON)
    before = {("dating", DAY - timedelta(days=2)): 4.0}
    zeros = {("dating", DAY - timedelta(days=i)): 0.0 for i in range(2)}
    assert with_zeros(before) == before | zeros


@pytest.mark.usefixtures("_months")
def test_four_lists_one_match_and_one_empty_list():
    Delivery.objects.bulk_create([delivered(2), delivered(3), delivered(4), delivered()])
    for actor, target in ((1, 2), (2, 1)):
        Relationship.objects.create(
            actor=actor,
            target=target,
            target_kind="member",
            surface="dating",
            state="matched",
            decided_at=NOON,
            decided_by=uuid.uuid4(),
        )
    assert figures()[MATCHES] == {("dating", DAY): 25.0}
    assert figures()[EMPTY] == {("dating", DAY): 0.25}


@pytest.mark.usefixtures("_months")
def test_gini_is_zero_when_all_are_shown_alike_and_a_quarter_for_one_and_three():
    # Shown once and three times: 2 * (1*1 + 2*3) / (2*4) - 3/2 = 1.75 - 1.5 = 0.25.
    Delivery.objects.bulk_create(
        [delivered(7, 8), delivered(8), delivered(8), delivered(5, 6, surface="networking")]
    )
    gini = figures()[GINI]
    assert gini[("dating", DAY)] == pytest.approx(0.25)
    assert gini[("networking", DAY)] == pytest.approx(0)


@pytest.mark.usefixtures("_months")
def test_what_lies_before_the_window_is_left_out():
    Delivery.objects.bulk_create([delivered(2, at=NOON - timedelta(days=40))])
    assert figures()[EMPTY] == {}


@pytest.mark.usefixtures("_months")
def test_counting_asks_one_statement_a_figure_however_many_days(django_assert_num_queries):
    Delivery.objects.bulk_create([delivered(2, at=NOON - timedelta(days=days)) for days in range(3)])
    with django_assert_num_queries(5):  # and one that writes
        assert count_since(DAY - timedelta(days=20)) == 3


@pytest.mark.usefixtures("_months")
def test_a_day_counted_again_is_corrected_and_stands_once():
    Delivery.objects.bulk_create([delivered(2)])
    assert figures()[EMPTY] == {("dating", DAY): 0.0}
    Delivery.objects.bulk_create([delivered()])
    assert figures()[EMPTY] == {("dating", DAY): 0.5}
    assert DailyFigure.objects.count() == 1


@pytest.mark.usefixtures("_months")
def test_counting_goes_on_from_the_day_before_the_last_one(time_machine):
    time_machine.move_to(NOON)
    assert first_uncounted() == DAY - timedelta(days=29), "nothing is counted yet"
    Delivery.objects.bulk_create([delivered(2, at=NOON - timedelta(days=days)) for days in (0, 1, 5)])
    assert count_days() == 3
    assert first_uncounted() == DAY - timedelta(days=1)
    time_machine.move_to(NOON + timedelta(days=4))
    assert first_uncounted() == DAY - timedelta(days=1), "what was slept through is caught up with"
    time_machine.move_to(NOON + timedelta(days=90))
    assert first_uncounted() == DAY + timedelta(days=61), "never more than the page shows"


def test_a_chart_answers_with_two_whole_weeks():
    days = [DAY - timedelta(days=29 - i) for i in range(30)]
    values = {("dating", day): 10.0 if day > DAY - timedelta(days=8) else 4.0 for day in days}
    values["dating", DAY] = 1.0  # today is not over
    (line,) = draw("Q", "S", values, [SimpleNamespace(key="dating", name="Dating")], days, []).series
    assert (line.week, line.before) == ("10", "4")


@pytest.mark.parametrize(
    ("highest", "top"), [(0, 1), (0.07, 0.1), (1, 1), (1.2, 2), (34, 50), (500, 500), (501, 1000)]
)
def test_an_axis_ends_at_one_two_or_five(highest, top):
    assert nice_top(highest) == pytest.approx(top)


def test_a_day_without_a_value_breaks_the_line():
    assert runs([0.0, 1.0, None, 1.0, 0.5], 1.0) == ("0.00,100.00 25.00,0.00", "75.00,0.00 100.00,50.00")


def test_a_chart_leaves_out_a_surface_without_values_but_keeps_its_colour_free():
    surfaces = [SimpleNamespace(key=key, name=key.title()) for key in ("dating", "networking", "travel")]
    chart = draw("T", "S", {("travel", DAY): 3.0}, surfaces, [DAY - timedelta(days=1), DAY], [])
    assert [(line.name, line.colour, line.cells) for line in chart.series] == [("Travel", 3, ("–", "3"))]


def test_of_releases_on_one_spot_the_last_is_marked():
    days = [DAY - timedelta(days=29 - i) for i in range(30)]
    published = [
        SimpleNamespace(number=n, note="", published_at=NOON - timedelta(minutes=10 - n)) for n in (2, 3)
    ]
    early = SimpleNamespace(number=1, note="", published_at=NOON - timedelta(days=20))
    found = marks([early, *published], days)
    assert [mark.number for mark in found] == [1, 3]
    assert found[0].left == pytest.approx(100 * 9 / 29, abs=0.01)


@pytest.mark.django_db
def test_roles_are_made_once_and_only_approvers_may_publish():
    ensure_roles()
    editor, approver = ensure_staff("e", "p" * 12, "editor"), ensure_staff("a", "p" * 12, "approver")
    assert not editor.has_perm("releases.publish_release")
    assert approver.has_perm("releases.publish_release")
    assert editor.has_perm("releases.change_revision")
    assert not approver.has_perm("auth.change_user")
