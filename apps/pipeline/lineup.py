"""The line-ups: which stages run for a kind of surface, in which order. Data only; run.py walks it.

The knobs for quotas are made from `sources`, those for weights from `features`. What is named in `STAGES`
can be switched off by `params.disabled_stages`, to see what it is worth; a filter can't.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from apps.pipeline.contracts import Request
from apps.pipeline.features.registry import FEATURES, Feature
from apps.pipeline.reranking.diversity import diversify
from apps.pipeline.reranking.exploration import explore
from apps.pipeline.reranking.likes import mix_in_likes
from apps.pipeline.reranking.order import Reranker
from apps.pipeline.reranking.placements import place
from apps.pipeline.reranking.windows import keep_windows
from apps.pipeline.retrieval import people, spots
from apps.pipeline.retrieval.eligible import Source

PINNED = 100  # most pins that are looked up


@dataclass(frozen=True)
class LineUp:
    """One way from everybody eligible to a list. The place of a source is its bit in Pool.sources."""

    name: str
    kind: str  # of the candidates: member or place
    sources: tuple[Source, ...]
    filters: tuple[str, ...]  # eligibility sets it serves; the surface says which applies
    features: Mapping[str, Feature]
    rerankers: tuple[Reranker, ...]

    @property
    def quotas(self) -> Mapping[str, int]:
        """Where the knobs of the sources start."""
        return {source.name: source.quota for source in self.sources if source is not PINNED_SOURCE}


# What staff's rules ask for is no guess that may be left out for want of time.
PINNED_SOURCE = Source(
    "pinned", "Those whom rules pin, when they are eligible.", PINNED, people.pinned, budget=0.0
)

RERANKERS = (
    Reranker("diversity", "Spreads those who are alike.", diversify),
    Reranker("windows", "Keeps a few places in a row from sharing too much.", keep_windows),
    Reranker("placements", "Gives places of the list to rules: slots, shares and pins.", place),
    Reranker(
        "likes", "Gives some places to people who liked the viewer, so that nobody can tell.", mix_in_likes
    ),
    Reranker("exploration", "Gives some positions to candidates from just below the list.", explore),
)

PEOPLE = LineUp(
    name="people",
    kind="member",
    sources=(
        Source(
            "nearest",
            "Members whose taste and looks fit the viewer's, both ways.",
            300,
            people.nearest,
            "fit",
        ),
        Source("liked_you", "Members who liked the viewer and wait for an answer.", 100, people.liked_you),
        Source(
            "friends_of_friends",
            "Members who share a connection with the viewer.",
            0,
            people.friends_of_friends,
        ),
        Source("newcomers", "Members who joined in the last two weeks.", 60, people.newcomers, "joined_day"),
        Source("recently_active", "Members who were active last.", 0, people.recently_active, "active_hour"),
        PINNED_SOURCE,
        Source(
            "pagerank",
            "Members whom a walk over connections and matches reaches most often; from the refresh on that "
            "comes after a draft or a release asks for it.",
            0,
            people.pagerank,
        ),
        Source(
            "adamic_adar",
            "Members who share a connection with the viewer, those who know few others first.",
            0,
            people.adamic_adar,
        ),
    ),
    filters=("dating", "networking"),
    features=FEATURES["member"],
    rerankers=RERANKERS,
)

PLACES = LineUp(
    name="places",
    kind="place",
    sources=(
        Source(
            "nearby",
            "Places close to the viewer's home, or to the centre when away.",
            100,
            spots.nearby,
            "nearness",
        ),
        Source("taste", "Places that fit what the viewer has saved.", 200, spots.taste, "fit"),
        Source("curated", "Places on a curated list.", 100, spots.curated, "curated"),
        Source("friends_saved", "Places that the viewer's connections saved.", 0, spots.friends_saved),
        PINNED_SOURCE,
        Source(
            "alike",
            "Places where others went who went where the viewer did.",
            50,
            spots.alike,
            before=0,
        ),
    ),
    filters=("travel",),
    features=FEATURES["place"],
    rerankers=RERANKERS,
)

LINEUPS: Mapping[str, LineUp] = {lineup.name: lineup for lineup in (PEOPLE, PLACES)}

# Also switches: no learnt p and q; the light ranker's for all; Phi is p alone; no rule multiplies it; no
# weighted features; no price.
SCORING_STAGES = ("predictions", "heavy_ranker", "reciprocity", "boosts", "features", "price")
STAGES: Mapping[str, tuple[str, ...]] = {
    name: (
        *(source.name for source in lineup.sources if source is not PINNED_SOURCE),
        *SCORING_STAGES,
        *(reranker.name for reranker in lineup.rerankers),
    )
    for name, lineup in LINEUPS.items()
}


def lineup_for(request: Request) -> LineUp:
    """The line-up that the policy names; the one of the surface's kind when that name is of another kind."""
    named = LINEUPS.get(request.params.lineup)
    if named is not None and named.kind == request.data.kind:
        return named
    return next(lineup for lineup in LINEUPS.values() if lineup.kind == request.data.kind)


def source_names(lineup: LineUp, bits: int) -> tuple[str, ...]:
    """The names behind a candidate's bits in Slate.sources."""
    return tuple(source.name for i, source in enumerate(lineup.sources) if bits >> i & 1)
