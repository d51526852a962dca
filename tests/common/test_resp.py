"""The line to Valkey comes back however often it was lost."""

from apps.common import valkey


def test_a_process_may_lose_more_lines_than_a_pool_holds() -> None:
    for _ in range(150):
        assert valkey.ask("PING", seconds=5) == b"PONG"
        valkey._line().close()
        valkey._lines.held = None
