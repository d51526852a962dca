"""The compiled passes load wherever the project stands, and no request waits for a compiler."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from apps.pipeline import compiled
from apps.pipeline.filters import predicates
from apps.pipeline.filters.rules import RULES
from apps.pipeline.ranking import multiply
from apps.pipeline.reranking import arrange, greedy
from apps.pipeline.retrieval import dots

ROOT = Path(compiled.__file__).parents[2]
CODE = """
import numpy as np
from apps.pipeline.filters.predicates import keep_rows
rows = np.empty(3, "i4")
print(keep_rows(np.array([0, 4, 0], "i4"), rows), rows[:2].tolist(), type(keep_rows._cache).__name__)
"""


def test_without_a_folder_for_a_cache_each_process_compiles_for_itself(tmp_path):
    """As for a user who may write neither beside the code nor in a home."""
    environment = {
        **os.environ,
        "HOME": os.devnull,
        "PYTHONPATH": str(ROOT),
        "NUMBA_CACHE_LOCATOR_CLASSES": "UserWideCacheLocator",
    }
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == ("2 [0, 2] NullCache", "")


def test_read_only_and_writable_columns_are_both_taken():
    refused, rows = np.array([0, 1, 0], "i4"), np.empty(3, "i4")
    assert predicates.keep_rows(refused, rows) == 2
    refused.flags.writeable = False
    assert predicates.keep_rows(refused, rows) == 2


def test_nothing_is_compiled_by_a_request():
    """One signature each, fixed when the module is imported: other arrays are refused, not compiled for."""
    kernels = (
        predicates.judge_members,
        predicates.judge_places,
        predicates.keep_rows,
        dots.row_dots,
        greedy.greedy_order,
        arrange.arrange,
        multiply.multiply,
        multiply.count_met,
        multiply.tighten,
    )
    for kernel in kernels:
        assert len(kernel.signatures) == 1
    with pytest.raises(TypeError):
        predicates.keep_rows(np.zeros(3, "i8"), np.empty(3, "i4"))


def test_the_bits_of_the_predicates_are_the_codes_of_the_rules():
    bits = {
        "other_market": predicates.OTHER_MARKET,
        "closed": predicates.CLOSED,
        "not_adult": predicates.NOT_ADULT,
        "gender_sought_by_viewer": predicates.GENDER_BY_VIEWER,
        "gender_sought_by_candidate": predicates.GENDER_BY_CANDIDATE,
        "intents": predicates.INTENTS,
        "age_range_of_viewer": predicates.AGE_BY_VIEWER,
        "age_range_of_candidate": predicates.AGE_BY_CANDIDATE,
        "distance_of_viewer": predicates.DISTANCE_BY_VIEWER,
        "distance_of_candidate": predicates.DISTANCE_BY_CANDIDATE,
    }
    assert bits == {rule.name: 1 << rule.code for rule in RULES if rule.name in bits}
    assert len(bits) + len({"self", "gone", "excluded"}) == len(RULES)
