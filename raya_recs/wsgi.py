"""The WSGI entry point; RAYA_RECS_PROCESS chooses which half of the house it serves."""

import gc
import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from apps.common import spans
from apps.common.metrics_folder import share_counts

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "raya_recs.settings.local")
serves_lists = os.environ.get("RAYA_RECS_PROCESS") == "api"
if serves_lists:
    share_counts(settings.METRICS_DIR, server=os.getppid())
    spans.begin("raya_recs.api")
application = get_wsgi_application()

if serves_lists:
    from apps.api.direct import direct
    from apps.api.shedding import shedding
    from apps.delivery.runtime import runtime
    from apps.delivery.watch import start
    from apps.interactions.telling import forget_together

    # Snapshot, release and compiled passes are there before this worker takes its first request. A rebuild of
    # the online state may take a minute: it is not waited for, lists do without it as the ladder says.
    runtime(patience=5.0)
    start()
    forget_together()
    application = shedding(direct(application))  # type: ignore[assignment]
    # All of this stays. To look through it for garbage again holds up every request for a tenth of a second.
    gc.collect()
    gc.freeze()
    # A batch of events holds thousands of objects at once, none of which is garbage: once is enough.
    gc.set_threshold(20_000)
