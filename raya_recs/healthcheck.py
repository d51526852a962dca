"""`python raya_recs/healthcheck.py`: exit code 0 when HEALTH_URL answers 200. For containers.

It says that TLS ended before it, as the proxy in front does: the production settings redirect plain HTTP.
"""

import os
import sys
import urllib.request


def is_healthy(url: str) -> bool:
    request = urllib.request.Request(url, headers={"Host": "localhost", "X-Forwarded-Proto": "https"})
    try:
        with urllib.request.urlopen(request, timeout=4) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(not is_healthy(os.environ["HEALTH_URL"]))
