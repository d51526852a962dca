from django.apps import AppConfig


class DeliveryConfig(AppConfig):
    """Online half: viewer to params to pipeline to guard to caps to answer."""

    name = "apps.delivery"
    verbose_name = "Delivery"
