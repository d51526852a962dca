"""`manage.py doctor`: a list of what works and what does not; exit code 1 when something does not."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from raya_recs.doctor import findings


class Command(BaseCommand):
    help = "Looks at versions, stores, migrations, release, snapshot, disk and ports."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        bad = 0
        for finding in findings():
            mark = self.style.SUCCESS("ok  ") if finding.good else self.style.ERROR("FAIL")
            self.stdout.write(f"{mark}  {finding.name:<11} {finding.detail}")
            bad += not finding.good
        if bad:
            raise CommandError(f"{bad} things need attention")
