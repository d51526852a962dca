"""Why somebody is not shown: every kind of reason, made for real, with the change that would show them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import uuid4

import pytest

from apps.common import clock
from apps.common.clock import now
from apps.common.geo import cell_of
from apps.common.hashing import in_share
from apps.console.inspect.why_not import STAGES
from apps.delivery.reasons import EXPLANATIONS
from apps.delivery.runtime import Runtime
from apps.delivery.services import EXPLAINED_LIMIT, explain, recommend
from apps.interactions.bodies import EventBody
from apps.interactions.online import Effect, apply
from apps.interactions.services import erase_member, record_events
from apps.members.models import Member
from apps.members.services import patch_member
from apps.pipeline.filters.rules import RULES
from apps.pipeline.lineup import PEOPLE
from apps.places.models import Place
from apps.refresh.services import refresh
from apps.releases.params import holdout_seed
from tests.delivery.conftest import number
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


def far() -> None:
    changed("bea", home_cell=cell_of(51.2, 0.4))


def elsewhere() -> None:
    changed("bea", home_market=make_market("rome", (41.9, 12.5)))


def too_old_for_him() -> None:
    changed("adam", age_max=40)
    changed("bea", birth_date=date(1950, 1, 1))


def too_far(who: str) -> None:
    changed(who, max_distance_km=1)
    far()


def delivered(_: Runtime) -> None:
    assert "bea" in [item["id"] for item in recommend(surface="dating", member="adam", limit=5)["items"]]


def capped(serving: Runtime, change: Callable[[], Callable[[dict], object]]) -> None:
    """The first of two others sees her, and she is at her cap."""
    publish(serving, change())
    london = Member.objects.get(external_id="adam").home_market
    for name in ("brad", "carl"):
        make_member(name, london, gender="man", seeking=["woman"])
        serving.poll(wait=True)
        recommend(surface="dating", member=name, limit=5)


def no_source(serving: Runtime) -> None:
    publish(serving, with_rules(quotas=dict.fromkeys(PEOPLE.quotas, 0)))


def buried() -> None:
    london = Member.objects.get(external_id="adam").home_market
    for i in range(EXPLAINED_LIMIT):
        make_member(f"other{i}", london, birth_date=date(1999, 1, 1))


def bury_her(serving: Runtime) -> None:
    over_30 = {"attribute": "age", "operator": "at_least", "value": 30}
    publish(serving, with_rules(rule("bury", "bury", effect={"factor": 0.25}, candidates=over_30)))


def suspended(_: Runtime) -> None:
    patch_member("adam", {"status": "suspended"})


def other_month() -> int:
    """Half a year from now."""
    return (clock.today().month + 5) % 12 + 1


def nothing(*_: Runtime) -> None:
    pass


HELD_OUT = next(name for i in range(999) if in_share(holdout_seed("dating"), name := f"held{i}", 0.1))
NOT_TOLD = {
    "shown": False, "stage": "filters", "code": "not_told", "rank": None, "change": [], "waterfall": None,
    "sentence": "Not shown, for a reason that is one side's secret.",
}  # fmt: skip
EXCLUDED = "Related, blocked either way, held, or seen and cooling down."
GONE = "Hidden, stopped, erased or not active since the snapshot."
UNKNOWN = "Neither in the snapshot nor a newcomer: not active, hidden, or changed just now."
CAPPED = "Was shown as often as an exposure cap allows for now."


@dataclass(frozen=True)
class Kind:
    """A kind of reason: how it comes about before the refresh and after, and all that must be said of it.
    `secret`: it is one side's, and staff without that right read "not told"."""

    stage: str
    code: str
    sentence: str
    change: tuple[tuple[str, str, object, object], ...] = ()  # of, field, from, to
    secret: bool = False
    because: tuple[str, ...] = ()
    before: Callable[[], object] = nothing
    since: Callable[[Runtime], object] = nothing
    candidate: str = "bea"
    surface: str = "dating"
    viewer: str = "adam"


def excluded(kind: str, actor: str, target: str, because: str, *change: tuple[str, str, int, int]) -> Kind:
    return Kind(
        "filters", "excluded", EXCLUDED, change, secret=True, because=(because,),
        since=lambda _: event(kind, actor, target),
    )  # fmt: skip


def seen_under_a_rule(serving: Runtime) -> None:
    """Ten days ago: only a rule still keeps her away."""
    publish(serving, with_rules(rule("rest", "cooldown", effect={"days": 30})))
    saw = Effect(
        "impression", "", number("adam"), number("bea"), "member", "dating", now() - timedelta(days=10)
    )
    apply([saw])


def drawn() -> None:
    """More than are shown, for a viewer of the hold-out."""
    buried()
    london = Member.objects.get(external_id="adam").home_market
    make_member(HELD_OUT, london, gender="man", seeking=["woman"])
    for i in range(200):
        make_member(f"more{i}", london, birth_date=date(1999, 1, 1))


