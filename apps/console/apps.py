from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ConsoleConfig(AppConfig):
    """Staff pages in the admin."""

    name = "apps.console"
    verbose_name = "Console"

    def ready(self) -> None:
        from apps.console.roles import ensure_roles

        post_migrate.connect(ensure_roles, sender=self)
