"""Why somebody is not shown: every kind of reason, made for real, with the change that would show them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from uuid import uuid4

import pytest

from apps.common.clock import now
from apps.delivery.runtime import Runtime
from apps.delivery.services import explain, recommend
from apps.interactions.bodies import EventBody
from apps.interactions.services import erase_member, record_events
from apps.members.models import Member
from apps.members.services import patch_member
from apps.places.models import Place
from apps.refresh.services import refresh
from tests.delivery.publishing import publish, rule, with_rules
from tests.refresh.rows import make_market, make_member


def event(kind: str, actor: str, target: str) -> None:
    body = EventBody.model_validate(
        {"id": str(uuid4()), "type": kind, "actor": actor, "target": target, "surface": "dating",
         "occurred_at": now().isoformat()}
    )  # fmt: skip
    assert record_events([body], now=now())[0].status == "accepted"


def changed(name: str, **values: object) -> None:
    Member.objects.filter(external_id=name).update(**values)


def nothing() -> None:
    pass


def too_old_for_him() -> None:
    changed("adam", age_max=40)
    changed("bea", birth_date=date(1950, 1, 1))


Case = tuple[str, Callable[[], None], str, bool]
# (what happened, how it comes about before the refresh, code, whether it is one side's secret)
BEFORE: list[Case] = [
    ("herself", nothing, "self", True),  # other rules refuse as well, and some of them are secrets
    ("she looks for women", lambda: changed("bea", seeking=["woman"]), "gender_sought_by_candidate", True),
    ("he looks for men", lambda: changed("adam", seeking=["man"]), "gender_sought_by_viewer", True),
    ("she is too old for him", too_old_for_him, "age_range_of_viewer", True),
    ("he is too old for her", lambda: changed("bea", age_max=20), "age_range_of_candidate", True),
    ("she is here for other things", lambda: changed("bea", intents=["mentor"]), "intents", False),
    ("she lives too far for him", lambda: far(), "distance_of_viewer", True),
    ("she is a minor", lambda: changed("bea", birth_date=date(2015, 1, 1)), "unknown", False),
    ("she lives elsewhere", lambda: elsewhere(), "other_market", False),
]
# (... after it)
AFTER: list[Case] = [
    ("he blocked her", lambda: event("block", "adam", "bea"), "excluded", True),
    ("she blocked him", lambda: event("block", "bea", "adam"), "excluded", True),
    ("he passed on her", lambda: event("pass", "adam", "bea"), "excluded", True),
    ("he likes her already", lambda: event("like", "adam", "bea"), "excluded", True),
    ("he saw her", lambda: event("impression", "adam", "bea"), "excluded", True),
    ("she was just delivered", lambda: delivered(), "excluded", True),
    ("she hid herself", lambda: patch_member("bea", {"visibility": "hidden"}), "gone", True),
    ("she paused", lambda: patch_member("bea", {"status": "paused"}), "gone", True),
]


def far() -> None:
    changed("adam", max_distance_km=1)
    changed("bea", home_cell=far_cell())


def far_cell() -> int:
    from apps.common.geo import cell_of

    return cell_of(51.2, 0.4)


def elsewhere() -> None:
    rome = make_market("rome", (41.9, 12.5))
    changed("bea", home_market=rome)


def delivered() -> None:
    assert "bea" in [item["id"] for item in recommend(surface="dating", member="adam", limit=5)["items"]]


def asked(candidate: str, *, private: bool, surface: str = "dating") -> dict:
    return explain(surface=surface, viewer="adam", candidate=candidate, private=private)


def held_against(code: str, secret: bool, candidate: str = "bea") -> None:
    """The code for those who may know, and nothing that gives a secret away for those who may not."""
    told = asked(candidate, private=True)
    assert (told["shown"], told["code"]) == (False, code)
    plain = asked(candidate, private=False)
    if secret:
        assert (plain["code"], plain["change"], plain["waterfall"]) == ("not_told", [], None)
        assert "because" not in plain
    else:
        assert plain["code"] == code


@pytest.mark.parametrize(("make", "code", "secret"), [c[1:] for c in BEFORE], ids=[c[0] for c in BEFORE])
def test_what_the_snapshot_knows(serving: Runtime, make, code, secret):
    make()
    refresh()
    serving.poll(wait=True)
    held_against(code, secret, "adam" if code == "self" else "bea")


@pytest.mark.parametrize(("make", "code", "secret"), [c[1:] for c in AFTER], ids=[c[0] for c in AFTER])
def test_what_happened_since(serving: Runtime, make, code, secret):
    make()
    serving.poll(wait=True)
    held_against(code, secret)


def test_secrets_of_different_kinds_can_not_be_told_apart(serving: Runtime):
    event("block", "bea", "adam")
    event("pass", "adam", "cleo")
    patch_member("dora", {"visibility": "hidden"})
    serving.poll(wait=True)
    told = [{**asked(name, private=False), "candidate": ""} for name in ("bea", "cleo", "dora")]
    assert told[0] == told[1] == told[2]


@pytest.mark.parametrize("by_rule", [False, True])
def test_a_cap_is_named_whether_a_knob_or_a_rule_says_it(serving: Runtime, by_rule):
    cap = rule("rest", "cap", effect={"daily": 1, "hourly": 0})
    publish(serving, with_rules(cap) if by_rule else with_rules(daily_cap=1))
    london = Member.objects.get(external_id="adam").home_market
    for name in ("brad", "carl"):  # the first sees her, the second meets her at her cap
        make_member(name, london, gender="man", seeking=["woman"])
        serving.poll(wait=True)
        recommend(surface="dating", member=name, limit=5)
    serving.poll(wait=True)
    assert (asked("bea", private=False)["stage"], asked("bea", private=False)["code"]) == ("cap", "capped")


def test_a_source_without_quota_proposes_nobody(serving: Runtime):
    names = ("nearest", "liked_you", "friends_of_friends", "newcomers", "recently_active")
    publish(serving, with_rules(quotas=dict.fromkeys(names, 0)))
    told = asked("bea", private=False)
    assert (told["shown"], told["code"]) == (False, "not_proposed")


def test_somebody_shown_is_told_with_their_place_and_score(serving: Runtime):
    publish(serving, with_rules())
    told = asked("bea", private=False)
    assert (told["shown"], told["stage"]) == (True, "shown")
    assert 1 <= told["rank"] <= 5
    assert told["waterfall"]


def test_a_place_that_closed_and_one_that_went(serving: Runtime):
    Place.objects.filter(external_id="bar").update(is_open=False)
    refresh()
    serving.poll(wait=True)
    assert asked("bar", private=False, surface="travel")["code"] == "closed"


def test_an_erased_member_and_a_stranger_are_no_candidates(serving: Runtime):
    from apps.common.errors import NotFound

    erase_member("bea")
    serving.poll(wait=True)
    for name in ("bea", "nobody"):
        with pytest.raises(NotFound):
            asked(name, private=True)


def test_a_viewer_who_may_not_look_is_told_as_such(serving: Runtime):
    patch_member("adam", {"status": "suspended"})
    serving.poll(wait=True)
    assert asked("bea", private=False)["code"] == "viewer_not_eligible"
