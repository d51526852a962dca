"""The eligibility rules and sets, as data: what each rule says, its reason code, and which set applies it.

The compiled predicates (predicates.py) and the numpy oracle (oracle.py) both follow it. A rule is never
switched off by a policy; only a set names its rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from apps.pipeline.vocabulary import ALL_INTENTS, DATING_INTENTS, NETWORKING_INTENTS


@dataclass(frozen=True)
class Rule:
    """Why somebody may not be shown. `private`: the reason, once told, gives away one side's secret."""

    code: int  # its bit in the predicates' answer; of several refusals the lowest code is told first
    name: str
    sentence: str
    private: bool = False


RULES = (
    Rule(1, "self", "Nobody is shown to themselves."),
    Rule(2, "gone", "Hidden, stopped, erased or not active since the snapshot.", private=True),
    Rule(3, "excluded", "Related, blocked either way, held, or seen and cooling down.", private=True),
    Rule(4, "other_market", "The candidate is not in the market that the viewer draws from."),
    Rule(5, "closed", "The place is not open for business."),
    Rule(6, "not_adult", "One of the two is under 18, or has no birth date."),
    Rule(7, "gender_sought_by_viewer", "The viewer does not look for the candidate's gender.", private=True),
    Rule(
        8, "gender_sought_by_candidate", "The candidate does not look for the viewer's gender.", private=True
    ),
    Rule(9, "intents", "They share no intent that counts on this surface."),
    Rule(10, "age_range_of_viewer", "The candidate's age is outside the viewer's range.", private=True),
    Rule(11, "age_range_of_candidate", "The viewer's age is outside the candidate's range.", private=True),
    Rule(12, "distance_of_viewer", "Further away than the viewer accepts.", private=True),
    Rule(13, "distance_of_candidate", "Further away than the candidate accepts.", private=True),
    Rule(14, "out_of_season", "The place is closed in the months when the viewer is there."),
)
CODE: Mapping[str, int] = {rule.name: rule.code for rule in RULES}


@dataclass(frozen=True)
class EligibilitySet:
    """The rules of a kind of surface."""

    name: str
    kind: str
    rules: tuple[str, ...]
    intents: int = 0  # which intents count

    @cached_property
    def bits(self) -> int:
        """The rules as a set of codes: bit c stands for the rule of code c."""
        return sum(1 << CODE[name] for name in self.rules)


_EVERYWHERE = ("gone", "excluded", "other_market", "not_adult")
_BOTH_DISTANCES = ("distance_of_viewer", "distance_of_candidate")

ELIGIBILITY: Mapping[str, EligibilitySet] = {
    "dating": EligibilitySet(
        "dating",
        "member",
        (
            "self",
            *_EVERYWHERE,
            "gender_sought_by_viewer",
            "gender_sought_by_candidate",
            "intents",
            "age_range_of_viewer",
            "age_range_of_candidate",
            *_BOTH_DISTANCES,
        ),
        DATING_INTENTS,
    ),
    "networking": EligibilitySet(
        "networking", "member", ("self", *_EVERYWHERE, "intents", *_BOTH_DISTANCES), NETWORKING_INTENTS
    ),
    "travel": EligibilitySet("travel", "place", ("closed", "out_of_season", *_EVERYWHERE), ALL_INTENTS),
}
