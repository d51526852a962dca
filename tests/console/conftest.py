"""The console's tests: no figure of one test is seen by the next."""

import pytest
from django.core.cache import cache


@pytest.fixture(autouse=True)
def _no_figures_kept() -> None:
    cache.clear()
