"""The console's tests: staff in a browserless client, and no figure of one test is seen by the next."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.test import Client

from tests.console.people import staff


@pytest.fixture(autouse=True)
def _no_figures_kept() -> None:
    cache.clear()


@pytest.fixture
def editor(db: None) -> Client:
    return staff("editor")


@pytest.fixture
def approver(db: None) -> Client:
    return staff("approver")


@pytest.fixture
def safety(db: None) -> Client:
    return staff("safety")


@pytest.fixture
def administrator(db: None) -> Client:
    return staff("administrator")
