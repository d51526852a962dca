"""Several machines in one test: each has a folder of its own, all share a store."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.test.utils import override_settings

from raya_recs.settings.snapshots import storage_of


def shared_store(folder: Path) -> override_settings:
    """While it is enabled, snapshots are published to this folder."""
    return override_settings(STORAGES=settings.STORAGES | {"snapshots": storage_of(str(folder))})


def machine(folder: Path) -> override_settings:
    """While it is enabled, this process is on the machine whose snapshots lie in `folder`."""
    return override_settings(SNAPSHOT_DIR=folder)


def snapshots_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """A disk that is full: the kernel takes no byte of a file beyond `size`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
