"""What is counted and watched, by name: the one list behind /metrics, the alert rules and the dashboard.

Counters are plain: an increment costs a microsecond or two and asks nobody. Where several processes serve,
they count in files of one folder (see metrics_folder.py) and whichever is asked adds them up. Labels are
closed lists; a market's is bounded by `market_label`. Nothing here names a member.
"""

from __future__ import annotations

from functools import cache

from prometheus_client import Counter, Gauge, Histogram

MOST_MARKETS = 50  # named; whoever comes after them is "other"
NO_MARKET = "none"  # known before the viewer's market was
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5)  # seconds
BY_MARKET = ("surface", "market")

# Every call of the API.
REQUESTS = Counter("raya_recs_requests", "Answered calls", ["call", "status"])
SECONDS = Counter("raya_recs_request_seconds", "Time spent on calls", ["call"])
SHED = Counter("raya_recs_calls_shed", "Calls sent away because the process was full", ["caller"])

# Lists: traffic, errors, latency, work, per surface and market.
LISTS = Counter("raya_recs_lists", "Lists answered", BY_MARKET)
LIST_ERRORS = Counter("raya_recs_list_errors", "Lists that failed for a reason nobody foresaw", BY_MARKET)
LIST_SECONDS = Histogram("raya_recs_list_seconds", "Time to a list", BY_MARKET, buckets=BOUNDS)
LIST_CPU = Counter("raya_recs_list_cpu_seconds", "CPU of the serving thread for lists", BY_MARKET)
WANTED = Counter("raya_recs_list_items_wanted", "Candidates asked for", BY_MARKET)
SHOWN = Counter("raya_recs_list_items_shown", "Candidates shown", BY_MARKET)
EMPTY = Counter("raya_recs_lists_empty", "Lists without anybody", BY_MARKET)
SHORT = Counter("raya_recs_lists_short", "Lists shorter than asked for, by reason", ["surface", "reason"])
DEGRADED = Counter("raya_recs_lists_degraded", "Lists that did without something", ["surface", "reason"])
NARROWED = Counter(
    "raya_recs_lists_narrowed", "Lists ranked narrower, for time was short: the rung", ["surface", "rung"]
)

# Sources. Those that never failed in a process are not there.
BY_SOURCE = ("surface", "source")
SOURCE_FAILED = Counter(
    "raya_recs_source_failures",
    "Lists that a source failed: it raised, was stopped, or came late",
    [*BY_SOURCE, "why"],
)
SOURCE_STATE = Gauge(
    "raya_recs_source_state",
    "Processes in which the breaker of a source is closed, open or half open",
    [*BY_SOURCE, "state"],
    multiprocess_mode="livesum",
)
SOURCE_OPENED = Gauge(
    "raya_recs_source_opened", "How often breakers of sources opened", BY_SOURCE, multiprocess_mode="livesum"
)

# Promises of the guard and of the ledger.
GUARD_DROPS = Counter(
    "raya_recs_guard_drops",
    "Candidates dropped by the last guard: pipeline (should never have been proposed), gone, blocked",
    ["surface", "why"],
)
GRANTED = Counter("raya_recs_exposures_granted", "Exposures reserved under the caps", ["surface"])
REFUSED = Counter("raya_recs_exposures_refused", "Exposures refused by a cap", ["surface"])

CAPS_OVERSHOT = Gauge(
    "raya_recs_caps_overshot", "Candidates shown more often than caps allow", multiprocess_mode="livemax"
)
CAPS_CHECKED_AT = Gauge(
    "raya_recs_caps_checked_timestamp_seconds", "When that was counted", multiprocess_mode="livemax"
)

# Events.
EVENTS = Counter("raya_recs_events", "Events by what became of them", ["status"])
STORED = Counter("raya_recs_events_stored", "Rows of events committed to Postgres")

