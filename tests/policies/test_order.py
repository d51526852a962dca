"""The written order is the one in which the pipeline works."""

from __future__ import annotations

import pytest

from apps.pipeline.lineup import LINEUPS, SCORING_STAGES
from apps.pipeline.params import PipelineParams
from apps.pipeline.run import run
from apps.policies.order import LIST_ORDER
from tests.pipeline.markets import people, request_for

STAGES = [stage for stage, _, _ in LIST_ORDER]


@pytest.mark.parametrize("name", sorted(LINEUPS))
def test_scoring_and_reranking_stand_in_the_written_order(name):
    assert [stage for stage in STAGES if stage in SCORING_STAGES] == list(SCORING_STAGES)
    rerankers = [reranker.name for reranker in LINEUPS[name].rerankers]
    assert [stage for stage in STAGES if stage in rerankers] == rerankers
    assert STAGES[:2] == ["filters", "caps"]
    assert set(STAGES[2:]) == {*SCORING_STAGES, *rerankers}


def test_the_walk_of_a_list_stands_in_the_written_order():
    snapshot, _ = people(ann={}, bob={}, eve={})
    params = PipelineParams(diversity=0.5, exploration=0.5)
    walked = [stage.stage for stage in run(request_for(snapshot, 1, params=params)).trace.stages]
    kept = [stage for stage in walked if stage in STAGES or stage == "score"]
    assert kept == ["filters", "score", "diversity", "windows", "placements", "likes", "exploration"]
    after = [stage for stage in STAGES if stage in kept]
    assert after == [stage for stage in kept if stage != "score"]
    scoring = [STAGES.index(stage) for stage in SCORING_STAGES if stage in STAGES]
    assert STAGES.index("filters") < min(scoring)
    assert max(scoring) < STAGES.index("diversity")
