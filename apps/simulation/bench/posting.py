"""The load of events: a process of its own whose connections post prepared batches, each once.

    python posting.py PORT SECONDS CONNECTIONS FILE < {"path": ..., "headers": {...}}

Takes a file with one JSON body a line; gives what was answered as JSON. Imports nothing of the project.
"""

import http.client
import json
import sys
import threading
import time
from collections import Counter


def main() -> None:
    port, seconds, connections = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    work = json.load(sys.stdin)
    with open(sys.argv[4], "rb") as file:
        bodies = iter(file.read().splitlines())
    taking = threading.Lock()
    results: list[tuple[float, int, int]] = []
    start = time.monotonic()

    def post() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while time.monotonic() < start + seconds:
            with taking:
                body = next(bodies, None)
            if body is None:
                break
            sent = time.perf_counter()
            connection.request("POST", work["path"], body, work["headers"])
            answer = connection.getresponse()
            accepted = answer.read().count(b'"accepted"')
            results.append((time.perf_counter() - sent, answer.status, accepted))
        connection.close()

    threads = [threading.Thread(target=post) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds + 60)
    took = time.monotonic() - start
    waited = sorted(latency for latency, _, _ in results)
    accepted = sum(count for _, _, count in results)
    found = {
        "seconds": round(took, 2),
        "batches": len(results),
        "accepted": accepted,
        "per_second": round(accepted / took, 1),
        "p50_ms": round(waited[len(waited) // 2] * 1000, 1),
        "p99_ms": round(waited[int((len(waited) - 1) * 0.99)] * 1000, 1),
        "statuses": dict(Counter(str(status) for _, status, _ in results)),
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