# What a web process sees; the worst of them is told.
POSTGRES_UP = Gauge("raya_recs_postgres_up", "Postgres answered the last poll", multiprocess_mode="livemin")
VALKEY_UP = Gauge("raya_recs_valkey_up", "Valkey answered the last poll", multiprocess_mode="livemin")
BREAKER_OPEN = Gauge(
    "raya_recs_breaker_open", "A process does not ask this store now", ["store"], multiprocess_mode="livemax"
)
BREAKER_OPENED = Gauge(
    "raya_recs_breaker_opened", "How often breakers opened", ["store"], multiprocess_mode="livesum"
)
BELIEVED = Gauge("raya_recs_online_state_believed", "Valkey's facts are used", multiprocess_mode="livemin")
READY = Gauge("raya_recs_ready", "Snapshot and release are loaded", multiprocess_mode="livemin")
RELEASE = Gauge("raya_recs_release", "Number of the stable release", multiprocess_mode="livemin")
CANDIDATE_PERCENT = Gauge(
    "raya_recs_release_candidate_percent", "Viewers of a staged rollout", multiprocess_mode="livemax"
)
SNAPSHOT_AGE = Gauge(
    "raya_recs_snapshot_age_seconds", "Since the data of the served snapshot", multiprocess_mode="livemax"
)
SNAPSHOTS_REFUSED = Counter(
    "raya_recs_snapshots_refused", "Tries to fetch and open the active snapshot that failed"
)
OVERLAY_LAG = Gauge(
    "raya_recs_overlay_lag_seconds", "Age of the oldest change not followed", multiprocess_mode="livemax"
)
UNTOLD = Gauge(
    "raya_recs_untold_seconds", "Age of the oldest batch not told to Valkey", multiprocess_mode="livemax"
)
PROCESS_CPU = Gauge("raya_recs_process_cpu_seconds", "CPU of the web processes", multiprocess_mode="livesum")
PROCESS_MEMORY = Gauge("raya_recs_process_memory_bytes", "Resident memory", multiprocess_mode="livesum")
PROCESSES = Gauge("raya_recs_processes", "Web processes", multiprocess_mode="livesum")
CPUS = Gauge("raya_recs_cpus", "Cores these processes may use", multiprocess_mode="livemax")

# What the stores say.
WATCHED_AT = Gauge(
    "raya_recs_watched_timestamp_seconds", "When the store last told", ["store"], multiprocess_mode="livemax"
)
STREAM = Gauge("raya_recs_stream_deliveries", "Deliveries not copied yet", multiprocess_mode="livemax")
COPIER_LAG = Gauge("raya_recs_copier_lag_seconds", "Age of the oldest of them", multiprocess_mode="livemax")
SET_ASIDE = Gauge("raya_recs_stream_set_aside", "Deliveries not readable", multiprocess_mode="livemax")
VALKEY_MEMORY = Gauge("raya_recs_valkey_memory_ratio", "Used of what it may", multiprocess_mode="livemax")
GENERATION = Gauge(
    "raya_recs_online_state_generation",
    "Rises with each rebuild and each write that Valkey missed",
    multiprocess_mode="livemax",
)
UNAPPROVED = Gauge(
    "raya_recs_releases_unapproved",
    "Live releases nobody was allowed to publish",
    multiprocess_mode="livemax",
)
EMERGENCIES = Gauge(
    "raya_recs_emergencies_unreviewed", "Publishes without a second person", multiprocess_mode="livemax"
)
REFRESH_AGE = Gauge(
    "raya_recs_refresh_age_seconds", "Since the last refresh that was done", multiprocess_mode="livemax"
)
CONNECTIONS = Gauge("raya_recs_postgres_connections_ratio", "Taken of all", multiprocess_mode="livemax")
DISK_FREE = Gauge("raya_recs_disk_free_bytes", "Where snapshots lie", multiprocess_mode="livemin")


@cache
def labelled(metric: Counter, *labels: str) -> Counter:
    """The counter with these labels, looked up once per process: they are few."""
    return metric.labels(*labels)


def market_label(index: int, key: str) -> str:
    """A market's label, by its place in the snapshot's list."""
    return key if 0 <= index < MOST_MARKETS else NO_MARKET if index < 0 else "other"
