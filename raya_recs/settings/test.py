"""The test suite: fast password hashing, everything else as it is in production."""

import tempfile

from raya_recs.settings.base import *

SECRET_KEY = "test-only-key-of-no-value-0123456789abcdefghijklmnopqrstuvwxyz"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
ALLOWED_HOSTS = ["*"]
VAR_DIR = Path(env.str("TEST_VAR_DIR", "") or tempfile.mkdtemp(prefix="raya_recs-test-"))
SNAPSHOT_DIR = VAR_DIR / "snapshots"
GRANTS_DIR = VAR_DIR / "grants"
MODEL_DIR = VAR_DIR / "models"
STATIC_ROOT = VAR_DIR / "static"
API_KEYS_POLLED = False
VALKEY_WAIT_MS = 500  # several runs share the cores: a list that is empty for want of CPU says nothing
TWO_FACTOR = False
