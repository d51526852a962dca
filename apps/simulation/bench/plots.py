"""Draws what `manage.py bench growth` measured: one SVG of small plots, cost against what grows.

Takes figures by name, gives the text of an SVG that follows the reader's light or dark mode. Both axes begin
at 0 and are linear, so that a straight line is a cost in proportion; every point has its value beside it and
as a title. `python -m apps.simulation.bench.plots figures.json plots.svg` draws a file (`make plots`).
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from html import escape
from pathlib import Path

from apps.simulation.bench.curves import CURVES, Case, name_of

WIDTH, HEIGHT = 330, 240  # of one plot, with all that belongs to it
LEFT, RIGHT, TOP, BOTTOM = 50, 22, 46, 48  # around where points stand
COLUMNS = 3
STEPS = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
ROOM = 1.15  # above the dearest point, for its value
NEAR = 26  # points nearer than this would have overlapping values: one's is left to its title
# What grows: title, axis.
PANELS: Mapping[str, tuple[str, str]] = {
    "market": ("Size of the viewer's market", "members in the market"),
    "members": ("Members, in markets of one size", "members in all markets"),
    "limit": ("Length of the list", "items asked for"),
    "seen": ("Events of the viewer", "people kept away; as many shown again"),
    "rules": ("Live rules", "rules on the surface"),
}
STYLE = """
text{font-family:system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif;fill:#334155}
.page{fill:#ffffff}.title{font-size:14px;font-weight:600;fill:#0f172a}.small{font-size:11px}
.grid{stroke:#e2e8f0}.axis{stroke:#94a3b8}.line{fill:none;stroke:#1d4ed8;stroke-width:2}
.point{fill:#1d4ed8;stroke:#1d4ed8;stroke-width:2}.workload{fill:#ffffff}.value{font-size:11px;fill:#0f172a}
@media (prefers-color-scheme:dark){text{fill:#cbd5e1}.page,.workload{fill:#0f172a}.title,.value{fill:#f8fafc}
.grid{stroke:#334155}.axis{stroke:#64748b}.line,.point{stroke:#7dd3fc}.point{fill:#7dd3fc}
.point.workload{fill:#0f172a}}
"""


def plots(figures: Mapping[str, float | None]) -> str:
    """The SVG. Figures that are missing or None are left out; so is a curve without any."""
    curves = {curve: _points(curve, figures) for curve in PANELS}
    drawn = {curve: points for curve, points in curves.items() if points}
    workload = Case(market=int(figures.get("growth_market") or Case().market))
    parts = [
        f'<g id="{curve}" transform="translate({i % COLUMNS * WIDTH} {i // COLUMNS * HEIGHT})">'
        f"{_panel(curve, points, workload)}</g>"
        for i, (curve, points) in enumerate(drawn.items())
    ]
    parts.append(_note(len(drawn), figures, workload))
    width, height = COLUMNS * WIDTH, HEIGHT * math.ceil((len(drawn) + 1) / COLUMNS)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-labelledby="t d"><title id="t">What a list costs as things grow</title>'
        f'<desc id="d">{escape(_said(drawn))}</desc><style>{STYLE}</style>'
        f'<rect class="page" width="{width}" height="{height}"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _points(curve: str, figures: Mapping[str, float | None]) -> list[tuple[int, float]]:
    found = [(value, figures.get(name_of(curve, value))) for value in CURVES[curve]]
    return [(value, cost) for value, cost in found if cost is not None]


def _said(curves: Mapping[str, list[tuple[int, float]]]) -> str:
    """The plots in words."""
    sentences = []
    for curve, points in curves.items():
        (first, at_first), (last, at_last) = points[0], points[-1]
        sentences.append(f"{PANELS[curve][0]}: {at_first:.2f} ms at {first:,}, {at_last:.2f} ms at {last:,}.")
    return " ".join(sentences)


def _panel(curve: str, points: list[tuple[int, float]], workload: Case) -> str:
    title, axis = PANELS[curve]
    right, top = nice_top(points[-1][0]), nice_top(ROOM * max(cost for _, cost in points))
    across, down = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    spots = [(LEFT + across * value / right, TOP + down * (1 - cost / top)) for value, cost in points]
    parts = [f'<text class="title" x="{LEFT}" y="18">{escape(title)}</text>']
    parts.append(f'<text class="small" x="{LEFT}" y="34">ms of CPU a list</text>')
    for k in range(3):
        y, x = TOP + down * (1 - k / 2), LEFT + across * k / 2
        parts.append(f'<path class="{"grid" if k else "axis"}" d="M{LEFT} {y:.1f}h{across}"/>')
        parts.append(_text(LEFT - 6, y + 4, f"{top * k / 2:g}", "small", "end"))
        parts.append(_text(x, TOP + down + 16, short(right * k / 2), "small"))
    parts.append(_text(LEFT + across / 2, HEIGHT - 12, axis, "small"))
    parts.append(f'<polyline class="line" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in spots)}"/>')
    ring = next((i for i, (value, _) in enumerate(points) if value == getattr(workload, curve)), 0)
    labelled = _apart([x for x, _ in spots], ring)
    for i, ((value, cost), (x, y)) in enumerate(zip(points, spots, strict=True)):
        kind = "point workload" if value == getattr(workload, curve) else "point"
        said = f"<title>{value:,}: {cost:.2f} ms</title>"
        parts.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="4">{said}</circle>')
        if i in labelled:
            parts.append(_text(x, y - 10, f"{cost:.2f}", "value"))
    return "".join(parts)


def _apart(across: list[float], first: int) -> set[int]:
    """Which points have their value beside them: `first`, the ends, and what stands far enough from those."""
    kept: list[int] = []
    for i in (first, len(across) - 1, *range(len(across))):
        if all(abs(across[i] - across[other]) >= NEAR for other in kept):
            kept.append(i)
    return set(kept)


def _note(place: int, figures: Mapping[str, float | None], workload: Case) -> str:
    """How it was measured, where the next plot would stand."""
    load = figures.get("growth_load")
    lines = [
        "The ring is the workload, the same in all:",
        f"a market of {workload.market:,}, a tenth eligible,",
        f"{workload.limit} items, {workload.seen} people seen, {workload.rules} rules.",
        "The pipeline alone, in one thread; of each",
        "viewer the cheapest call, of them the median.",
        *([f"Load of the machine (2 cores): {load:.1f}"] if load is not None else []),
    ]
    x, y = place % COLUMNS * WIDTH + LEFT, place // COLUMNS * HEIGHT + 60
    return "".join(_text(x, y + 20 * i, line, "small", "start") for i, line in enumerate(lines))


def nice_top(highest: float) -> float:
    """The next round number that is at least `highest`, so that half of it is round, too."""
    if highest <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(highest))
    return next(step * power for step in STEPS if step * power >= highest * (1 - 1e-9))


def short(number: float) -> str:
    """As an axis prints it: 500, 25k, 1M."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:g}{letter}"
    return f"{number:g}"


def _text(x: float, y: float, said: str, kind: str, anchor: str = "middle") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(said)}</text>'


if __name__ == "__main__":
    measured, drawing = (Path(name) for name in sys.argv[1:3])
    drawing.write_text(plots(json.loads(measured.read_text())))
