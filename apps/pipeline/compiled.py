"""Compiles numeric loops with numba, and keeps the machine code on disk where a folder can be written.

Gives a decorator for functions with a fixed signature, compiled (or read from the cache) when their module is
imported, so that no request ever waits for a compiler. Only modules of kernels import this one, inside
functions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast

from numba import njit, types

from apps.pipeline.vectors import DTYPES

VECTOR = "vector"
F = TypeVar("F", bound=Callable[..., Any])


def columns(*names: str) -> list[Any]:
    """Signatures of contiguous, read-only arrays; writable ones are taken as well.

    "f4:2" has two axes; "vector:2" holds vectors, in whichever way they are stored.
    """
    return [name if name.startswith(VECTOR) else _array(name) for name in names]


def compiled(*arguments: Any, returns: str = "void", uses: Sequence[ModuleType] = ()) -> Callable[[F], F]:
    """Compiles for these arguments, whose names are numba's scalar types or arrays from `columns`.

    A function that takes vectors is compiled once for each way of storing them, all of its vectors alike.
    `uses`: other files whose parts it calls; the cache is named by what stands in them, too.
    """
    stored = DTYPES.values() if any(str(argument).startswith(VECTOR) for argument in arguments) else ("",)
    signatures = [getattr(types, returns)(*(_typed(a, dtype) for a in arguments)) for dtype in stored]

    def compile_now(function: F) -> F:
        options: dict[str, Any] = {
            "fastmath": {"reassoc", "contract", "nsz"}, "error_model": "numpy", "nogil": True
        }  # fmt: skip
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
    if argument.startswith(VECTOR):
        return _array(argument.replace(VECTOR, stored))
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
