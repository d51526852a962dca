"""Which sources rest in this process: a breaker per surface and source.

A source that raises, is stopped or takes too long three times in a row is left out of the next lists of its
surface for ten seconds; then one list tries it again. Dry runs and replays ask nobody here and tell nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from apps.common import metrics
from apps.common.breaker import Friend
from apps.pipeline.params import PipelineParams
from apps.pipeline.watch import Watch

FAILURES = 3  # in a row, then it rests
REST_SECONDS = 10.0
RESTS = "resting"  # why it is skipped, in the trace
NOBODY: Mapping[str, str] = {}


class Sources:
    """Holds a Friend for each source that ever failed here; while none did, a list asks one dictionary."""

    def __init__(self) -> None:
        self._friends: dict[str, dict[str, Friend]] = {}  # by surface, then source

    def left_out(self, surface: str, params: PipelineParams) -> Mapping[str, str]:
        """The sources that the next list of the surface does without, and why. Whoever asks makes the trial
        of those that did rest and are not named."""
        friends = self._friends.get(surface)
        if friends is None:
            return NOBODY
        return {
            name: RESTS
            for name, friend in friends.copy().items()
            if not friend.is_there
            and _may_be_on(name, params)  # else the trial would be nobody's
            and not friend.may_be_asked(REST_SECONDS)
        }

    def told(self, surface: str, watch: Watch) -> None:
        """What a list saw of its sources."""
        friends = self._friends.get(surface)
        if friends is None and not watch.failed:
            return
        friends = self._friends.setdefault(surface, {})
        for name in dict.fromkeys(watch.asked):  # a list that trips share asks once per market
            why = watch.failed.get(name)
            if why is not None:
                metrics.SOURCE_FAILED.labels(surface, name, why).inc()
                friends.setdefault(name, Friend(f"Source {name} of {surface}", FAILURES)).failed()
            elif name in friends:
                friends[name].answered()

    def states(self) -> Iterator[tuple[str, str, Friend]]:
        """Surface and name of each that ever failed here, and how it is."""
        for surface, friends in self._friends.copy().items():
            for name, friend in friends.copy().items():
                yield surface, name, friend

    def forget(self) -> None:
        """As if none had ever failed. For tests and commands."""
        self._friends = {}


sources = Sources()


def _may_be_on(name: str, params: PipelineParams) -> bool:
    return name not in params.disabled_stages and params.quotas.get(name, 1) > 0
