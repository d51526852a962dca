"""A rebuild's turn to empty and write Valkey, which is over as soon as another rebuild begins.

The lock in Postgres that keeps rebuilds apart goes with its connection, and whoever is busy with Valkey does
not notice. So what takes something away goes through a turn: Valkey itself refuses what comes too late.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import redis

from apps.common.online import MARKER

TURN = "o:turn"  # whose it is


class TurnIsOver(redis.RedisError):
    """Another rebuild has begun, or Valkey was emptied: nothing was written."""


class Turn(redis.Redis):
    """A client whose commands run only during its turn. Each takes three conversations instead of one."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__(connection_pool=client.connection_pool)
        self._name = uuid4().hex.encode()

    def begin(self) -> None:
        """Ends the turn before. Nothing is believed from here on; whoever lost their turn can't undo that."""
        with self.pipeline() as together:
            together.set(TURN, self._name)
            together.delete(MARKER)
            together.execute()

    def execute_command(self, *words: Any, **options: Any) -> Any:
        """Raises TurnIsOver, RedisError."""
        pipeline: Any = self.pipeline()
        with pipeline as together:
            together.watch(TURN)
            if together.get(TURN) != self._name:
                raise TurnIsOver
            together.multi()
            together.execute_command(*words, **options)
            try:
                (answer,) = together.execute()
            except redis.WatchError as error:
                raise TurnIsOver from error
        return answer
