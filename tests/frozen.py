"""Processes that hang: still there, their sockets still open, and silent."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

import psutil


@contextlib.contextmanager
def frozen(pid: int) -> Iterator[None]:
    """The process and all it started stand still, and go on afterwards."""
    family = freeze(pid)
    try:
        yield
    finally:
        thaw(family)


def freeze(pid: int) -> list[psutil.Process]:
    """Stops them; who they are, for thaw."""
    first = psutil.Process(pid)
    first.suspend()  # first, so that it starts nobody meanwhile
    family = [first, *first.children(recursive=True)]
    for one in family[1:]:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.suspend()
    assert first.status() == psutil.STATUS_STOPPED
    return family


def thaw(family: list[psutil.Process]) -> None:
    for one in reversed(family):
        with contextlib.suppress(psutil.NoSuchProcess):
            one.send_signal(signal.SIGCONT)
