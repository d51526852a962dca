"""What a web process has done before its first request."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.journeys.conftest import ROOT, _environment
from tests.journeys.town import Town

COUNTED = "import gc, os, raya_recs.wsgi; print(gc.get_freeze_count(), flush=True); os._exit(0)"


@pytest.mark.django_db
def test_what_is_loaded_at_the_start_is_out_of_the_collectors_way(town: Town) -> None:
    """A full collection would go through all of it, and hold every request up meanwhile."""
    done = subprocess.run(
        [sys.executable, "-c", COUNTED],
        env=_environment(), cwd=ROOT, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert int(done.stdout.split()[-1]) > 100_000
