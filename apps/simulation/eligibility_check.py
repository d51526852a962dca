"""Asks for the lists of random viewers, as the API would, and holds each against the independent SQL.

Takes a surface; gives a CheckResult. Dry runs: nothing is held, reserved or logged.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from apps.common.clock import now
from apps.common.errors import NotFound
from apps.delivery.services import recommend
from apps.members.models import Member
from apps.releases.params import build_params
from apps.releases.selectors import live
from apps.simulation.eligibility_sql import Question, Violation, eligible_counts, violations
from apps.surfaces.selectors import active_surfaces

TRIES, PAUSE_SECONDS = 5, 1.0  # of a list while a store rests: a hiccup of the machine is no wrong list


@dataclass(frozen=True)
class CheckResult:
    """What was looked at, and what was wrong; `wrong` holds sentences on lists and their shortfalls."""

    viewers: int
    shown: int
    empty: int
    short: int
    violations: tuple[Violation, ...]
    wrong: tuple[str, ...]

    @property
    def good(self) -> bool:
        return not self.violations and not self.wrong


def check_lists(
    surface: str, *, viewers: int, limit: int, seed: int, market: str = "", members: Sequence[str] = ()
) -> CheckResult:
    """For random viewers, or for `members`. NotFound: an unknown surface, or nobody to ask for."""
    question = _question(surface)
    chosen = list(dict.fromkeys(members)) or _choose(viewers, seed, market)
    answers = {member: _asked(surface, member, limit) for member in chosen}
    pairs = [(member, item["id"]) for member, answer in answers.items() for item in answer["items"]]
    short = [member for member, answer in answers.items() if len(answer["items"]) < limit]
    counts = eligible_counts(question, short)
    wrong = [
        sentence
        for member in chosen
        for sentence in _wrong(member, answers[member], limit, counts.get(member))
    ]
    return CheckResult(
        viewers=len(chosen),
        shown=len(pairs),
        empty=sum(not answer["items"] for answer in answers.values()),
        short=len(short),
        violations=tuple(violations(question, pairs)),
        wrong=tuple(wrong),
    )


def _question(surface: str) -> Question:
    known = active_surfaces()
    if surface not in known:
        raise NotFound(f"There is no surface {surface}.", code="unknown_surface")
    moment = now()
    params = build_params(live().stable_content, surface, viewer="")
    return Question(
        surface,
        known[surface].eligibility,
        moment,
        moment - timedelta(days=params.cooldown_days),
        params.trips_days if params.trips_share else 0,
    )


def _asked(surface: str, member: str, limit: int) -> dict[str, Any]:
    """The list as a dry run; one that lacked a store is asked for again, and given as it is in the end."""
    for _ in range(TRIES - 1):
        answer = recommend(surface=surface, member=member, limit=limit, dry_run=True)
        if not answer["degraded"]:
            return answer
        time.sleep(PAUSE_SECONDS)
    return recommend(surface=surface, member=member, limit=limit, dry_run=True)


def _choose(count: int, seed: int, market: str) -> list[str]:
    """Random active members, the same ones for the same seed and the same members."""
    active = Member.objects.filter(status="active", home_market__isnull=False, birth_date__isnull=False)
    if market:
        active = active.filter(home_market__key=market)
    ids = sorted(active.values_list("external_id", flat=True))
    if not ids:
        raise NotFound("There are no active members to ask for.")
    return random.Random(seed).sample(ids, min(count, len(ids)))


def _wrong(member: str, answer: Mapping[str, Any], limit: int, count: tuple[int, int] | None) -> list[str]:
    """Sentences on a list that is too long, repeats somebody, or whose shortfall is not right."""
    ids, shortfall = [item["id"] for item in answer["items"]], answer["shortfall"]
    missing, reasons = shortfall.get("missing", 0), set(shortfall.get("reasons", ()))
    sentences = []
    if len(ids) != len(set(ids)) or len(ids) > limit:
        sentences.append(f"{member}: a list of {len(ids)} for a limit of {limit}, or somebody twice")
    if missing != limit - len(ids):
        sentences.append(f"{member}: says {missing} missing, but {limit - len(ids)} are")
    if answer["degraded"]:
        sentences.append(f"{member}: degraded by {', '.join(answer['degraded'])}")
    if count is not None and "capped" not in reasons:
        low, high = (min(limit, n) for n in count)
        if not low <= len(ids) <= high:
            sentences.append(f"{member}: {len(ids)} shown where {count[0]} to {count[1]} are eligible")
        if reasons != {"pool_exhausted"}:
            sentences.append(f"{member}: a short list for the reasons {sorted(reasons)}")
    return sentences
