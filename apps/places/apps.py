from django.apps import AppConfig


class PlacesConfig(AppConfig):
    """Places for the travel surface, curated lists."""

    name = "apps.places"
    verbose_name = "Data"  # the part of the navigation it stands in
