from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from apps.common import geo
from apps.pipeline.table import Table
from apps.places.models import CuratedList, CuratedListItem
from apps.refresh import columns
from tests.refresh.rows import TODAY, make_market, make_member, make_place

pytestmark = pytest.mark.django_db


def table_of(numbers: list[int] | None = None, **options: object) -> Table:
    words = columns.vocabulary(today=TODAY)
    return columns.member_table(
        numbers, markets=columns.market_entries(), vocabulary=words, today=TODAY, **options
    )


def test_one_member_becomes_one_row_of_numbers() -> None:
    cell = geo.cell_of(51.6, -0.12)
    member = make_member(
        "ada",
        make_market(),
        seeking=["man", "nonbinary"],
        intents=["long_term", "friends"],
        home_cell=cell,
        age_min=30,
        age_max=45,
        max_distance_km=25,
        industries=["film"],
        interests={"jazz": 0.5, "golf": 0},
        last_active_at=datetime(1970, 1, 2, 1, 30, tzinfo=UTC),
    )

    table = table_of()

    row = {name: column[0] for name, column in table.columns.items()}
    assert (row["number"], row["market"]) == (member.number, 0)
    assert (row["gender"], row["seeking"], row["intents"]) == (1, 0b110, 0b1001)
    assert (row["birth_date"], row["age_min"], row["age_max"], row["max_distance"]) == (19900131, 30, 45, 25)
    assert (row["industries"], row["crafts"]) == (1, 0)
    assert row["joined_day"] == (date(2026, 1, 1) - date(1970, 1, 1)).days
    assert row["active_hour"] == 25
    north = (geo.centre_of(cell)[0] - 51.5) * geo.KM_PER_DEGREE
    assert row["y"] == round(north * 100)


def test_an_interest_of_weight_zero_is_none() -> None:
    make_member("ada", interests={"jazz": 0.5, "golf": 0})
    words = {"interests": ("golf", "jazz")}
    table = columns.member_table(markets=(), vocabulary=words, today=TODAY)
    assert table["interests"].tolist() == [0b10]


def test_who_names_no_intent_is_open_to_all_and_who_has_no_home_has_no_market() -> None:
    make_member("ada")
    table = table_of()
    assert table["intents"].tolist() == [0xFFFF]
    assert (table["market"][0], table["x"][0], table["y"][0]) == (-1, 0, 0)


@pytest.mark.parametrize(
    "state",
    [
        {"status": "applicant"},
        {"status": "paused"},
        {"visibility": "hidden"},
        {"stopped_at": datetime(2026, 1, 1, tzinfo=UTC)},
        {"birth_date": None},
        {"birth_date": TODAY.replace(year=TODAY.year - 18) + timedelta(days=1)},
    ],
)
def test_nobody_who_may_not_be_shown_is_a_candidate(state: dict[str, object]) -> None:
    member = make_member("ada", **state)
    assert len(table_of()) == 0
    assert len(table_of([member.number])) == 0
    assert len(table_of([member.number], who="anyone")) == 1


def test_who_turns_18_today_is_a_candidate() -> None:
    make_member("ada", birth_date=TODAY.replace(year=TODAY.year - 18))
    assert len(table_of()) == 1


def test_a_hidden_member_may_look_but_is_no_candidate() -> None:
    make_member("ada", visibility="hidden")
    assert len(table_of(who="active")) == 1


def test_a_word_keeps_its_bit_while_it_is_frequent() -> None:
    assert columns.keep_bits(["new", "film", "music"], ("music", "gone", "film")) == ("music", "new", "film")
    assert columns.keep_bits(["film"], ("music", "film")) == ("film",)


def test_the_vocabulary_is_the_most_frequent_64_words_of_those_who_are_shown() -> None:
    for i in range(70):
        make_member(f"m{i}", industries=[f"w{i:02d}", "film"])
    make_member("hidden", visibility="hidden", industries=["secret"])

    words = columns.vocabulary(today=TODAY)["industries"]

    assert len(words) == 64
    assert words[0] == "film"
    assert "secret" not in words


def test_a_place_has_its_category_tags_and_best_rank_in_live_lists() -> None:
    market = make_market()
    places = [make_place(name, market, tags=["late"], price_band=3) for name in ("a", "b", "c")]
    make_place("closed", market, is_open=False)
    make_place("hidden", market, visibility="hidden")
    live = CuratedList.objects.create(
        external_id="l", title="L", owner="Editors", starts_on=TODAY, ends_on=TODAY
    )
    over = CuratedList.objects.create(
        external_id="o",
        title="O",
        owner="Editors",
        starts_on=TODAY - timedelta(9),
        ends_on=TODAY - timedelta(1),
    )
    CuratedListItem.objects.create(curated_list=live, place=places[1], position=1)
    CuratedListItem.objects.create(curated_list=live, place=places[0], position=2)
    CuratedListItem.objects.create(curated_list=over, place=places[2], position=1)

    words = columns.vocabulary(today=TODAY)
    table = columns.place_table(markets=columns.market_entries(), vocabulary=words, today=TODAY)

    by_number = np.argsort(table["number"])
    assert table["curated"][by_number].tolist() == [0.5, 1.0, 0.0, 0.0]
    assert table["is_open"][by_number].tolist() == [1, 1, 1, 0]
    assert table["tags"][by_number].tolist() == [1, 1, 1, 0]
    assert table["price_band"][by_number].tolist() == [3, 3, 3, 0]
    assert set(table["category"].tolist()) == {0}
