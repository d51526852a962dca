"""59,946 real profiles, refreshed and served: lists hold only eligible people, by an independent check."""

from __future__ import annotations

import os
import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from apps.members.models import Member
from apps.members.services import patch_member

DATA = os.environ.get("RAYA_RECS_DATA", "")
pytestmark = [pytest.mark.data, pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def check(surface: str, **options: Any) -> tuple[int, int, int]:
    """Viewers, shown, short lists; a violation or a wrong shortfall would have raised."""
    out = StringIO()
    call_command("check_eligibility", surface=surface, limit=100, stdout=out, **options)
    assert "0 violations, 0 wrong answers" in out.getvalue()
    found = re.search(r"(\d+) viewers, (\d+) shown, (\d+) short lists", out.getvalue())
    assert found is not None
    viewers, shown, short = (int(group) for group in found.groups())
    return viewers, shown, short


def test_lists_of_real_profiles_are_eligible_and_short_ones_say_so_rightly() -> None:
    path = Path(DATA) / "okcupid_profiles_revised.csv.gz"
    call_command("load_dataset", "okcupid", str(path), stdout=StringIO(), stderr=StringIO())
    particular = list(Member.objects.filter(status="active").order_by("number")[:20])
    for age, member in zip(range(58, 68), particular[:10], strict=True):
        patch_member(member.external_id, {"age_min": age, "age_max": age})
    for member in particular[10:]:
        patch_member(member.external_id, {"max_distance_km": 1, "age_min": 40, "age_max": 45})
    call_command("refresh", stdout=StringIO())
    for surface in ("dating", "networking"):
        viewers, shown, _ = check(surface, viewers=200)
        assert viewers == 200
        assert shown > 15_000
    _, _, short = check("dating", member=[member.external_id for member in particular])
    assert short >= 5
