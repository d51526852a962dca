"""Files of compiled passes, named where they are used and loaded when a pass is first asked for.

Loading numba takes a second, which no command or admin page should wait for that ranks nobody. Takes the name
of a module under apps.pipeline, gives its functions as attributes.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


class Passes:
    """One file. A function that was asked for once is an attribute like any other, without an import."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        found = getattr(import_module(f"apps.pipeline.{self._module}"), name)
        setattr(self, name, found)
        return found
