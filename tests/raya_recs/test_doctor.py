"""The doctor's line on the promises says what the alerts say."""

from __future__ import annotations

import time

import pytest

from apps.common.valkey import background_client
from apps.delivery.overshoot import FOUND
from apps.releases.models import LiveRelease, Release
from apps.releases.selectors import live_release
from raya_recs.doctor import Finding, findings

pytestmark = pytest.mark.django_db


def promises() -> Finding:
    return next(finding for finding in findings() if finding.name == "Promises")


def test_all_is_kept() -> None:
    assert promises() == Finding("Promises", True, "kept; 0 deliveries on their way to Postgres")


def test_what_was_broken_is_counted() -> None:
    first = live_release()
    smuggled = Release.objects.create(number=99, content=first.content, digest=first.digest, note="x")
    LiveRelease.objects.update(candidate=smuggled, candidate_percentage=1)
    background_client().set(FOUND, f"3:{time.time()}")
    found = promises()
    assert not found.good
    assert "1 live releases that nobody allowed, 3 candidates shown more often" in found.detail


def test_deliveries_that_wait_too_long_need_a_worker() -> None:
    background_client().xadd("o:deliveries", {"p": b"{}"}, id=f"{int(time.time() * 1000) - 90_000}-0")
    assert "1 deliveries wait for the copier" in promises().detail
