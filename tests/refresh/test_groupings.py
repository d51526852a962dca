"""By whom predictions are judged: in words, and by gender only where the surface itself asks for it."""

from apps.refresh.groupings import groupings_of
from apps.surfaces.models import Surface
from tests.pipeline.markets import member_table

MARKETS = [{"name": "Lisbon"}, {"name": "Paris"}]
MEMBERS = member_table(
    [
        {"market": 1, "gender": 1, "seeking": 2},
        {"market": 0, "gender": 2, "seeking": 1 | 4},
        {"market": -1, "gender": 0, "seeking": 0},
    ]
)


def said(surface: Surface) -> dict[str, list[str]]:
    found = groupings_of(MEMBERS, surface, MARKETS)
    return {kind: [one.words[code] for code in one.of.tolist()] for kind, one in found.items()}


def test_home_markets_have_their_names_and_whoever_has_none_says_so() -> None:
    networking = Surface(key="networking", kind="member", eligibility="networking")
    assert said(networking) == {"home market": ["Paris", "Lisbon", "none"]}


def test_gender_counts_only_where_the_surface_asks_for_it() -> None:
    dating = Surface(key="dating", kind="member", eligibility="dating")
    assert said(dating)["gender and seeking"] == [
        "woman seeking man",
        "man seeking woman or nonbinary",
        "unsaid seeking unsaid",
    ]
    travel = Surface(key="travel", kind="place", eligibility="travel")
    assert "gender and seeking" not in said(travel)
