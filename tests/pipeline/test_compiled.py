"""The compiled passes load wherever the project stands, and no request waits for a compiler."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from apps.pipeline import compiled, deal_loop, graph_loop, rules_loop
from apps.pipeline.features import chances_loop, pairs_loop, recent_loop, taste_loop
from apps.pipeline.filters import predicates
from apps.pipeline.filters.rules import RULES
from apps.pipeline.ranking import blend, multiply
from apps.pipeline.reranking import arrange, exchange, greedy, telling
from apps.pipeline.retrieval import look_up, room_loop, scan

ROOT = Path(compiled.__file__).parents[2]
CODE = """
import numpy as np
from apps.pipeline.filters.predicates import mark_rows
marks = np.zeros(2, "u1")
mark_rows(np.array([1, 9, -1], "i4"), np.array([3, 4], "i4"), 3, 5, 4, marks)
print(marks.tolist(), type(mark_rows._cache).__name__)
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
    assert (done.stdout.strip(), done.stderr) == ("[0, 4] NullCache", "")


def test_read_only_and_writable_columns_are_both_taken():
    numbers, row_of = np.array([1], "i4"), np.array([0, 1], "i4")
    for _ in range(2):
        marks = np.zeros(2, "u1")
        predicates.mark_rows(numbers, row_of, 0, 2, 8, marks)
        assert marks.tolist() == [0, 8]
        numbers.flags.writeable = row_of.flags.writeable = False


def test_nothing_is_compiled_by_a_request():
    """Signatures are fixed when the module is imported: other arrays are refused, not compiled for."""
    kernels = (
        predicates.judge_members,
        predicates.judge_places,
        predicates.mark_rows,
        scan.scan_members,
        scan.scan_places,
        greedy.greedy_order,
        arrange.arrange,
        exchange.exchange,
        telling.tell_members,
        telling.tell_places,
        multiply.weigh,
        multiply.gather_and_weigh,
        multiply.look_at,
        rules_loop.find_live,
        deal_loop.deal_all,
        graph_loop.two_steps,
        look_up.find,
        look_up.find_heaviest,
        look_up.mark,
        room_loop.keep,
        pairs_loop.age_gap,
        pairs_loop.kilometres,
        pairs_loop.complementary,
        pairs_loop.profiles,
        pairs_loop.look_up,
        chances_loop.logistic_sums,
        chances_loop.chances,
        recent_loop.inbox_load,
        recent_loop.presence,
        recent_loop.tell_crowd,
        taste_loop.pull,
        blend.reciprocal,
        blend.add_up,
        blend.mean_sizes,
    )
    of_two_kinds = (scan.scan_members, scan.scan_places, graph_loop.two_steps, taste_loop.pull)
    for kernel in kernels:
        assert len(kernel.signatures) == (2 if kernel in of_two_kinds else 1)
    with pytest.raises(TypeError):
        predicates.mark_rows(np.zeros(3, "i8"), np.zeros(3, "i4"), 0, 3, 1, np.zeros(3, "u1"))


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
        "out_of_season": predicates.OUT_OF_SEASON,
    }
    assert bits == {rule.name: 1 << rule.code for rule in RULES if rule.name in bits}
    assert len(bits) + len({"self", "gone", "excluded"}) == len(RULES)


def test_a_pass_is_compiled_anew_when_a_file_that_it_uses_changes(tmp_path):
    """Its cache is named by the text of the files whose parts it calls."""
    (tmp_path / "rule.py").write_text(
        "from apps.pipeline.compiled import part\n@part\ndef rule(x: int) -> int:\n    return x + 1\n"
    )
    (tmp_path / "walk.py").write_text(
        "import rule\nfrom apps.pipeline.compiled import compiled\n"
        "@compiled('int64', returns='int64', uses=[rule])\ndef walk(x):\n    return rule.rule(x)\n"
        "print(walk(1))\n"
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"}

    def walked() -> str:
        return subprocess.check_output([sys.executable, "walk.py"], cwd=tmp_path, env=environment, text=True)

    assert walked().strip() == "2"
    rule = (tmp_path / "rule.py").read_text()
    (tmp_path / "rule.py").write_text(rule.replace("x + 1", "x + 5"))
    assert walked().strip() == "6"


def trees_of_passes():
    """By the names of their modules: what the files say that hold compiled passes."""
    trees = {path: ast.parse(path.read_text()) for path in (ROOT / "apps").rglob("*.py")}
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): tree
        for path, tree in trees.items()
        if any(node.module == compiled.__name__ for node in imports_of(tree))
    }


def imports_of(tree):
    return [node for node in tree.body if isinstance(node, ast.ImportFrom)]


def test_whatever_a_pass_takes_from_another_file_renews_its_cache():
    """Compiled code keeps the parts and constants of other files as they were: those files are in `uses`."""
    trees = trees_of_passes()
    assert len(trees) > 10
    for module, tree in trees.items():
        uses = [node.value for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "uses"]
        used = {node.id for one in uses for node in ast.walk(one) if isinstance(node, ast.Name)}
        taken = {name for node in imports_of(tree) for name in files_behind(node)}
        assert taken - {"compiled"} <= used, module


def files_behind(node):
    """What the project's files are called that an import takes from."""
    if not node.module.startswith("apps."):
        return set()
    if (ROOT / node.module.replace(".", "/")).is_dir():
        return {alias.asname or alias.name for alias in node.names}
    return {node.module.rpartition(".")[2]}


WARMING = """
import sys
from apps.pipeline.run import warm
from tests.pipeline.markets import member_table, snapshot_of
warm(snapshot_of(member_table([])))
print(*sys.modules)
"""


def test_a_process_has_every_pass_before_its_first_request_even_where_nobody_is_to_be_shown():
    done = subprocess.check_output([sys.executable, "-c", WARMING], cwd=ROOT, text=True)
    assert set(trees_of_passes()) <= set(done.split())
