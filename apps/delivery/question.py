"""A question, and what is known about it before anybody is ranked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any
from uuid import UUID

import orjson

from apps.common import online
from apps.common.errors import Problem
from apps.common.metrics import market_label
from apps.delivery import ledger
from apps.delivery.state import ViewerState
from apps.delivery.world import World
from apps.pipeline.params import FULL, PipelineParams, Widths
from apps.pipeline.rules import LiveRules, Pacing
from apps.pipeline.table import Table


@dataclass(frozen=True)
class Question:
    """What somebody asked. `candidates`: rank these of the app's ids and nobody else.

    A dry run may ask what if: under another content, at another time, with a given seed, without the rules.
    """

    surface: str
    member: str
    limit: int
    market: str | None = None
    candidates: tuple[str, ...] | None = None
    request_id: UUID | None = None
    key_prefix: str = ""
    dry_run: bool = False
    came_at: float | None = field(default=None, compare=False)  # of time.perf_counter(); None: no hurry
    content: Mapping[str, Any] | None = field(default=None, hash=False)  # instead of the viewer's release
    at: float | None = None  # instead of now, for parameters, rules and ages; the state stays that of now
    seed: int | None = None  # instead of the delivery's own
    rules_off: bool = False  # no boosts, buries, pins and caps by rule

    def __post_init__(self) -> None:
        what_if = self.content is not None or self.at is not None or self.seed is not None or self.rules_off
        if what_if and not self.dry_run:
            raise ValueError("Only a dry run may ask what if.")

    @property
    def request_key(self) -> str:
        asks_again = self.request_id is not None and not self.dry_run
        return online.request_key(self.key_prefix, self.request_id) if asks_again else ""

    @property
    def digest(self) -> bytes:
        """Names the parameters: the same request id with others is refused."""
        said = [self.surface, self.member, self.limit, self.market, self.candidates]
        return blake2b(orjson.dumps(said), digest_size=ledger.DIGEST_BYTES).digest()


@dataclass(frozen=True)
class Prepared:
    """A question with all that is known about it before anything is ranked."""

    question: Question
    world: World
    now: float
    delivery: UUID
    viewer: int
    row: Table
    params: PipelineParams
    payload: dict[str, Any]
    state: ViewerState
    believed: bool  # safety facts are Valkey's, and the ledger may be used
    rules: LiveRules | None = None  # staff's rules that are live for this viewer
    widths: Widths = FULL

    @property
    def pacing(self) -> Pacing | None:
        """The pacer's prices of this moment; without rules and subsidies there is nothing to pace."""
        is_paced = self.rules is not None or self.params.newcomer_subsidy > 0
        return self.world.pacing.get(self.question.surface) if is_paced else None


def market_asked(world: World, question: Question) -> int:
    """Index of the market asked for; -1: where the viewer is."""
    assert world.snapshot is not None
    if question.market is None:
        return -1
    index = world.snapshot.market_index(question.market)
    if index < 0:
        raise Problem(f"There is no market {question.market}.", code="unknown_market", field="market")
    return index


def market_index(world: World, question: Question, row: Table) -> int:
    asked = market_asked(world, question)
    return asked if asked >= 0 else int(row["market"][0])


def market_key(prepared: Prepared) -> str:
    """The label of the market drawn from."""
    assert prepared.world.snapshot is not None
    index = market_index(prepared.world, prepared.question, prepared.row)
    return market_label(index, prepared.world.snapshot.markets[index]["key"] if index >= 0 else "")
