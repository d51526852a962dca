"""Likes that wait for an answer. Attention is limited: the more of them, the less each gets. Pure numpy."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from apps.simulation.log import among, pair_key
from apps.simulation.population import I64, Mask


@dataclass
class Inbox:
    """Unread likes on one surface."""

    giver: I64 = field(default_factory=lambda: np.zeros(0, "i8"))
    receiver: I64 = field(default_factory=lambda: np.zeros(0, "i8"))

    def receive(self, giver: I64, receiver: I64) -> None:
        self.giver = np.concatenate([self.giver, giver])
        self.receiver = np.concatenate([self.receiver, receiver])

    def unread(self, n: int) -> I64:
        """Number of unread likes [n] by member."""
        return np.bincount(self.receiver, minlength=n)

    def take(self, chosen: Mask) -> tuple[I64, I64]:
        """Removes these rows and gives them: givers, receivers."""
        taken = self.giver[chosen], self.receiver[chosen]
        self.giver, self.receiver = self.giver[~chosen], self.receiver[~chosen]
        return taken

    def drop(self, giver: I64, receiver: I64) -> None:
        """Removes these pairs: answered elsewhere, or blocked."""
        self.take(among(pair_key(self.giver, self.receiver), np.sort(pair_key(giver, receiver))))
