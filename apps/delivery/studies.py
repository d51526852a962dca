"""Studies a draft on lists that were asked for of late: each is drawn twice, by what is live and by the
draft.

Takes a DraftStudy row, fills it in as it goes, and stops when it is cancelled. Both lists have the same seed
and the state of now; nothing is reserved or logged. A cap is hit where the ledger, as it counts now, would
refuse somebody of the list. An approximation in one way: a draft's lower cap meets exposures that the live
one allowed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from statistics import median
from typing import Any

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Q

from apps.common.clock import now
from apps.common.errors import Conflict, Problem
from apps.delivery.comparison import exposure, ginis, histogram, rank_biased_overlap
from apps.delivery.groups import groups_of
from apps.delivery.models import DraftStudy
from apps.delivery.preview import preview_list
from apps.members.models import Member
from apps.releases.models import Revision

SAMPLE, MOST = 500, 5000
RECENT = timedelta(days=7)
PARTS = 84  # two hours each: a sample is of days and nights
_ASKED = "id, surface, viewer, seed, requested FROM interactions_delivery"
_ASKED_FOR = "NOT random_order AND cardinality(candidates) > 0"
_SPREAD = f"""
SELECT sample.* FROM generate_series(0, %(parts)s - 1) AS i, LATERAL (
    SELECT {_ASKED}
    WHERE served_at >= %(since)s + i * %(part)s::interval
        AND served_at < %(since)s + (i + 1) * %(part)s::interval
        AND {_ASKED_FOR}
    ORDER BY served_at LIMIT %(each)s
) AS sample
"""
_LATEST = f"""
SELECT {_ASKED} WHERE served_at >= %s AND {_ASKED_FOR} ORDER BY served_at DESC LIMIT %s
"""
LEASE = timedelta(seconds=60)  # a worker that says nothing for so long has died
SAVE_EVERY = 20
ACTIVE = (DraftStudy.Status.WAITING, DraftStudy.Status.RUNNING)


def ask_for_study(revision: Revision, *, actor: User | None, sample: int = SAMPLE) -> DraftStudy:
    """A row for a worker to take up. Conflict while another study of this draft is under way."""
    if not 1 <= sample <= MOST:
        raise Problem(f"Study 1 to {MOST:,} requests.", code="out_of_range", field="sample")
    with transaction.atomic():
        row = Revision.objects.select_for_update().get(pk=revision.pk)
        alive = Q(alive_at__gt=now() - LEASE) | Q(alive_at=None, asked_at__gt=now() - timedelta(minutes=10))
        if DraftStudy.objects.filter(alive, revision=row, status__in=ACTIVE).exists():
            raise Conflict("A study of this draft is under way.")
        return DraftStudy.objects.create(revision=row, version=row.version, sample=sample, asked_by=actor)


def cancel_study(study: DraftStudy) -> bool:
    """Asks the worker to stop; False when it has ended already."""
    return bool(
        DraftStudy.objects.filter(pk=study.pk, status__in=ACTIVE).update(status=DraftStudy.Status.CANCELLED)
    )


def run_study(pk: int) -> DraftStudy | None:
    """Does the work; None when somebody else does it, or it has ended. Safe to repeat."""
    taken = DraftStudy.objects.filter(pk=pk, status__in=ACTIVE).filter(
        Q(alive_at=None) | Q(alive_at__lt=now() - LEASE)
    )
    if not taken.update(status=DraftStudy.Status.RUNNING, alive_at=now(), done=0):
        return None
    study = DraftStudy.objects.select_related("revision").get(pk=pk)
    try:
        pairs = list(_pairs(study))
    except Exception as error:
        _end(study, DraftStudy.Status.FAILED, message=f"{type(error).__name__}: {error}"[:200])
        raise
    _end(study, DraftStudy.Status.DONE, result=_result(pairs, study.revision.content), done=len(pairs))
    study.refresh_from_db()
    return study


def _pairs(study: DraftStudy) -> Iterator[dict[str, Any]]:
    """One per request that could be drawn again: both lists and what each cost."""
    content = study.revision.content
    rows = _sample(study.sample)
    DraftStudy.objects.filter(pk=study.pk).update(sample=len(rows))
    for i, (surface, member, seed, limit) in enumerate(rows, 1):
        pair: dict[str, Any] = {"surface": surface, "limit": limit}
        try:
            for side, said in (("before", None), ("after", content)):
                started = time.thread_time()
                answer = preview_list(
                    surface=surface, member=member, content=said, seed=seed, limit=min(max(limit, 1), 100)
                )
                pair[f"{side}_ms"] = 1000 * (time.thread_time() - started)
                pair[side] = [item["id"] for item in answer["items"]]
                pair[f"{side}_capped"] = "capped" in answer["shortfall"]["reasons"]
                pair[f"{side}_hits"] = answer.get("capped", 0)
        except Problem:
            continue  # erased or gone since
        yield pair
        if i % SAVE_EVERY == 0 and not _is_wanted(study, i):
            return


def _sample(size: int) -> list[tuple[str, str, int, int]]:
    """Surface, member, seed and limit of recent requests: as many of each part of the last days, and the
    latest where there are too few."""
    until = now()
    with connection.cursor() as cursor:
        part = f"{RECENT.total_seconds() / PARTS} seconds"
        cursor.execute(
            _SPREAD, {"since": until - RECENT, "part": part, "parts": PARTS, "each": -(-size // PARTS)}
        )
        found = {row[0]: row[1:] for row in cursor.fetchall()}
        if len(found) < size:
            cursor.execute(_LATEST, [until - RECENT, size])
            found |= {row[0]: row[1:] for row in cursor.fetchall()}
    chosen = list(found.values())[:size]
    ids = dict(
        Member.objects.filter(number__in={row[1] for row in chosen}).values_list("number", "external_id")
    )
    return [(s, ids[viewer], seed, limit) for s, viewer, seed, limit in chosen if viewer in ids]


def _is_wanted(study: DraftStudy, done: int) -> bool:
    connection.ensure_connection()
    running = DraftStudy.objects.filter(pk=study.pk, status=DraftStudy.Status.RUNNING)
    return bool(running.update(done=done, alive_at=now()))


def _end(study: DraftStudy, status: str, **values: Any) -> None:
    DraftStudy.objects.filter(pk=study.pk, status=DraftStudy.Status.RUNNING).update(status=status, **values)


def _result(pairs: list[dict[str, Any]], content: Mapping[str, Any]) -> dict[str, Any]:
    """By surface, so that people and places are never counted together."""
    return {
        surface: _of_surface(surface, content, [pair for pair in pairs if pair["surface"] == surface])
        for surface in sorted({pair["surface"] for pair in pairs})
    }


def _of_surface(surface: str, content: Mapping[str, Any], pairs: list[dict[str, Any]]) -> dict[str, Any]:
    before, after = exposure(pair["before"] for pair in pairs), exposure(pair["after"] for pair in pairs)
    overlaps = [rank_biased_overlap(pair["before"], pair["after"]) for pair in pairs]
    wanted = sum(pair["limit"] for pair in pairs) or 1
    n = len(pairs) or 1
    return {
        "lists": len(pairs),
        "changed": sum(pair["before"] != pair["after"] for pair in pairs),
        "overlap": sum(overlaps) / n,
        "overlaps": histogram(overlaps),
        "gini": list(ginis(before, after)),
        "shown": [len(before), len(after)],
        "fill": [sum(before.values()) / wanted, sum(after.values()) / wanted],
        "capped": [sum(pair[f"{side}_capped"] for pair in pairs) for side in ("before", "after")],
        "cap_hits": [sum(pair[f"{side}_hits"] for pair in pairs) for side in ("before", "after")],
        "cpu_ms": [median(pair[f"{side}_ms"] for pair in pairs) for side in ("before", "after")],
        "groups": groups_of(surface, content, before, after),
    }
