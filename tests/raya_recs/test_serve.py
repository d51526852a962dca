"""A server whose workers are forked from a process that has loaded what they share."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from apps.common.metrics_folder import share_counts
from raya_recs.env import BASE_DIR

# What is there when the workers are about to be forked: threads of Python, sockets, files of counts.
BEFORE = """
import os, sys, threading
from pathlib import Path
import psutil
from raya_recs.serve import load_what_workers_share
load_what_workers_share()
counted = list(Path(os.environ.get("PROMETHEUS_MULTIPROC_DIR", "nowhere")).glob("*"))
loaded = {"apps.delivery.runtime", "apps.pipeline.retrieval.scan"} <= sys.modules.keys()
print(threading.active_count(), len(psutil.Process().net_connections()), len(counted), loaded)
"""


@pytest.mark.parametrize("process", ["api", "admin"])
def test_no_thread_connection_or_count_begins_before_the_workers_are_forked(
    tmp_path: Path, process: str
) -> None:
    """Each would be shared by processes that don't know of each other; a gauge of nobody's would be read."""
    env = {"RAYA_RECS_PROCESS": process, "VAR_DIR": str(tmp_path), "METRICS_DIR": str(tmp_path / "metrics")}
    env["DJANGO_SETTINGS_MODULE"] = "raya_recs.settings.local"
    kept = {name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", BEFORE],
        env=kept | env, cwd=BASE_DIR, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.stdout.split() == ["1", "0", "0", "True"], done.stderr


@pytest.mark.parametrize(("starts", "left"), [(True, []), (False, ["counter_7.db"])])
def test_a_server_that_has_the_id_of_an_earlier_one_starts_at_zero(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, starts: bool, left: list[str]
) -> None:
    """As in a container that starts again. Workers, which call this too, take nothing away."""
    server = os.getpid() if starts else os.getppid()
    folder = tmp_path / str(server)
    folder.mkdir()
    (folder / "counter_7.db").touch()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "given back when the test ends")
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR")
    share_counts(tmp_path, server=server)
    assert os.environ["PROMETHEUS_MULTIPROC_DIR"] == str(folder)
    assert [path.name for path in folder.iterdir()] == left
