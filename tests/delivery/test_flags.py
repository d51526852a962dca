"""Flags for the app: typed values by a pure hash, switched off at once, without asking Postgres."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.common.errors import NotFound
from apps.delivery.flags import flags_of
from apps.delivery.runtime import Runtime
from apps.interactions.services import erase_member
from apps.releases import services
from tests.delivery.publishing import in_days
from tests.policies.examples import flag, segment


def a_flag(key: str, **values: Any) -> dict[str, Any]:
    times = {"starts_at": in_days(-1), "ends_at": in_days(9)}
    return flag(key=key, percentage=100.0, surface=None, overrides={}, **(times | values))


def publish(serving: Runtime, *flags: dict[str, Any], **parts: Any) -> None:
    draft = services.start_revision(actor=None)
    draft = services.edit_revision(draft, 1, {"flags": list(flags), **parts})
    services.publish_revision(draft, actor=None, note="")
    serving.poll(wait=True)


def test_values_have_their_types_and_a_killed_flag_is_off_at_once(serving):
    text = a_flag("said", type="text", on="hi", off="")
    publish(serving, a_flag("all"), a_flag("none", type="number", on=2, off=1) | {"percentage": 0.0}, text)
    assert flags_of("adam") == {
        "member": "adam",
        "release": 2,
        "flags": {"all": True, "none": 1, "said": "hi"},
    }
    services.switch_off("flag", "all", actor=None, reason="x")
    serving.poll(wait=True)
    assert flags_of("adam")["flags"]["all"] is False
    services.lift("flag", "all", actor=None)
    serving.poll(wait=True)
    assert flags_of("adam")["flags"]["all"] is True


def test_a_segment_decides_and_nothing_is_asked_of_postgres(serving):
    old = segment(condition={"attribute": "age", "operator": "at_least", "value": 90})
    publish(serving, a_flag("everybody"), a_flag("old", segments=["grown"]), segments=[old])
    serving.stop()
    with CaptureQueriesContext(connection) as queries:
        assert flags_of("adam")["flags"] == {"everybody": True, "old": False}
    assert len(queries) == 0


def test_an_unknown_and_an_erased_member_are_not_found(serving):
    publish(serving, a_flag("all"))
    with pytest.raises(NotFound):
        flags_of("nobody")
    erase_member("adam")
    serving.poll(wait=True)
    with pytest.raises(NotFound):
        flags_of("adam")
