"""A client of the API with a key of every scope, on the suite's own Postgres and Valkey."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client

from apps.api.models import Scope, ServiceKey
from apps.api.services import create_service_key
from apps.surfaces.models import Market

V1 = "/api/v1"


@dataclass
class Caller:
    """Calls with one key. `body` is bytes, or a value to be sent as JSON."""

    secret: str
    row: ServiceKey | None = None

    def __call__(self, call: str, body: Any = None, *, raw_path: str = "", **headers: str) -> Any:
        method, _, path = call.partition(" ")
        sent = headers.pop("content_type", "application/json")
        if self.secret:
            headers.setdefault("Authorization", f"Api-Key {self.secret}")
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        return Client().generic(method, V1 + path, data, content_type=sent, headers=headers)


MakeCaller = Callable[..., Caller]


@pytest.fixture
def caller_with(db: None) -> MakeCaller:
    def make(*scopes: str) -> Caller:
        row, secret = create_service_key("test", scopes)
        return Caller(secret, row)

    return make


@pytest.fixture
def call(caller_with: MakeCaller) -> Caller:
    return caller_with(*Scope.values)


@pytest.fixture
def london(db: None) -> Market:
    return Market.objects.create(
        key="london", name="London", country="GB", latitude=51.5074, longitude=-0.1278
    )
