from django.apps import AppConfig


class ReleasesConfig(AppConfig):
    """Revisions and releases: draft, difference, publish, roll back."""

    name = "apps.releases"
    verbose_name = "Releases"
