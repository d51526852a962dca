"""The load: a process of its own that keeps some connections busy for some seconds, and prints what it saw.

    python driver.py PORT SECONDS CONNECTIONS < {"paths": [...], "headers": {...}}

Takes paths to ask for in turn; gives latencies and statuses as JSON. With "rates" ([seconds, requests a
second], one after the other) they are due at even times whatever the server does, and waiting counts from
there; what began within each of some "windows" (from, to: seconds) is also told apart. Imports nothing of the
project.
"""

import http.client
import itertools
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

NO_ANSWER = 0
# Begun (seconds since the start), latency, status, items, whether the answer says that something was missing.
Seen = tuple[float, float, int, int, bool]


def main() -> None:
    port, seconds, connections = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    work = json.load(sys.stdin)
    due_at = dues(work["rates"]) if "rates" in work else None
    turn, arrivals = itertools.cycle(work["paths"]), itertools.count()
    results: list[Seen] = []
    start = time.perf_counter()

    def next_due() -> float:
        if due_at is None:
            return time.perf_counter()
        arrival = next(arrivals)
        return start + (due_at[arrival] if arrival < len(due_at) else seconds)

    def keep_busy() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        while (due := next_due()) < start + seconds:
            time.sleep(max(due - time.perf_counter(), 0))
            answer = ask(connection, next(turn), work["headers"])
            results.append((due - start, time.perf_counter() - due, *answer))
        connection.close()

    threads = [threading.Thread(target=keep_busy) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds + 15)
    json.dump(summary(results, seconds, work.get("windows", ())), sys.stdout)


def dues(rates: Sequence[Sequence[float]]) -> list[float]:
    """When each request is due, in seconds since the start."""
    found, begun = [], 0.0
    for lasts, rate in rates:
        found += [begun + i / rate for i in range(int(lasts * rate))]
        begun += lasts
    return found


def ask(connection: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> tuple[int, int, bool]:
    """Status, items and degradation of the answer; NO_ANSWER where none came."""
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        return answer.status, body.count(b'"rank"'), b'"degraded":["' in body
    except (OSError, http.client.HTTPException):
        connection.close()  # the next request opens it anew
        return NO_ANSWER, 0, False


def summary(results: list[Seen], seconds: float, windows: Sequence[Sequence[float]] = ()) -> dict[str, Any]:
    took = [latency for _, latency, *_ in results]
    within = [[took for begun, took, *_ in results if low <= begun < high] for low, high in windows]
    return {
        "requests": len(took),
        "per_second": round(len(took) / seconds, 1),
        "p50_ms": quantile_ms(took, 0.5),
        "p95_ms": quantile_ms(took, 0.95),
        "p99_ms": quantile_ms(took, 0.99),
        "window_p99_ms": [quantile_ms(latencies, 0.99) for latencies in within],
        "failed": sum(status != 200 for _, _, status, *_ in results),
        "degraded": sum(is_degraded for *_, is_degraded in results),
        "statuses": dict(Counter(str(status) for _, _, status, *_ in results)),
        "items_per_answer": round(sum(items for *_, items, _ in results) / max(len(took), 1), 2),
    }


def quantile_ms(latencies: list[float], share: float) -> float | None:
    """None of nothing."""
    return round(sorted(latencies)[int((len(latencies) - 1) * share)] * 1000, 2) if latencies else None


if __name__ == "__main__":
    main()
