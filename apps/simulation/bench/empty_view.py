"""The smallest Django JSON view: no middleware, no authentication, no database: the server's own cost."""

import os
import sys

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path


def empty(request: HttpRequest) -> JsonResponse:
    return JsonResponse({})


def application_for_granian() -> WSGIHandler:
    """A Django of its own: the environment's settings module is not read."""
    settings.configure(
        SECRET_KEY=os.urandom(16).hex(), ROOT_URLCONF=sys.modules[__name__], ALLOWED_HOSTS=["127.0.0.1"]
    )
    return get_wsgi_application()


urlpatterns = [path("", empty)]
if os.environ.get("BENCH_EMPTY_VIEW"):
    application = application_for_granian()
