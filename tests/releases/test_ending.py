"""What ends within three days is mailed once and stands on Today: rules, flags, experiments, releases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail

from apps.common.clock import now
from apps.console.waiting import waiting
from apps.releases import services
from apps.releases.ending import tell_what_ends_soon
from apps.releases.models import ReleaseEnd
from apps.releases.notices import send_notices
from tests.policies.examples import experiment, flag, rule
from tests.releases.people import an_approver

pytestmark = pytest.mark.django_db


def published(changes: dict[str, Any], days: float | None = None) -> None:
    draft = services.edit_revision(services.start_revision(actor=None), 1, changes)
    ends_at = None if days is None else now() + timedelta(days=days)
    services.publish_revision(draft, actor=None, note="", ends_at=ends_at)


def dates(days: float) -> dict[str, str]:
    starts, ends = (f"{now() + timedelta(days=d):%Y-%m-%dT%H:%M:%SZ}" for d in (-9, days))
    return {"starts_at": starts, "ends_at": ends}


CASES: list[tuple[str, Callable[[float], None], str, str]] = [
    ("rule", lambda d: published({"dating.rules": [rule(**dates(d))]}), "The rule Newcomers on dating",
     "/admin/tune/rules/"),
    ("flag", lambda d: published({"flags": [flag(**dates(d))]}), "The flag Bolder", "/admin/tune/flags/"),
    ("experiment", lambda d: published({"experiments": [experiment(**dates(d))]}),
     "The experiment More spread", "/admin/tune/experiments/"),
    ("release", lambda d: published({"dating.diversity": 0.6}, d), "Release 2", "/admin/releases/2/"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "title", "page"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_what_ends_within_three_days_stands_on_today_and_is_mailed_once(make, title, page):
    an_approver()
    make(2.9)
    (one,) = waiting()
    assert (one.mark, one.title, one.address) == ("ends soon", title, page)
    assert [tell_what_ends_soon(), tell_what_ends_soon()] == [1, 0]
    assert send_notices() == 1
    assert (mail.outbox[0].subject, mail.outbox[0].to) == (f"{title} ends soon", ["ann@example.org"])
    assert f"{one.at:%d %b %Y %H:%M} UTC" in mail.outbox[0].body


@pytest.mark.parametrize(("make", "title"), [c[1:3] for c in CASES], ids=[c[0] for c in CASES])
def test_what_ends_later_is_not_mailed_and_only_a_release_stands_on_today(make, title):
    make(3.1)
    assert tell_what_ends_soon() == 0
    stands = [("ends by itself", title)] if title == "Release 2" else []
    assert [(one.mark, one.title) for one in waiting()] == stands


def test_an_end_that_was_moved_is_told_again_and_one_that_takes_nothing_away_is_not():
    published({"dating.diversity": 0.6}, 1)
    assert tell_what_ends_soon() == 1
    end = ReleaseEnd.objects.get()
    services.move_end(end.release, actor=None, at=now() + timedelta(days=2), seen=end.at)
    assert tell_what_ends_soon() == 1
    published({"dating.diversity": 0.7})
    assert (tell_what_ends_soon(), waiting()) == (0, [])
