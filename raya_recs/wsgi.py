"""The WSGI entry point; RAYA_RECS_PROCESS chooses which half of the house it serves."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "raya_recs.settings.local")
application = get_wsgi_application()

if os.environ.get("RAYA_RECS_PROCESS") == "api":
    from apps.delivery.runtime import runtime

    # Snapshot, release and compiled passes are there before this worker takes its first request.
    runtime()
