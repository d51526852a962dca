"""Staff pages in the reader's time zone, which a cookie names; the API stays in UTC whatever it is sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from apps.common import clock
from apps.common.models import AuditEntry
from apps.console.time_zone import readers_zone
from apps.policies.fields import moment
from apps.releases import services
from apps.releases.models import Revision
from tests.console.test_rules import address, form_of, said, save
from tests.policies.examples import experiment, flag, rule

pytestmark = pytest.mark.django_db
PARIS, KOLKATA = "Europe/Paris", "Asia/Kolkata"


@pytest.fixture
def draft(editor: Client) -> Revision:
    return services.start_revision(actor=None)


def zone_within(path: str, cookie: str, **posted: str) -> str:
    """The zone that is active while a request is answered."""
    seen = []

    def answer(_: object) -> HttpResponse:
        seen.append(timezone.get_current_timezone_name())
        return HttpResponse()

    requests = RequestFactory()
    request = requests.post(path, posted) if posted else requests.get(path)
    request.COOKIES["zone"] = cookie
    readers_zone(answer)(request)
    assert timezone.get_current_timezone_name() == "UTC", "the next request of this thread starts anew"
    return seen[0]


@pytest.mark.parametrize(
    ("path", "cookie", "zone"),
    [
        ("/admin/", PARIS, PARIS),
        ("/admin/releases/", KOLKATA, KOLKATA),
        ("/admin/", "", "UTC"),
        ("/admin/", "Mars/Olympus", "UTC"),
        ("/admin/", "../../etc/passwd", "UTC"),
        ("/admin/", "Paris\x00", "UTC"),
        ("/admin/", "<script>", "UTC"),
        ("/api/v1/recommendations", PARIS, "UTC"),
        ("/metrics", PARIS, "UTC"),
    ],
)
def test_the_cookie_counts_on_staff_pages_alone_and_only_when_it_names_a_zone(path, cookie, zone):
    assert zone_within(path, cookie) == zone


def test_a_form_is_read_in_the_zone_it_was_drawn_in():
    assert zone_within("/admin/", KOLKATA, zone=PARIS) == PARIS
    assert zone_within("/admin/", KOLKATA, zone="nonsense") == KOLKATA


@pytest.mark.parametrize("zone", ["UTC", PARIS, "America/New_York", KOLKATA, "Australia/Lord_Howe"])
@pytest.mark.parametrize(
    ("starts_at", "ends_at"),
    [
        ("2026-06-01T00:00:00Z", "2026-07-01T00:00:00Z"),
        ("2026-06-01T00:00:07Z", "2026-07-01T23:59:59Z"),  # with seconds
        ("2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"),  # 02:30 in Paris, both times
        ("2026-03-29T00:59:59Z", "2026-03-29T01:00:00Z"),  # a second on the clocks there, and an hour
        ("2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"),  # 01:30 in New York, both times
    ],
)
def test_an_entry_opened_and_saved_unchanged_keeps_its_times(editor, draft, zone, starts_at, ends_at):
    times = {"starts_at": starts_at, "ends_at": ends_at}
    parts = {"dating.rules": [rule(**times)], "flags": [flag(**times)], "experiments": [experiment(**times)]}
    before = services.edit_revision(draft, draft.version, parts).content
    editor.cookies["zone"] = zone
    for part, name in (("rules", "newcomers"), ("flags", "bolder"), ("experiments", "spread")):
        assert save(editor, address(draft, part, name), anyway="1").status_code == 302
    draft.refresh_from_db()
    assert draft.content == before


def test_a_rule_begins_when_the_readers_clock_says_so(editor, draft):
    editor.cookies["zone"] = PARIS
    page = editor.get(address(draft, "rules")).content.decode()
    assert "Starts (Europe/Paris)" in page
    assert 'name="zone" value="Europe/Paris"' in page
    starts, ends = clock.today() + timedelta(days=5), clock.today() + timedelta(days=35)
    times = {"starts_at": f"{starts}T10:00", "ends_at": f"{ends}T10:00:30"}
    save(editor, address(draft, "rules"), id="a", name="A", reason="b", **times)
    (found,) = said(draft, "rules")
    for day, told in ((starts, found["starts_at"]), (ends, found["ends_at"])):
        there = datetime.fromisoformat(told).astimezone(ZoneInfo(PARIS))
        assert (there.date(), there.hour, told[-1]) == (day, 10, "Z")
    assert found["starts_at"] < f"{starts}T10", "Paris is ahead of UTC"
    listed = editor.get(reverse("admin:draft_entries", args=[draft.pk, "rules"])).content.decode()
    assert f"{starts:%d %b %Y} 10:00 to {ends:%d %b %Y} 10:00" in listed


@pytest.mark.parametrize(
    ("ends_at", "sentence"),
    [("2027-03-28T02:30", "This hour is skipped"), ("2026-10-25T02:30", "This hour comes twice")],
)
def test_an_hour_that_clocks_skip_or_repeat_is_refused_beside_its_field(editor, draft, ends_at, sentence):
    editor.cookies["zone"] = PARIS
    values = {"id": "a", "name": "A", "reason": "b", "starts_at": "2026-10-01T10:00", "ends_at": ends_at}
    answer = save(editor, address(draft, "rules"), **values)
    assert answer.status_code == 422
    refused = {one.path: one.refusal for one in answer.context["form"].fields if one.refusal}
    assert list(refused) == ["ends_at"]
    assert sentence in refused["ends_at"]
    assert said(draft, "rules") == []


def test_a_new_entry_begins_at_the_readers_next_full_hour(editor, draft):
    editor.cookies["zone"] = "Asia/Kathmandu"
    assert form_of(editor, address(draft, "rules"))["starts_at"].endswith(":00")
    assert form_of(editor, address(draft, "rules"))["ends_at"].endswith(":00")


def test_a_draft_is_scheduled_by_the_readers_clock(approver):
    draft = services.edit_revision(services.start_revision(actor=None), 1, {"dating.diversity": 0.2})
    approver.cookies["zone"] = KOLKATA
    year = datetime.now(UTC).year + 1
    posted = {"version": draft.version, "how": "later", "at": f"{year}-01-02T03:00", "note": "At night"}
    said = approver.post(
        reverse("admin:draft_publish", args=[draft.pk]), posted, follow=True
    ).content.decode()
    draft.refresh_from_db()
    assert draft.publish_at == moment(f"{year - 1}-01-01T21:30:00Z").replace(year=year)
    assert f"02 Jan {year} 03:00 (Asia/Kolkata)" in said


def test_a_time_that_is_none_says_so_and_blames_nobody(approver):
    draft = services.edit_revision(services.start_revision(actor=None), 1, {"dating.diversity": 0.2})
    approver.cookies["zone"] = PARIS
    posted = {"version": draft.version, "how": "later", "at": "2027-03-28T02:30", "note": "At night"}
    page = approver.post(reverse("admin:draft_publish", args=[draft.pk]), posted).content.decode()
    assert "Say when. This hour is skipped on that day in Europe/Paris" in page
    assert "Nothing was saved or published." in page
    assert "Somebody was faster" not in page


def test_lists_and_headings_tell_the_readers_time(approver):
    entry = AuditEntry.objects.create(
        at=datetime(2026, 11, 24, 22, 15, tzinfo=UTC),
        actor_name="ann",
        action="release.tried",
        subject="release 1",
        after={"at": "2026-11-24T23:30:00+00:00"},
    )
    approver.cookies["zone"] = KOLKATA
    listed = approver.get(reverse("admin:common_auditentry_changelist")).content.decode()
    assert "25 Nov 2026 03:45:00" in listed
    one = approver.get(reverse("admin:common_auditentry_change", args=[entry.pk])).content.decode()
    assert "25 Nov 2026 03:45:00" in one, "the heading"
    assert "25 Nov 2026 05:00</time>" in one, "a moment among the values"
    assert "Asia/Kolkata; 24 Nov 2026 23:30 UTC" in one, "and its hint"
