"""Settings shared by every environment.

RAYA_RECS_PROCESS says which half a web process serves: `api` (lean: no sessions, no admin),
`admin`, or `all` (the default: commands, workers, tests).
"""

from datetime import timedelta
from pathlib import Path
from typing import Any

from raya_recs.env import BASE_DIR, env
from raya_recs.settings.snapshots import storage_of, vectors_of
from raya_recs.settings.unfold import UNFOLD as UNFOLD

PROCESS = env.str("RAYA_RECS_PROCESS", "all")
SERVES_ADMIN = PROCESS in ("admin", "all")

DEBUG = False
SECRET_KEY = env.str("SECRET_KEY", "")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

DATABASE_URL = env.str("DATABASE_URL", "postgres://raya_recs@127.0.0.1:5432/raya_recs")
REDIS_URL = env.str("REDIS_URL", "redis://127.0.0.1:6379/0")
DATABASES = {
    "default": {
        **env.db_url_config(DATABASE_URL),
        "CONN_MAX_AGE": env.int("CONN_MAX_AGE", 60),
        "CONN_HEALTH_CHECKS": True,
        # A server that vanishes without a word is noticed in seconds, not in the kernel's quarter of an hour.
        "OPTIONS": {
            "connect_timeout": 3,
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "tcp_user_timeout": 8000,
            # Without it the driver prepares nothing, whatever apps.common.prepared asks for.
            "prepare_threshold": 5,
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

VAR_DIR = Path(env.str("VAR_DIR", str(BASE_DIR / "var")))
SNAPSHOT_DIR = Path(env.str("SNAPSHOT_DIR", str(VAR_DIR / "snapshots")))
# Where snapshots are published for other machines: nowhere, a folder that they share, or s3://bucket/folder.
SNAPSHOT_STORE = env.str("SNAPSHOT_STORE", "")
SNAPSHOT_VECTORS = vectors_of(env.str("SNAPSHOT_VECTORS", "float32"))  # as a refresh stores them
LEARN_EVERY = timedelta(hours=env.float("LEARN_EVERY_HOURS", 6.0))  # refreshes between keep the models
# What web processes granted, until it is in Postgres: shared by the web processes and workers of a machine.
GRANTS_DIR = Path(env.str("GRANTS_DIR", str(VAR_DIR / "grants")))
MODEL_DIR = Path(env.str("MODEL_DIR", str(VAR_DIR / "models")))
# Where web processes of one server count together; each server makes a folder of its own in it.
METRICS_DIR = Path(env.str("METRICS_DIR", str(VAR_DIR / "metrics")))
# Real data sets for tests and evaluation; never part of the project.
DATA_DIR = env.str("RAYA_RECS_DATA", "")

ADMIN_APPS = [
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "csp",
    "raya_recs.admin_config.RayaAdminConfig",
]
INSTALLED_APPS = [
    *(ADMIN_APPS if SERVES_ADMIN else []),
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "rest_framework",
    "rest_framework_api_key",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "raya_recs",
    "apps.common",
    "apps.surfaces",
    "apps.places",
    "apps.members",
    "apps.interactions",
    "apps.policies",
    "apps.releases",
    "apps.learning",
    "apps.refresh",
    "apps.delivery",
    "apps.simulation",
    "apps.api",
    "apps.console",
]
if not SERVES_ADMIN:
    INSTALLED_APPS.insert(0, "django.contrib.staticfiles")

API_MIDDLEWARE = ["django.middleware.security.SecurityMiddleware"]
ADMIN_MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "apps.console.time_zone.readers_zone",
    "apps.console.access.middleware.second_step",
    "apps.console.access.middleware.named_changes",
    "axes.middleware.AxesMiddleware",
]
MIDDLEWARE = ADMIN_MIDDLEWARE if SERVES_ADMIN else API_MIDDLEWARE

ROOT_URLCONF = "raya_recs.urls"
WSGI_APPLICATION = "raya_recs.wsgi.application"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    # The folder itself needs no entry: what is renamed in it is published.
    **({"snapshots": storage_of(SNAPSHOT_STORE)} if SNAPSHOT_STORE not in ("", str(SNAPSHOT_DIR)) else {}),
}
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = VAR_DIR / "static"

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
SESSION_COOKIE_AGE = 12 * 3600
AUTHENTICATION_BACKENDS = [
    *(["axes.backends.AxesStandaloneBackend"] if SERVES_ADMIN else []),
    "apps.console.access.backend.StaffBackend",
]

# Staff sign in with a password and a code. Off only in the demo.
TWO_FACTOR = env.bool("TWO_FACTOR", True)
OTP_TOTP_ISSUER = "raya_recs"
# Before a publish, an erasure or an export staff say again who they are, unless they just did.
CONFIRMED_SECONDS = env.int("CONFIRMED_SECONDS", 600)
# Five wrong passwords lock this name out from this address alone: nobody can lock somebody else out.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_CALLABLE = "apps.console.access.lockout.locked_out"
AXES_CLIENT_IP_CALLABLE = "apps.console.access.lockout.client_address"
AXES_ENABLE_ADMIN = False
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False
# How many proxies of ours stand before the web processes; each adds one address to X-Forwarded-For.
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", 0)

# Alpine, which Unfold's pages use, compiles its attributes: hence unsafe-eval. Nothing inline runs.
CONTENT_SECURITY_POLICY = {
    "EXCLUDE_URL_PREFIXES": ["/api/"],
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'", "'unsafe-eval'"],
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:", "https:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    },
}

