"""What `bench growth` asks of the pipeline at each point, and that its plots hold the points given."""

import json
import re
import xml.etree.ElementTree as ET
from collections import defaultdict
from statistics import median
from typing import Any

import pytest

from apps.pipeline.contracts import Request, Slate
from apps.pipeline.run import run
from apps.simulation.bench import growth
from apps.simulation.bench.curves import CURVES, name_of
from apps.simulation.bench.growth import Plan, bench_growth
from apps.simulation.bench.plots import nice_top, plots, short
from raya_recs.env import BASE_DIR

SVG = "{http://www.w3.org/2000/svg}"
SMALL = {"market": (1_000, 2_000, 9_000), "members": (2_000, 4_000), "limit": (5, 20), "seen": (0, 500),
         "rules": (0, 25)}  # fmt: skip
FIGURES: dict[str, float | None] = {
    name_of(curve, value): 1.5 + place
    for curve, values in CURVES.items()
    for place, value in enumerate(values)
}


def test_one_thing_grows_and_the_rest_stays_at_the_workload(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Request, Slate]] = []

    def watched(request: Request) -> Slate:
        asked.append((request, run(request)))
        return asked[-1][1]

    monkeypatch.setattr(growth, "run", watched)
    monkeypatch.setattr(growth, "CURVES", SMALL)
    monkeypatch.setattr(growth, "PER_MARKET", 2_000)
    monkeypatch.setattr(growth, "VIEWERS", 3)
    found = bench_growth(Plan(members=4_000, repeat=1), lambda _: None)

    points = {name_of(curve, value) for curve, values in SMALL.items() for value in values}
    assert set(found) == points | {"growth_market", "growth_load"}
    assert found.pop("growth_market_9000_ms") is None, "more members than the plan has"
    assert all(value is not None and value > 0 for name, value in found.items() if name.endswith("_ms"))

    seen_at: dict[tuple[int, ...], list[tuple[Request, Slate]]] = defaultdict(list)
    for request, slate in asked:
        data, live = request.data, request.rules
        market = int(request.viewer.row["market"][0])
        size = int(data.market_starts[market + 1] - data.market_starts[market])
        rules = len(live.rules.specs) if live else 0
        point = (size, len(data.market_starts) - 1, request.limit, len(request.viewer.excluded), rules)
        seen_at[point].append((request, slate))
        assert not set(slate.numbers) & set(request.viewer.excluded)
        assert {int(data.candidates["market"][row]) for row in data.row_of[slate.numbers]} == {market}
        assert live is None or live.have("rules")
    here = (2_000, 1, 20, 500, 100)
    others = {(1_000, 1, 20, 500, 100), (2_000, 2, 20, 500, 100), (2_000, 1, 5, 500, 100),
              (2_000, 1, 20, 0, 100), (2_000, 1, 20, 500, 0), (2_000, 1, 20, 500, 25)}  # fmt: skip
    assert set(seen_at) == others | {here}
    assert 180 <= median(slate.eligible for _, slate in seen_at[here]) <= 260, "a tenth"


def test_the_plots_hold_every_point_at_its_place() -> None:
    root = ET.fromstring(plots(FIGURES | {"growth_load": 3.0}))
    for curve, values in CURVES.items():
        panel = next(g for g in root.iter(f"{SVG}g") if g.get("id") == curve)
        circles = panel.findall(f"{SVG}circle")
        titles = [circle.findtext(f"{SVG}title") for circle in circles]
        assert titles == [f"{value:,}: {1.5 + place:.2f} ms" for place, value in enumerate(values)]
        spots = [(float(c.get("cx", "")), float(c.get("cy", ""))) for c in circles]
        line = panel.find(f"{SVG}polyline")
        assert line is not None
        assert line.get("points") == " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
        (x0, y0), (x1, y1) = spots[0], spots[-1]
        assert x0 < x1
        assert y0 > y1, "dearer is higher"
        bottom = max(float(found) for found in re.findall(r"M50 ([\d.]+)h", ET.tostring(panel, "unicode")))
        share = (bottom - y0) / (bottom - y1)
        assert share == pytest.approx(1.5 / (1.5 + len(values) - 1), abs=0.01), "from zero, in proportion"
        assert len([c for c in circles if "workload" in c.get("class", "")]) == 1


def test_what_was_not_measured_is_not_drawn() -> None:
    known: dict[str, float | None] = dict.fromkeys(FIGURES) | {"growth_rules_0_ms": 4.0}
    root = ET.fromstring(plots(known))
    assert [g.get("id") for g in root.iter(f"{SVG}g")] == ["rules"]
    assert len(list(root.iter(f"{SVG}circle"))) == 1


@pytest.mark.parametrize(
    ("highest", "top"), [(0.0, 1.0), (4.2, 5.0), (5.0, 5.0), (1_000_000, 1_000_000), (12, 15)]
)
def test_an_axis_ends_at_the_next_round_number(highest: float, top: float) -> None:
    assert nice_top(highest) == top


def test_numbers_on_an_axis_are_short() -> None:
    assert [short(n) for n in (0, 50, 2_500, 25_000, 1_000_000)] == ["0", "50", "2.5k", "25k", "1M"]


def test_the_page_shows_what_was_measured() -> None:
    """The picture is drawn from the figures that lie beside it (`make plots`)."""
    figures: dict[str, Any] = json.loads((BASE_DIR / "docs/growth.json").read_text())
    assert (BASE_DIR / "docs/growth.svg").read_text() == plots(figures)
    assert "](growth.svg)" in (BASE_DIR / "docs/performance.md").read_text()
