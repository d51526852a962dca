"""Compares docs/openapi.yaml with what the code generates. Any difference fails."""

from __future__ import annotations

from typing import Any

import yaml
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer

from apps.api.openapi_difference import differences


class Command(BaseCommand):
    help = "Fails when docs/openapi.yaml is not what the code generates."

    def handle(self, *args: Any, **options: Any) -> None:
        path = settings.BASE_DIR / "docs" / "openapi.yaml"
        generated = yaml.safe_load(_generated())
        committed = yaml.safe_load(path.read_text()) if path.exists() else {}
        found = differences(committed, generated)
        for difference in found:
            self.stderr.write(str(difference))
        if found:
            raise CommandError("docs/openapi.yaml differs from the code: run make openapi")
        self.stdout.write("docs/openapi.yaml says what the code does")


def _generated() -> bytes:
    schema = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
    text: bytes = OpenApiYamlRenderer().render(schema, renderer_context={})  # type: ignore[no-untyped-call]
    return text
