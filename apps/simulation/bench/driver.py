"""The load: a process of its own that keeps some connections busy for some seconds, and prints what it saw.

    python driver.py PORT SECONDS CONNECTIONS < {"paths": [...], "headers": {...}}

Takes paths to ask for in turn; gives latencies and statuses as JSON. Imports nothing of the project.
"""

import http.client
import itertools
import json
import sys
import threading
import time
from collections import Counter
from typing import Any


def main() -> None:
    port, seconds, connections = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    work = json.load(sys.stdin)
    turn = itertools.cycle(work["paths"])
    results: list[tuple[float, int, int]] = []
    deadline = time.monotonic() + seconds

    def keep_busy() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        while time.monotonic() < deadline:
            start = time.perf_counter()
            connection.request("GET", next(turn), headers=work["headers"])
            answer = connection.getresponse()
            items = answer.read().count(b'"rank"')
            results.append((time.perf_counter() - start, answer.status, items))
        connection.close()

    threads = [threading.Thread(target=keep_busy) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds + 15)
    json.dump(summary(results, seconds), sys.stdout)


def summary(results: list[tuple[float, int, int]], seconds: float) -> dict[str, Any]:
    took = sorted(latency for latency, _, _ in results)
    at = len(took) - 1
    return {
        "requests": len(took),
        "per_second": round(len(took) / seconds, 1),
        "p50_ms": round(took[at // 2] * 1000, 2),
        "p99_ms": round(took[int(at * 0.99)] * 1000, 2),
        "statuses": dict(Counter(str(status) for _, status, _ in results)),
        "items_per_answer": round(sum(items for _, _, items in results) / len(took), 2),
    }


if __name__ == "__main__":
    main()
