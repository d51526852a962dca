"""The API as web processes that tests have broken on purpose serve it: `--application` names one of these."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from raya_recs.wsgi import application


def without_ranking(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The pipeline raises whatever it is asked, and nobody has a last list."""
    from apps.delivery import ladder, ranking

    ranking.run = _raises  # type: ignore[assignment]
    ladder.last_list = _raises  # type: ignore[assignment]
    return application(environ, start_response)


def with_last_lists_only(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Neither ranking nor filters run."""
    from apps.delivery import ladder, ranking

    ranking.run = ladder.run = _raises  # type: ignore[assignment]
    return application(environ, start_response)


def _raises(*_: Any) -> Any:
    raise ArithmeticError("broken on purpose")
