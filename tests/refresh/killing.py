"""A refresh that kills itself before the nth call of something: `python -m tests.refresh.killing CALL N`."""

from __future__ import annotations

import os
import pydoc
import signal
import sys
from typing import Any

import django


def kill_before(name: str, nth: int) -> None:
    """`name`: a function by its full name."""
    place, _, function = name.rpartition(".")
    owner = pydoc.locate(place)
    real, calls = getattr(owner, function), [0]

    def counted(*arguments: Any, **options: Any) -> Any:
        calls[0] += 1
        if calls[0] == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **options)

    setattr(owner, function, counted)


if __name__ == "__main__":
    django.setup()
    from apps.refresh import services

    kill_before(sys.argv[1], int(sys.argv[2]))
    services.refresh()
