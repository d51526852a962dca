from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ReleasesConfig(AppConfig):
    """Revisions and releases: draft, difference, publish, roll back."""

    name = "apps.releases"
    verbose_name = "Releases"

    def ready(self) -> None:
        from apps.releases.services import ensure_first_release

        post_migrate.connect(ensure_first_release, sender=self)
