"""Figures on lists, worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from apps.simulation.report import replace_between
from apps.simulation.scores import Shown, answered, exposure_gini, interval, joined, per_viewer

# Two viewers, two candidates each; candidate 3 stands in both lists.
LISTS = Shown(
    viewer=np.array([0, 0, 1, 1]),
    candidate=np.array([3, 1, 3, 2]),
    p=np.array([0.5, 0.2, 1.0, 0.4]),
    q=np.array([0.4, 0.5, 0.1, 0.5]),
    known=np.array([1.0, 0.5, 0.1, 0.0]),
)


def test_mutual_likes_are_summed_over_each_list() -> None:
    assert per_viewer(LISTS, LISTS.p * LISTS.q, 3).tolist() == pytest.approx([0.3, 0.3, 0.0])


def test_exposure_gini_counts_who_was_never_shown() -> None:
    # Exposures 0, 1, 1, 2: |x - y| sums to 12 over ordered pairs; 12 / (2 * 16 * mean 1) = 0.375.
    assert exposure_gini(LISTS, 4) == pytest.approx(0.375)


def test_an_inbox_that_many_lists_fill_answers_less() -> None:
    capacity = np.array([1.0, 1.0, 1.0, 1.5])
    values = answered(LISTS, capacity)
    # Candidate 3 gets 0.5 + 1.0 likes: half the attention of a capacity of 1.5.
    assert values[0] == pytest.approx(0.5 * 0.4 / 2)
    assert values[1] == pytest.approx(0.2 * 0.5 / (1 + 0.2))


def test_interval_holds_the_mean_and_narrows_with_viewers() -> None:
    g = np.random.default_rng(0)
    few, many = interval(g.random(20)), interval(g.random(2000))
    assert few.low < few.value < few.high
    assert many.high - many.low < few.high - few.low
    assert interval(np.full(5, 0.7)).low == pytest.approx(0.7)
    assert interval(np.zeros(0)).value == 0.0


def test_interval_covers_the_true_mean_about_as_often_as_it_says() -> None:
    g = np.random.default_rng(1)
    covered = [(m := interval(g.random(100), seed=i)).low <= 0.5 <= m.high for i in range(60)]
    assert 0.85 <= np.mean(covered) <= 1.0


def test_joined_lists_keep_every_row() -> None:
    assert len(joined([LISTS, LISTS]).p) == 8
    assert len(joined([]).p) == 0


def test_a_page_keeps_what_stands_outside_the_markers(tmp_path: Path) -> None:
    page = tmp_path / "evaluation.md"
    page.write_text("# Evaluation\n\nBefore.\n\n<!-- market:start -->\nold\n<!-- market:end -->\n\nAfter.\n")
    replace_between(page, "market", "new")
    assert page.read_text() == (
        "# Evaluation\n\nBefore.\n\n<!-- market:start -->\nnew\n<!-- market:end -->\n\nAfter.\n"
    )


def test_a_page_without_markers_gets_them(tmp_path: Path) -> None:
    page = tmp_path / "evaluation.md"
    replace_between(page, "market", "first")
    replace_between(page, "market", "second")
    assert page.read_text() == "# Evaluation\n\n<!-- market:start -->\nsecond\n<!-- market:end -->\n"
