"""What a profile said before an edit is kept, by whatever path the edit comes, and learning joins it."""

from datetime import date, timedelta

import pytest
from django.db import connection

from apps.common import clock, geo
from apps.learning.as_of import Earlier
from apps.members.models import EarlierProfile, Member
from apps.members.services import patch_member
from apps.pipeline.table import Table
from apps.places.models import Place
from apps.refresh import columns
from apps.refresh.build import _earlier
from tests.refresh.rows import TODAY, make_market, make_member, make_place

pytestmark = pytest.mark.django_db

WORDS = {
    "crafts": ("acting", "writing"),
    "skills": (),
    "industries": ("film",),
    "interests": ("chess", "golf"),
}


def earlier() -> tuple[Earlier, Table]:
    """As the refresh hands them to learning, beside today's table."""
    markets = columns.market_entries()
    today = columns.member_table(markets=markets, vocabulary=WORDS, today=TODAY)
    until = clock.now() + timedelta(hours=1)
    return _earlier(today, columns.earlier_profiles(until, markets=markets, vocabulary=WORDS)), today


def test_every_edited_fact_is_what_it_was_and_the_rest_is_of_today() -> None:
    london, paris = make_market(), make_market("paris", (48.86, 2.35))
    ann = make_member(
        "ann",
        london,
        crafts=["acting"],
        industries=["film"],
        interests={"chess": 1},
        home_cell=geo.cell_of(51.6, 0.0),
    )
    make_member("bob", london)
    before = columns.member_table(
        [ann.number], markets=columns.market_entries(), vocabulary=WORDS, today=TODAY
    )
    Member.objects.filter(pk=ann.pk).update(
        crafts=["writing"], industries=[], interests={"golf": 1}, birth_date=date(1970, 1, 1),
        home_market=paris, home_cell=geo.cell_of(48.8, 2.3), age_max=50,
    )  # fmt: skip
    found, today = earlier()
    assert len(found) == 1
    for name, column in found.table.columns.items():
        of = today.gather(found.row) if name == "age_max" else before
        assert column.tolist() == of[name].tolist(), name


def test_only_an_edit_of_such_a_fact_is_kept_whatever_path_it_takes() -> None:
    ann = make_member("ann", make_market(), crafts=["acting"])
    patch_member("ann", {"display_name": "Ann", "bio": "New", "age_max": 60})
    ann.refresh_from_db()
    ann.save()
    assert not EarlierProfile.objects.exists()
    patch_member("ann", {"crafts": ["writing"]})
    with connection.cursor() as cursor:
        cursor.execute("UPDATE members_member SET skills = '{juggling}'")
    kept = EarlierProfile.objects.order_by("id").values_list("member", "crafts", "skills")
    assert list(kept) == [(ann.number, ["acting"], []), (ann.number, ["writing"], [])]


def test_every_edited_fact_of_a_place_is_what_it_was() -> None:
    london, paris = make_market(), make_market("paris", (48.86, 2.35))
    bar = make_place("bar", london, category="bar", tags=["quiet"], price_band=2)
    markets, words = columns.market_entries(), {"categories": ("bar", "cafe"), "tags": ("quiet", "loud")}
    before = columns.place_table(markets=markets, vocabulary=words, today=TODAY)
    Place.objects.filter(pk=bar.pk).update(is_open=False, name="The Bar")  # no such fact
    Place.objects.filter(pk=bar.pk).update(
        category="cafe", tags=["loud"], price_band=None, market=paris, cell=geo.cell_of(48.8, 2.3)
    )
    today = columns.place_table(markets=markets, vocabulary=words, today=TODAY)
    until = clock.now() + timedelta(hours=1)
    found = _earlier(today, columns.earlier_places(until, markets=markets, vocabulary=words))
    assert len(found) == 1
    for name, column in found.table.columns.items():
        assert column.tolist() == (today if name == "is_open" else before)[name].tolist(), name


def test_of_a_member_who_is_kept_no_more_nothing_is_joined() -> None:
    make_member("ann", make_market())
    gone = make_member("gone", status="paused", crafts=["acting"])
    Member.objects.filter(pk=gone.pk).update(crafts=[])
    found, _ = earlier()
    assert len(found) == 0
