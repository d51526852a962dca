from django.apps import AppConfig
from django.db.models.signals import post_migrate


class SurfacesConfig(AppConfig):
    """Surface and market: where a list is shown, which pool it draws from."""

    name = "apps.surfaces"
    verbose_name = "Data"  # the part of the navigation it stands in

    def ready(self) -> None:
        from apps.surfaces.services import ensure_first_surfaces

        post_migrate.connect(ensure_first_surfaces, sender=self)
