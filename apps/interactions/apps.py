from django.apps import AppConfig


class InteractionsConfig(AppConfig):
    """What happened: events, deliveries, relationships, and the online state derived from them."""

    name = "apps.interactions"
    verbose_name = "Interactions"
