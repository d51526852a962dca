"""The evaluation as a page: figures in, Markdown out, between markers that leave the rest alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from apps.learning.judged_rows import GROUPED, JUDGED, Learnt, grouped_rows, judged_rows
from apps.learning.judging import SMALLEST_GROUP
from apps.learning.quality import BINS, LABELS_A_BIN
from apps.simulation.evaluation import OURS, Row, SurfaceResult
from apps.simulation.scores import Mean

MARKER, PREDICTIONS = "market", "predictions"


def replace_between(path: Path, marker: str, text: str) -> None:
    """Puts `text` between the page's two markers; a page without them gets them at its end."""
    start, end = f"<!-- {marker}:start -->", f"<!-- {marker}:end -->"
    page = path.read_text() if path.is_file() else "# Evaluation\n"
    if start not in page or end not in page:
        page = f"{page.rstrip()}\n\n{start}\n{end}\n"
    before, rest = page.split(start, 1)
    path.write_text(f"{before}{start}\n{text.strip()}\n{end}{rest.split(end, 1)[1]}")


def as_markdown(results: Sequence[SurfaceResult], *, command: str, size: str) -> str:
    """All surfaces, with how to read them."""
    parts = [
        "## On a simulated market",
        f"{size} Made by `{command}`. Sums over a list of ten, as means over random viewers, with 95 % "
        "intervals from a bootstrap over viewers. All figures are expectations under the simulator's truth "
        "([simulation.md](simulation.md)), for the same viewers and the same eligible candidates.",
    ]
    return "\n\n".join([*parts, *(_surface(result) for result in results)])


def predictions_as_markdown(learnt: Learnt, *, command: str, size: str) -> str:
    """How good the predictions of the active snapshot are, as its refresh judged them."""
    groups = (
        f"By who decided. Groups under {SMALLEST_GROUP:,} labels are put together; where they are fewer even "
        "then, only their number is told."
    )
    return "\n\n".join(
        [
            "## Rankers and other predictions on a simulated market",
            f"{size} Printed by `{command}`; learnt and judged as every refresh does: fitted on labels of "
            "one block of time, measured on a later one. Intervals are of 95 %, by who decided. *Over the "
            "light one*: the AUC less that of the light ranker's chance of a like on the same labels. *Of it "
            "chance* is the calibration error that perfect probabilities would show on as many labels, in as "
            f"many bins (one per {LABELS_A_BIN:,} labels, at most {BINS}).",
            _table(list(JUDGED), [list(row) for row in judged_rows(learnt)], words=2),
            f"### Calibration by group\n\n{groups}",
            _table(list(GROUPED), [list(row) for row in grouped_rows(learnt)], words=3),
        ]
    )


def _surface(result: SurfaceResult) -> str:
    people = result.kind == "member"
    pool = f"{result.viewers:,} viewers, on average {result.eligible:,.0f} eligible candidates each."
    star = f"Columns marked * are over all {result.market_viewers:,} viewers of {result.market}."
    head = f"### {result.surface.title()}\n\n{pool} {star}"
    columns = [
        "list of ten",
        "mutual likes",
        "ours is ahead by",
        "given the past",
        "likes",
        "answered*",
        "Gini*",
    ]
    rows = [
        [r.name, str(r.mutual), _lead(r), str(r.known), str(r.likes), f"{r.answered:.3f}", f"{r.gini:.2f}"]
        for r in result.rows
    ]
    if not people:
        columns = ["list of ten", "saves", "ours is ahead by", "Gini*"]
        rows = [[r.name, str(r.likes), _lead(r), f"{r.gini:.2f}"] for r in result.rows]
    return "\n\n".join([head, _table(columns, rows), _ablation(result)])


def _ablation(result: SurfaceResult) -> str:
    unit = "mutual likes, given the past" if result.kind == "member" else "saves"
    head = (
        f"What each source, stage and group of features is worth, in {unit}: lists with it minus lists "
        f"without it, {result.ablated:,} viewers. What ours has on was taken out, what it has off was put "
        "in, as far as it says. Above 0, having it helps this figure. Where no list of ten changed, nothing "
        "was measured."
    )
    rows = [
        [
            one.name,
            one.said,
            f"{one.changed:,} of {one.viewers:,}",
            _signed(one.mean) if one.mean else "not measured",
        ]
        for one in result.worth
    ]
    return f"{head}\n\n{_table(['what', 'in ours', 'lists changed', 'worth'], rows, words=2)}"


def _table(columns: list[str], rows: list[list[str]], *, words: int = 1) -> str:
    """The first columns are words, the others figures."""
    lines = [columns, ["---"] * words + ["---:"] * (len(columns) - words), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _lead(row: Row) -> str:
    return "" if row.name == OURS else _signed(row.behind)


def _signed(mean: Mean) -> str:
    return f"{mean.value:+.3f} ({mean.low:+.3f} to {mean.high:+.3f})"
