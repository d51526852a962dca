"""Members from a file, through the service that the API uses."""

from collections.abc import Sequence

from apps.common.bodies import Rejected
from apps.common.loading import LoadCommand, Result
from apps.members.bodies import MemberBody
from apps.members.services import save_members


class Command(LoadCommand):
    help = "Loads members from FILE: JSON lines or CSV in the REST schema, .gz too. Safe to repeat."
    body = MemberBody

    def save(self, bodies: Sequence[MemberBody]) -> Sequence[Result]:
        return save_members([(body.id or "", body) for body in bodies])

    def refusal(self, body: MemberBody) -> Rejected | None:
        return None if body.id else Rejected("", "missing", "id", "This key is needed.")
