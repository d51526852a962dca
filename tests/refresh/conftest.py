from pathlib import Path

import pytest
from django.test.utils import override_settings

from apps.surfaces.services import ensure_first_surfaces


@pytest.fixture
def snapshot_dir(tmp_path: Path) -> Path:
    """A folder of this test's own for snapshots."""
    return tmp_path / "snapshots"


@pytest.fixture
def market(transactional_db: None, snapshot_dir: Path):  # type: ignore[no-untyped-def]
    """Surfaces as after a migration: a test that truncates tables takes them away."""
    ensure_first_surfaces()
    with override_settings(SNAPSHOT_DIR=snapshot_dir):
        yield
