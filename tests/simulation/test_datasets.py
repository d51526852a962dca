"""The public data sets, loaded whole through the services."""

import gzip
import os
from datetime import timedelta
from io import StringIO
from itertools import islice
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from apps.common import clock
from apps.interactions.models import Event, Relationship
from apps.members.models import Member
from apps.members.selectors import shown_condition
from apps.places.models import Place
from apps.surfaces.models import Market

DATA = os.environ.get("RAYA_RECS_DATA", "")
data = [pytest.mark.data, pytest.mark.django_db]
MATCHES = 980  # the sum of the file's column `match`, which says it for both sides


def load(name: str, path: Path) -> str:
    out = StringIO()
    call_command("load_dataset", name, str(path), stdout=out, stderr=StringIO())
    return out.getvalue()


class TestSpeedDating:
    pytestmark = data

    def test_16_waves_become_markets_decisions_and_matches_and_again_changes_nothing(self) -> None:
        first = load("speed_dating", Path(DATA))
        assert "members: 396 created" in first
        assert "events: 5,658 accepted" in first
        assert Market.objects.filter(key__startswith="wave-").count() == 16
        assert Event.objects.filter(type="like").count() + Event.objects.filter(type="pass").count() == 5658
        assert Relationship.objects.filter(state="matched").count() == MATCHES
        before = sorted(Relationship.objects.values_list("actor", "target", "state", "decided_by"))
        assert "events: 5,658 duplicate" in load("speed_dating", Path(DATA))
        assert sorted(Relationship.objects.values_list("actor", "target", "state", "decided_by")) == before


class TestOkCupid:
    pytestmark = data

    @pytest.mark.slow
    def test_all_profiles_are_members_of_one_market(self) -> None:
        assert "members: 59,946 created" in load("okcupid", Path(DATA) / "okcupid_profiles_revised.csv.gz")
        assert Member.objects.filter(status="active", home_market__key="san-francisco").count() == 59946
        eighteen_years = timedelta(days=18 * 365 + 4)  # at least four of them are leap years
        minors = Member.objects.filter(birth_date__gt=clock.today() - eighteen_years)
        assert not minors.filter(shown_condition()).exists()
        assert Member.objects.filter(gender="woman", seeking=["woman"]).exists()
        assert not Member.objects.filter(skills__contains=["&"]).exists()


class TestFoursquare:
    pytestmark = data

    @pytest.mark.slow
    def test_places_visits_and_saves(self, tmp_path: Path) -> None:
        """All places, and the first 1,000 check-ins of each part."""
        for name, rows in (("poiCoos", None), ("train", 1000), ("tune", 1000), ("test", 1000)):
            with gzip.open(Path(DATA) / "foursquare" / f"{name}.txt.gz", "rt") as file:
                (tmp_path / f"{name}.txt").write_text("".join(islice(file, rows)))
        load("foursquare", tmp_path)
        assert Place.objects.count() == 28483
        assert Event.objects.filter(type="visit").count() == 3000
        assert Event.objects.filter(type="save").count() == Relationship.objects.count() > 0
        assert not Member.objects.filter(shown_condition()).exists()


def test_another_file_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "okcupid_profiles_revised.csv").write_text("a,b\n1,2\n")
    with pytest.raises(CommandError, match="not the speed_dating data"):
        call_command("load_dataset", "speed_dating", str(tmp_path))
