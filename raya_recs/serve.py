"""Serves over HTTP: granian, whose workers share what was loaded before they were forked.

    python -m raya_recs.serve --port 8000 --workers 2

What a worker of the API holds before any member is there is over a hundred megabytes of modules and compiled
passes. Here one process loads them for all, and a worker in place of one that died begins at once. So no
thread, connection or draw of chance may begin before the fork: raya_recs/wsgi.py begins them in each worker.
"""

from __future__ import annotations

import gc
import os
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from apps.common.metrics_folder import forget_starter, share_counts


def main(arguments: Sequence[str] | None = None) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "raya_recs.settings.local")
    options = _parser().parse_args(arguments)
    load_what_workers_share()
    _serve(options)


def load_what_workers_share() -> None:
    """Modules, addresses and compiled passes, out of the way of the garbage collector: it writes to them."""
    if os.environ.get("RAYA_RECS_PROCESS") == "api":
        share_counts(settings.METRICS_DIR, server=os.getpid())
    from django.core.wsgi import get_wsgi_application
    from django.urls import get_resolver

    get_wsgi_application()
    _ = get_resolver().url_patterns
    from apps.delivery import runtime, watch  # noqa: F401
    from apps.pipeline.warming import load_passes

    load_passes()
    forget_starter()
    gc.collect()
    gc.freeze()


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m raya_recs.serve",
        description="Serves the half of the house that RAYA_RECS_PROCESS names (api or admin) over HTTP. A "
        "worker that dies is replaced. New code and settings are read when the whole command starts again.",
        formatter_class=ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on")
    parser.add_argument("--workers", type=int, default=1, help="processes that answer")
    parser.add_argument("--threads", type=int, default=16, help="threads of each")
    parser.add_argument("--backpressure", type=int, default=800, help="connections of each, at most")
    parser.add_argument("--static", type=Path, help="folder of collected static files, to be served as well")
    parser.add_argument("--application", default="raya_recs.wsgi:application", help="what answers")
    parser.add_argument(
        "--log-level", default="info", choices=["error", "warning", "info"], help="of granian"
    )
    return parser


def _serve(options: Namespace) -> None:
    Granian(
        options.application,
        address=options.host,
        port=options.port,
        interface=Interfaces.WSGI,
        workers=options.workers,
        blocking_threads=options.threads,
        backpressure=options.backpressure,
        websockets=False,
        respawn_failed_workers=True,
        log_level=LogLevels(options.log_level),
        static_path_route=["/static"] if options.static else None,
        static_path_mount=[options.static] if options.static else None,
    ).serve()


if __name__ == "__main__":
    main()
