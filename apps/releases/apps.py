from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ReleasesConfig(AppConfig):
    """Revisions and releases: draft, difference, publish, roll back."""

    name = "apps.releases"
    verbose_name = "Releases"

    def ready(self) -> None:
        from django.core.checks import Tags, register

        from apps.releases.checks import mail_reaches_somebody
        from apps.releases.services import ensure_first_release

        register(mail_reaches_somebody, Tags.security, deploy=True)
        post_migrate.connect(ensure_first_release, sender=self)
