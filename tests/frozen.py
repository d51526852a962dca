"""Processes that hang: still there, their sockets still open, and silent."""

from __future__ import annotations

import contextlib
import signal
import time
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
    """Stops them, and comes back once all stand still: a signal takes its time. Who they are, for thaw."""
    first = psutil.Process(pid)
    first.suspend()  # first, so that it starts nobody meanwhile
    family = [first, *first.children(recursive=True)]
    for one in family[1:]:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.suspend()
    deadline = time.monotonic() + 10
    while not all(map(_stands_still, family)):
        if time.monotonic() > deadline:
            thaw(family)  # or whoever comes next finds it hung
            raise AssertionError(f"Process {pid} and its children don't stop.")
        time.sleep(0.005)
    return family


def _stands_still(one: psutil.Process) -> bool:
    try:
        return one.status() in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def thaw(family: list[psutil.Process]) -> None:
    for one in reversed(family):
        with contextlib.suppress(psutil.NoSuchProcess):
            one.send_signal(signal.SIGCONT)
