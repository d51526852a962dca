"""Events from a file, of any age, through the service that the API uses."""

from collections.abc import Sequence

from apps.common import clock
from apps.common.loading import LoadCommand, Result
from apps.interactions.bodies import EventBody
from apps.interactions.services import record_events


class Command(LoadCommand):
    help = (
        "Loads events from FILE: JSON lines or CSV in the REST schema, .gz too, of any age. Safe to repeat."
    )
    body = EventBody
    batch = 5000

    def save(self, bodies: Sequence[EventBody]) -> Sequence[Result]:
        return record_events(bodies, now=clock.now(), backfill=True)
