"""Every write call of the OpenAPI file takes an Idempotency-Key, but those whose ids say it already."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from apps.api.models import KeptAnswer
from apps.common.models import Change
from apps.surfaces.services import ensure_market
from tests.api.conftest import Caller
from tests.interactions.world import people

pytestmark = pytest.mark.django_db
HEADER = "Idempotency-Key"
# Each event and each list has an id of its own, by which a repeated one is known.
BY_THEIR_IDS = {"POST /events", "POST /events/backfill", "POST /rankings"}
NAMES = {"{member}": "ada", "{a}": "ada", "{b}": "grace", "{place}": "blue-door", "{curated_list}": "best"}


def write_calls() -> Iterator[tuple[str, dict[str, Any]]]:
    file = Path(__file__).parents[2] / "docs/openapi.yaml"
    for path, methods in yaml.safe_load(file.read_text())["paths"].items():
        for method, said in methods.items():
            if method in ("post", "put", "patch", "delete"):
                yield f"{method.upper()} {path.removeprefix('/api/v1')}", said


def takes_key(said: dict[str, Any]) -> bool:
    return any(parameter["name"] == HEADER for parameter in said.get("parameters", ()))


def body_of(said: dict[str, Any]) -> bytes:
    """The example that the file gives."""
    if "requestBody" not in said:
        return b""
    content = said["requestBody"]["content"]
    examples = next(iter(content.values()))["examples"]
    return json.dumps(next(iter(examples.values()))["value"]).encode()


def address_of(name: str) -> str:
    for word, value in NAMES.items():
        name = name.replace(word, value)
    return name


def prepare(call: Caller) -> None:
    """What the examples name, and what a call that removes something needs."""
    people("ada", "grace")
    ensure_market("paris", "Paris", 48.86, 2.35, country="FR", timezone="Europe/Paris")
    for name in ("PUT /places/{place}", "PUT /lists/{curated_list}", "PUT /connections/{a}/{b}"):
        assert call(address_of(name), body_of(CALLS[name])).status_code < 300


CALLS = {name: said for name, said in write_calls() if takes_key(said)}


def test_only_calls_whose_ids_say_it_take_none() -> None:
    assert {name for name, said in write_calls() if not takes_key(said)} == BY_THEIR_IDS
    assert len(CALLS) >= 14


@pytest.mark.parametrize("name", CALLS)
def test_a_repeated_key_gets_the_first_answer_another_body_is_refused_and_one_at_a_time_works(
    call: Caller, name: str
) -> None:
    body, address = body_of(CALLS[name]), address_of(name)
    prepare(call)
    first = call(address, body, **{HEADER: "a1"})
    assert first.status_code < 300, first.content
    done = Change.objects.count()

    again = call(address, body, **{HEADER: "a1"})
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.get("Content-Type") == first.get("Content-Type")
    assert (again["Idempotency-Replayed"], "Idempotency-Replayed" in first) == ("true", False)

    other = call(address, body + b" ", **{HEADER: "a1"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")

    KeptAnswer.objects.update(status=None)  # as while the first one works
    early = call(address, body, **{HEADER: "a1"})
    assert (early.status_code, early.json()["code"], early["Retry-After"]) == (409, "in_flight", "1")
    assert Change.objects.count() == done
