"""Times in the reader's zone: written, typed and read back, where clocks are turned too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from apps.common.local_time import LocalTimeInvalid, parse_typed, typed, written, zone_of

PARIS = "Europe/Paris"


@pytest.mark.parametrize(
    ("zone", "text", "utc"),
    [
        ("UTC", "2026-11-24T10:00", "2026-11-24T10:00:00"),
        (PARIS, "2026-11-24T10:00", "2026-11-24T09:00:00"),
        (PARIS, "2026-07-24T10:00", "2026-07-24T08:00:00"),
        ("America/New_York", "2026-11-24T20:30", "2026-11-25T01:30:00"),
        ("Asia/Kathmandu", "2026-11-24T00:15", "2026-11-23T18:30:00"),
        ("Pacific/Kiritimati", "2026-11-24T00:00", "2026-11-23T10:00:00"),
        ("Australia/Lord_Howe", "2026-12-01T11:00", "2026-12-01T00:00:00"),
        (PARIS, "2026-03-29T01:59", "2026-03-29T00:59:00"),  # the last minute before the gap
        (PARIS, "2026-03-29T03:00", "2026-03-29T01:00:00"),  # the first after it
        (PARIS, "2026-10-25T01:59", "2026-10-24T23:59:00"),
        (PARIS, "2026-10-25T03:00", "2026-10-25T02:00:00"),
        (PARIS, "2026-11-24T10:00+05:30", "2026-11-24T04:30:00"),  # its own offset counts
        (PARIS, "2026-11-24T10:00:07", "2026-11-24T09:00:07"),
    ],
)
def test_what_is_typed_is_read_in_the_readers_zone(zone, text, utc):
    with timezone.override(zone_of(zone)):
        assert parse_typed(text) == datetime.fromisoformat(utc).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "text", "sentence"),
    [
        (PARIS, "2026-03-29T02:30", "This hour is skipped on that day in Europe/Paris"),
        (PARIS, "2026-10-25T02:30", "This hour comes twice on that day in Europe/Paris"),
        ("America/New_York", "2026-03-08T02:00", "This hour is skipped"),
        ("America/New_York", "2026-11-01T01:00", "This hour comes twice"),
        ("Australia/Lord_Howe", "2026-10-04T02:15", "This hour is skipped"),  # half an hour
        ("Pacific/Apia", "2011-12-30T12:00", "This hour is skipped"),  # a whole day
        (PARIS, "", "This is no date and time."),
        (PARIS, "tomorrow", "This is no date and time."),
        (PARIS, "0001-01-01T00:00", "This is no date and time."),
        (PARIS, "9999-12-31T23:59-23:00", "This is no date and time."),
    ],
)
def test_what_is_no_one_moment_is_refused_with_the_reason(zone, text, sentence):
    with timezone.override(zone_of(zone)), pytest.raises(LocalTimeInvalid, match=sentence):
        parse_typed(text)


@pytest.mark.parametrize(
    "name",
    [
        None,
        "",
        "Mars/Olympus",
        "../../etc/passwd",
        "/etc/localtime",
        "Europe",
        "europe/paris",
        "UTC\x00",
        "x" * 5000,
    ],
)
def test_a_name_that_is_no_zone_is_none(name):
    assert zone_of(name) is None


def test_times_are_written_in_the_zone_with_the_day_that_it_is_there():
    at = datetime(2026, 11, 24, 23, 30, 5, tzinfo=UTC)
    with timezone.override(zone_of(PARIS)):
        assert written(at) == "25 Nov 2026 00:30"
        assert written(at, with_seconds=True) == "25 Nov 2026 00:30:05"
        assert typed(at) == "2026-11-25T00:30:05"
    assert written(at) == "24 Nov 2026 23:30", "UTC where no page set a zone"


@given(
    st.integers(0, 40 * 365 * 24 * 3600),
    st.sampled_from([PARIS, "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Casablanca"]),
)
def test_what_a_field_shows_reads_back_as_the_same_moment_or_comes_twice(after, zone):
    at = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=after)
    with timezone.override(zone_of(zone)):
        first, second = (timezone.localtime(at).replace(fold=fold).utcoffset() for fold in (0, 1))
        if first == second:
            assert parse_typed(typed(at)) == at
        else:
            with pytest.raises(LocalTimeInvalid, match="comes twice"):
                parse_typed(typed(at))
