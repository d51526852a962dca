"""One machine: the demo and development. Never for a server that others can reach."""

from raya_recs.settings.base import *

DEBUG = env.bool("DEBUG", False)
SECRET_KEY = SECRET_KEY or "local-only-key-of-no-value-0123456789abcdefghijklmnopqrstuvwxyz"
TWO_FACTOR = env.bool("TWO_FACTOR", False)
# Mails are files here, to be read with any editor.
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = VAR_DIR / "mail"
