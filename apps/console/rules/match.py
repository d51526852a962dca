"""How many viewers or candidates a condition matches on the snapshot that serves, and who, for example.

Takes posted JSON, gives JSON: counts and examples, or the first mistake with its path. Places are named.
Members are not, for nobody says here why they look: an age, a town and what somebody does is what one needs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from django.http import HttpRequest, HttpResponse, JsonResponse

from apps.members.models import Member
from apps.members.selectors import age_of
from apps.pipeline.conditions import ATTRIBUTES, OPERATORS
from apps.places.models import Place
from apps.policies.conditions import (
    OPERATOR_WORDS,
    WORDS,
    ConditionInvalid,
    choices,
    expand,
    in_words,
    parse_condition,
)
from apps.policies.segments import expanded, kinds_of
from apps.releases.models import Revision
from apps.releases.selectors import live_release

EXAMPLES, MOST_BYTES = 5, 64 * 1024


def match(request: HttpRequest) -> HttpResponse:
    """The answer to the form."""
    try:
        asked = json.loads(request.body) if len(request.body) <= MOST_BYTES else None
        assert isinstance(asked, dict)
    except (ValueError, RecursionError, AssertionError):
        return JsonResponse({"error": "This can't be read."}, status=400)
    kind = "place" if asked.get("of") == "place" else "member"
    content = _content(asked.get("draft"))
    segments = content.get("segments", [])
    try:
        tree = parse_condition(asked.get("condition"), kind, segments=kinds_of(segments))
    except ConditionInvalid as refusal:
        return JsonResponse({"error": refusal.detail, "path": refusal.path}, status=422)
    names = {one["key"]: one["name"] for one in segments}
    found = _found(str(asked.get("surface", "")), kind, expand(tree, expanded(segments)))
    examples = _examples(kind, found.pop("numbers", []), request.user)
    return JsonResponse({**found, "words": in_words(tree, kind, names), "examples": examples})


def attributes(content: dict[str, Any]) -> dict[str, Any]:
    """What the form's builder knows: attributes with operators and words, and segments."""
    from apps.delivery.runtime import runtime

    snapshot = runtime().world.snapshot
    known: dict[str, Any] = {"words": OPERATOR_WORDS}
    for kind, asked in WORDS.items():
        known[kind] = {
            "attributes": {
                name: {
                    "label": said.label,
                    "kind": ATTRIBUTES[kind][name].kind,
                    "operators": OPERATORS[ATTRIBUTES[kind][name].kind],
                    "choices": choices(kind, name, snapshot) if snapshot else [],
                }
                for name, said in asked.items()
            },
            "segments": {one["key"]: one["name"] for one in content.get("segments", []) if one["of"] == kind},
        }
    return known


def _content(draft: Any) -> dict[str, Any]:
    row = Revision.objects.filter(pk=draft).first() if isinstance(draft, int) and draft < 2**31 else None
    return row.content if row is not None else live_release().content


def _found(surface: str, kind: str, tree: Any) -> dict[str, Any]:
    from apps.delivery.runtime import runtime
    from apps.pipeline.conditions import evaluate

    snapshot = runtime().world.snapshot
    if snapshot is None:
        return {"matched": None, "of": None}
    data = snapshot.surfaces.get(surface) or next(iter(snapshot.surfaces.values()))
    if kind == "place":
        data = next((one for one in snapshot.surfaces.values() if one.kind == "place"), data)
    table = data.candidates if data.kind == kind else data.viewers
    mask = evaluate(tree, table, snapshot)
    numbers = table["number"][np.flatnonzero(mask)[:EXAMPLES]].tolist()
    return {"matched": int(mask.sum()), "of": len(table), "numbers": numbers}


def _examples(kind: str, numbers: list[int], user: Any) -> list[str]:
    if kind == "place":
        return list(Place.objects.filter(number__in=numbers).values_list("name", flat=True))
    if not user.has_perm("members.view_member"):
        return []
    people = Member.objects.filter(number__in=numbers).select_related("home_market")
    return [", ".join(_in_general(one)) for one in people]


def _in_general(one: Member) -> Iterator[str]:
    if (age := age_of(one)) is not None:
        yield str(age)
    if one.home_market:
        yield one.home_market.name
    yield from [*one.crafts, *one.industries][:2]
