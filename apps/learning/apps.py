from django.apps import AppConfig


class LearningConfig(AppConfig):
    """Offline: embeddings, predictions, evaluation of both."""

    name = "apps.learning"
    verbose_name = "Learning"
