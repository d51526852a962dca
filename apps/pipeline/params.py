"""Parameters are values: what a release says for one surface and one viewer, frozen.

Built once per release by apps.releases from the typed schema of apps.policies; stages never look anything up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property


@dataclass(frozen=True)
class Widths:
    """How many candidates the costly stages of one request may take; whoever asks chooses before the run."""

    heavy: int = 120  # of the best, by the light ranker, that the heavy ranker scores; 0: none
    retrieved: int = 0  # room for those whom all sources together propose; 0: for all of them


FULL = Widths()


@dataclass(frozen=True)
class PipelineParams:
    """All that the stages of one surface may be told.

    Units are in the knobs' sentences (apps.policies.knobs).
    """

    lineup: str = "people"  # a name in lineup.py
    reciprocity: str = "harmonic"  # Phi: harmonic | product | geometric | viewer_only
    reciprocity_weight: float = 0.5  # weight of q = p(candidate likes viewer) against p; 0.5: even
    weights: Mapping[str, float] = field(default_factory=dict)  # by feature name, in Phi's units
    heavy_width: int = 0  # the heavy ranker looks at so many of the light one's best; 0: at nobody
    # most candidates a source may propose; 0: source off
    quotas: Mapping[str, int] = field(default_factory=dict)
    room: int = 0  # for so many of those whom all sources together propose; 0: for all of them
    # by source: how much its candidates count where the room is too small; 1: like the others'
    source_weights: Mapping[str, float] = field(default_factory=dict)
    source_shares: Mapping[str, float] = field(default_factory=dict)  # of the room, kept for its candidates
    source_budgets: Mapping[str, float] = field(default_factory=dict)  # ms of a request; 0: no limit
    diversity: float = 0.0  # 0: by score alone; 1: by difference alone
    industry_window: int = 0  # of 5 places in a row at most so many of one industry; 0: no limit
    craft_window: int = 0
    category_window: int = 0
    exploration: float = 0.0  # share of positions filled by a random draw from the ranked pool
    random_order: bool = False  # this viewer is one of the few who get a uniformly random eligible order
    daily_cap: int = 0  # exposures of one candidate per rolling 24 hours; 0: no cap (held by delivery)
    hourly_cap: int = 0  # ... in 60 minutes; 0: no cap
    hold_minutes: int = 30  # held by delivery
    cooldown_days: int = 3  # held by delivery
    session_reach: float = 0.0  # how far recent deeds move the taste, in its own length; 0: not at all
    session_half_life: int = 2  # hours after which a like or pass counts half
    less_half_life: int = 14  # days after which "less like this" counts half
    fatigue_half_life: int = 14  # days after which having been seen counts half
    inbox_full: int = 40  # unread likes that fill an inbox
    presence_hours: int = 24  # how long somebody counts as recently active
    newcomer_subsidy: float = 0.0  # off a newcomer's price, in Phi's units, until they were shown
    newcomer_stop: int = 50  # so often: it falls evenly to 0
    trips_share: float = 0.0  # share of a list of places that is for coming trips; 0: none
    trips_days: int = 14  # how many days ahead a trip may begin
    likes_share: float = 0.0  # share of places for people who liked the viewer
    disabled_stages: frozenset[str] = frozenset()  # stage names switched off (ablation)

    @cached_property
    def weighed(self) -> Mapping[str, float]:
        """The weights that move a score: none when features are switched off."""
        if "features" in self.disabled_stages:
            return {}
        weights = {name: float(weight) for name, weight in self.weights.items()}
        return {name: weight for name, weight in weights.items() if weight and math.isfinite(weight)}
