"""`manage.py check_templates`: compiles each template: a broken tag is found before its page."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.template import TemplateSyntaxError, engines

from raya_recs.env import BASE_DIR


class Command(BaseCommand):
    help = "Compiles every template under templates/ and apps/*/templates/."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        folders = [BASE_DIR / "templates", *sorted(BASE_DIR.glob("apps/*/templates"))]
        paths = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
        broken = [message for path in paths if (message := self._problem(path))]
        for message in broken:
            self.stderr.write(message)
        if broken:
            raise CommandError(f"{len(broken)} of {len(paths)} templates do not compile")
        self.stdout.write(f"{len(paths)} templates compile")

    def _problem(self, path: Path) -> str:
        try:
            engines["django"].from_string(path.read_text())
        except (TemplateSyntaxError, UnicodeDecodeError) as error:
            return f"{path}: {error}"
        return ""