# Limits of the API, in one place; docs/api.md prints them.
API_MAX_BODY_BYTES = 1024 * 1024
API_MAX_JSON_DEPTH = 32
API_MAX_LIST = 1000
# For how many whole months before this one rows are kept; 0: for good (apps/interactions/upkeep.py).
KEPT_MONTHS = {
    "interactions_event": env.int("EVENTS_KEPT_MONTHS", 0),
    "interactions_delivery": env.int("DELIVERIES_KEPT_MONTHS", 0),
}

# Of how many deliveries the features are logged that their lists were made of, for training.
SERVED_FEATURES_SHARE = env.float("SERVED_FEATURES_SHARE", 0.01)

# From a call's arrival to its list; where more would pass, it is ranked narrower (apps/delivery/latency.py).
LIST_BUDGET_MS = env.int("LIST_BUDGET_MS", 100)
# How long a list waits for an answer of Valkey before it does without (apps/common/valkey.py).
VALKEY_WAIT_MS = env.int("VALKEY_WAIT_MS", 50)

# A token bucket per service key in each web process.
API_RATE_PER_SECOND = env.int("API_RATE_PER_SECOND", 1000)
API_RATE_BURST = env.int("API_RATE_BURST", 2000)
# Whether a thread keeps the service keys fresh; without it each request reads them (for tests).
API_KEYS_POLLED = True
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["apps.api.authentication.ServiceKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["apps.api.permissions.HasScope"],
    "DEFAULT_PARSER_CLASSES": ["apps.api.parsers.GuardedJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["apps.api.renderers.OrjsonRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "apps.api.problems.exception_handler",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "raya_recs",
    "DESCRIPTION": "Recommendations for a private membership community.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "OAS_VERSION": "3.1.1",
    "COMPONENT_SPLIT_REQUEST": True,
}

CELERY_BROKER_URL = env.str("CELERY_BROKER", REDIS_URL.rsplit("/", 1)[0] + "/1")
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_IGNORE_RESULT = True
CELERY_TIMEZONE = "UTC"
CELERY_ENABLE_UTC = True
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 3 * 3600,
    "unacked_restore_interval": 1,
    "unacked_restore_throttle": 1,
}

# json: an object a line, nothing personal in it (apps/common/logs.py). line: for eyes; exceptions are quoted.
LOG_FORMAT = env.str("LOG_FORMAT", "line")
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"},
        "json": {"()": "apps.common.logs.JsonFormatter"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {
        "django.request": {"level": "ERROR"},
        "numba": {"level": "WARNING"},
        "axes": {"level": "WARNING"},
    },
}