def by_lot(serving: Runtime) -> None:
    publish(serving, with_rules(random_share=0.1))


KINDS = {
    "herself": Kind("filters", "self", "Nobody is shown to themselves.", secret=True, candidate="adam"),
    "she looks for women": Kind(
        "filters", "gender_sought_by_candidate", "The candidate does not look for the viewer's gender.",
        (("candidate", "seeking", ("woman",), ("woman", "man")),), secret=True,
        before=lambda: changed("bea", seeking=["woman"]),
    ),
    "he looks for men": Kind(
        "filters", "gender_sought_by_viewer", "The viewer does not look for the candidate's gender.",
        (("viewer", "seeking", ("man",), ("woman", "man")),), secret=True,
        before=lambda: changed("adam", seeking=["man"]),
    ),
    "she is too old for him": Kind(
        "filters", "age_range_of_viewer", "The candidate's age is outside the viewer's range.",
        (("viewer", "age_max", 40, 76),), secret=True, before=too_old_for_him,
    ),
    "he is too old for her": Kind(
        "filters", "age_range_of_candidate", "The viewer's age is outside the candidate's range.",
        (("candidate", "age_max", 20, 36),), secret=True, before=lambda: changed("bea", age_max=20),
    ),
    "she is here for other things": Kind(
        "filters", "intents", "They share no intent that counts on this surface.",
        (("candidate", "intents", (), ("long_term",)),), before=lambda: changed("bea", intents=["mentor"]),
    ),
    "she lives too far for him": Kind(
        "filters", "distance_of_viewer", "Further away than the viewer accepts.",
        (("viewer", "max_distance", 1, 52),), secret=True, before=lambda: too_far("adam"),
    ),
    "he lives too far for her": Kind(
        "filters", "distance_of_candidate", "Further away than the candidate accepts.",
        (("candidate", "max_distance", 1, 52),), secret=True, before=lambda: too_far("bea"),
    ),
    "she lives elsewhere": Kind(
        "filters", "other_market", "The candidate is not in the market that the viewer draws from.",
        (("viewer", "market", "london", "rome"),), before=elsewhere,
    ),
    "she is a minor": Kind("snapshot", "unknown", UNKNOWN, candidate="minor"),
    "he blocked her": excluded("block", "adam", "bea", "blocked"),
    "she blocked him": excluded("block", "bea", "adam", "blocked"),
    "he passed on her": excluded("pass", "adam", "bea", "related"),
    "he likes her already": excluded("like", "adam", "bea", "related"),
    "he saw her": excluded("impression", "adam", "bea", "seen", ("policy", "cooldown_days", 3, 0)),
    "he saw her, and a rule keeps her away for longer": Kind(
        "filters", "excluded", EXCLUDED, (("policy", "rules.rest.days", 30, 10),), secret=True,
        because=("seen",), since=seen_under_a_rule,
    ),
    "the lot left her out": Kind(
        "random_order", "not_drawn",
        "The viewer is in the hold-out, whose lists are drawn by lot: this draw left them out.",
        viewer=HELD_OUT, before=drawn, since=by_lot,
    ),
    "she was just delivered": Kind(
        "filters", "excluded", EXCLUDED, secret=True, because=("held",), since=delivered
    ),
    "she hid herself": Kind(
        "filters", "gone", GONE, secret=True, since=lambda _: patch_member("bea", {"visibility": "hidden"})
    ),
    "she paused": Kind(
        "filters", "gone", GONE, secret=True, since=lambda _: patch_member("bea", {"status": "paused"})
    ),
    "the viewer may not look": Kind(
        "filters", "viewer_not_eligible", "The viewer may not be given lists now.", since=suspended
    ),
    "the place closed": Kind(
        "filters", "closed", "The place is not open for business.",
        (("candidate", "is_open", False, True),), candidate="bar", surface="travel",
        before=lambda: Place.objects.filter(external_id="bar").update(is_open=False),
    ),
    "the place is out of season": Kind(
        "filters", "out_of_season", "The place is closed in the months when the viewer is there.",
        (("candidate", "open_months", [other_month()], sorted([clock.today().month, other_month()])),),
        candidate="bar", surface="travel",
        before=lambda: Place.objects.filter(external_id="bar").update(open_months=[other_month()]),
    ),
    "no source has a quota": Kind(
        "retrieval", "not_proposed", "Eligible, but no source proposed them within its quota.",
        (("policy", "quotas.nearest", 0, 1),), since=no_source,
    ),
    "a knob caps her": Kind(
        "cap", "capped", CAPPED, (("policy", "daily_cap", 1, 2),),
        since=lambda serving: capped(serving, lambda: with_rules(daily_cap=1)),
    ),
    "a knob caps her by the hour": Kind(
        "cap", "capped", CAPPED, (("policy", "hourly_cap", 1, 2),),
        since=lambda serving: capped(serving, lambda: with_rules(hourly_cap=1)),
    ),
    "a rule caps her": Kind(
        "cap", "capped", CAPPED, (("policy", "rules.rest.daily", 1, 2),),
        since=lambda serving: capped(
            serving, lambda: with_rules(rule("rest", "cap", effect={"daily": 1, "hourly": 0}))
        ),
    ),
    "a rule buries her": Kind(
        "ranking", "below_the_list", "Eligible and ranked, but below the end of the list.",
        (("policy", "score", 0.0672, 0.2689),), before=buried, since=bury_her,
    ),
}  # fmt: skip


