"""The code on the pages about adding a source and a feature runs, and keeps the contract that the pages
promise."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.pipeline.lineup import LINEUPS, LineUp
from apps.pipeline.params import PipelineParams
from apps.pipeline.run import run
from tests.pipeline.markets import people, random_members, request_for, snapshot_of

DOCS = Path(__file__).parents[2] / "docs"


def run_page(name: str) -> dict[str, Any]:
    """Runs the page's Python blocks in order, as one module, and gives its names."""
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / name).read_text(), re.DOTALL)
    assert len(blocks) >= 3
    names: dict[str, Any] = {"__name__": name}
    exec(compile("\n".join(blocks), name, "exec"), names)
    return names


@pytest.mark.parametrize("page", ["adding-a-source.md", "adding-a-feature.md"])
def test_the_code_of_the_page_runs(page):
    run_page(page)


@pytest.mark.parametrize("page", ["adding-a-source.md", "adding-a-feature.md"])
def test_the_files_that_the_page_names_exist(page):
    named = re.findall(r"`((?:apps|tests|docs)/[\w/.-]+)`", (DOCS / page).read_text())
    assert named
    assert all((DOCS.parent / path).exists() for path in named)


def test_the_new_source_serves_a_request(monkeypatch):
    source = run_page("adding-a-source.md")["OLD_HANDS"]
    old = LINEUPS["people"]
    lineup = LineUp(old.name, old.kind, (*old.sources, source), old.filters, old.features, old.rerankers)
    monkeypatch.setitem(LINEUPS, "people", lineup)  # type: ignore[arg-type]
    snapshot, number = people(ann={"industries": 1}, bob={"industries": 1}, eve={"industries": 2})
    alone = PipelineParams(quotas=dict.fromkeys(old.quotas, 0))
    slate = run(request_for(snapshot, number["ann"], params=alone))
    assert slate.numbers.tolist() == [number["bob"]]
    assert slate.sources.tolist() == [1 << len(old.sources)]


def test_the_new_feature_is_finite_on_any_pool():
    from apps.pipeline.contracts import Pool

    feature = run_page("adding-a-feature.md")["SHARED_CRAFTS"]
    table = random_members(40, 1)
    request = request_for(snapshot_of(table), 3)
    column = feature.column(request, Pool(table, np.zeros(40, "u4")))
    assert column.shape == (40,)
    assert np.all((column >= 0) & (column <= 1))
