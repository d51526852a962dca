"""Compiles numeric loops with numba, and keeps the machine code on disk where a folder can be written.

Gives a decorator for functions with a fixed signature, compiled (or read from the cache) when their module is
imported, so that no request ever waits for a compiler. Only files of passes import this one; others name them
(see passes.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast

from numba import njit, types

from apps.pipeline.vectors import DTYPES

# What arrays of these names may be stored as: a function is compiled once for each.
STORED = {"vector": tuple(DTYPES.values()), "offset": ("i4", "i8")}
F = TypeVar("F", bound=Callable[..., Any])


def columns(*names: str) -> list[Any]:
    """Signatures of contiguous, read-only arrays; writable ones are taken as well.

    "f4:2" has two axes; "vector:2" holds vectors, "offset" offsets, in whichever way they are stored.
    """
    return [name if name.startswith(tuple(STORED)) else _array(name) for name in names]


def compiled(
    *arguments: Any, returns: Any = "void", uses: Sequence[ModuleType] = (), exact: bool = False
) -> Callable[[F], F]:
    """Compiles for these arguments, whose names are numba's scalar types or arrays from `columns`.

    A function that takes vectors (or offsets) is compiled once for each way of storing them, all of its own
    alike. What it returns is named like a scalar argument, or comes from `new_arrays`.
    `uses`: other files whose parts it calls; the cache is named by what stands in them, too. `exact`: sums
    are taken in the order they are written in, each product rounded, as numpy does on whole columns.
    """
    named = (ways for name, ways in STORED.items() if any(str(a).startswith(name) for a in arguments))
    signatures = [_typed(returns, "")(*(_typed(a, dtype) for a in arguments)) for dtype in next(named, ("",))]

    def compile_now(function: F) -> F:
        fast = set() if exact else {"reassoc", "contract", "nsz"}
        options: dict[str, Any] = {"fastmath": fast, "error_model": "numpy", "nogil": True}
        if uses:
            function.__qualname__ += f"_{_digest(uses)}"
        try:
            return cast(F, njit(signatures, cache=True, **options)(function))
        except RuntimeError:  # no folder for a cache, as for a user without a home: compile in each process
            return cast(F, njit(signatures, **options)(function))

    return compile_now


def tuple_of(name: str, size: int) -> Any:
    """The type of a tuple of `size` scalars of one of numba's types."""
    uniform: Any = types.UniTuple
    return uniform(getattr(types, name), size)


def new_arrays(*names: str) -> Any:
    """The type of a tuple of arrays that a function makes."""
    several: Any = types.Tuple
    return several([_array(f"={name}") for name in names])


def part(function: F) -> F:
    """A function that compiled ones call. Their own file, and those that they say they use, renew their
    cache."""
    return cast(F, njit(function))


def _digest(modules: Sequence[ModuleType]) -> str:
    """Of the text of these files."""
    text = b"".join(Path(str(module.__file__)).read_bytes() for module in modules)
    return hashlib.blake2b(text, digest_size=8).hexdigest()


def _typed(argument: Any, stored: str) -> Any:
    if not isinstance(argument, str):
        return argument
    for name in STORED:
        if argument.startswith(name):
            return _array(argument.replace(name, stored))
    return getattr(types, argument)


def _array(name: str) -> Any:
    dtype, _, axes = name.partition(":")
    writable = dtype.startswith("=")
    numpy_names = {
        "?": types.boolean,
        "u1": types.uint8,
        "u2": types.uint16,
        "i2": types.int16,
        "i4": types.int32,
        "i8": types.int64,
        "u4": types.uint32,
        "u8": types.uint64,
        "f4": types.float32,
        "f8": types.float64,
    }
    return types.Array(numpy_names[dtype.lstrip("=")], int(axes or 1), "C", readonly=not writable)