def rounded(value: object) -> object:
    return round(value, 4) if isinstance(value, float) else value


def asked(candidate: str, *, private: bool, surface: str = "dating", viewer: str = "adam") -> dict:
    return explain(surface=surface, viewer=viewer, candidate=candidate, private=private)


def test_every_stage_and_every_code_that_can_be_met_is_in_the_table():
    assert len(KINDS) >= 12
    assert {kind.stage for kind in KINDS.values()} == {*STAGES} - {"shown", "reranking"}
    met = {kind.code for kind in KINDS.values()}
    assert {rule.name for rule in RULES} - met == {"not_adult"}  # no snapshot holds a minor: unknown
    by_rerankers = {f"lost_to_{one.name}" for one in PEOPLE.rerankers}  # see tests.pipeline.test_explain
    elsewhere = {"no_room", "lost_to_trips"}  # see tests.pipeline.retrieval.test_room and test_trips
    assert {*EXPLANATIONS} - met == {"shown", "not_told"} | by_rerankers | elsewhere


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_why_not_says_stage_code_sentence_and_the_smallest_change_and_keeps_secrets(
    serving: Runtime, kind: Kind
):
    kind.before()
    if kind.before is not nothing:
        refresh()
    serving.poll(wait=True)
    kind.since(serving)
    serving.poll(wait=True)
    told = asked(kind.candidate, private=True, surface=kind.surface, viewer=kind.viewer)
    assert not told["shown"]
    assert (told["stage"], told["code"], told["sentence"]) == (kind.stage, kind.code, kind.sentence)
    assert tuple(told.get("because", ())) == kind.because
    assert tuple(tuple(map(rounded, change.values())) for change in told["change"]) == kind.change
    plain = asked(kind.candidate, private=False, surface=kind.surface, viewer=kind.viewer)
    if kind.secret:
        told.pop("because", None)
        assert plain == told | NOT_TOLD
    else:
        assert plain == told


def test_secrets_of_different_kinds_can_not_be_told_apart(serving: Runtime):
    event("block", "bea", "adam")
    event("pass", "adam", "cleo")
    patch_member("dora", {"visibility": "hidden"})
    serving.poll(wait=True)
    told = [{**asked(name, private=False), "candidate": ""} for name in ("bea", "cleo", "dora")]
    assert told[0] == told[1] == told[2]


def test_somebody_shown_is_told_with_their_place_and_score(serving: Runtime):
    publish(serving, with_rules())
    told = asked("bea", private=False)
    assert (told["shown"], told["stage"]) == (True, "shown")
    assert 1 <= told["rank"] <= 5
    assert told["waterfall"]


def test_an_erased_member_and_a_stranger_are_no_candidates(serving: Runtime):
    from apps.common.errors import NotFound

    erase_member("bea")
    serving.poll(wait=True)
    for name in ("bea", "nobody"):
        with pytest.raises(NotFound):
            asked(name, private=True)


def test_while_caps_bite_everybody_is_explained_as_they_are_served(serving: Runtime):
    """Forty are at their cap, half of whom nobody refused so far: more than a list is long."""
    buried()
    publish(serving, with_rules(daily_cap=1))
    london, women = Member.objects.get(external_id="adam").home_market, []
    for i in range(20):
        make_member(f"more{i}", london, birth_date=date(1999, 1, 1))
    for name in ("brad", "carl"):
        make_member(name, london, gender="man", seeking=["woman"])
    refresh()
    serving.poll(wait=True)
    for name in ("brad", "carl"):
        women += [
            item["id"] for item in recommend(surface="dating", member=name, limit=EXPLAINED_LIMIT)["items"]
        ]
    serving.poll(wait=True)
    served = [
        item["id"] for item in recommend(surface="dating", member="adam", limit=100, dry_run=True)["items"]
    ]
    assert len(women) == 2 * EXPLAINED_LIMIT
    assert 0 < len(served) <= EXPLAINED_LIMIT
    assert not {*served} & {*women}
    said = {name: asked(name, private=True) for name in [*served, *women]}
    assert {name: said[name]["code"] for name in served} == dict.fromkeys(served, "shown")
    assert {said[name]["stage"] for name in women} == {"cap"}
    assert all(said[name]["change"] for name in women)
