"""Servers that others can reach: no default secret, HTTPS only."""

from raya_recs.settings.base import *

SECRET_KEY = env.str("SECRET_KEY")
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", True)
SECURE_HSTS_SECONDS = 365 * 24 * 3600
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
if not SERVES_ADMIN:
    # The API has neither cookies nor frames; a service key is the only credential.
    SILENCED_SYSTEM_CHECKS = ["security.W002", "security.W003"]
LOGGING["handlers"]["console"]["formatter"] = "json"  # the other one would quote members' words
TWO_FACTOR = True  # no switch turns it off here
KEPT_MONTHS = {
    "interactions_event": env.int("EVENTS_KEPT_MONTHS", 24),
    "interactions_delivery": env.int("DELIVERIES_KEPT_MONTHS", 13),
}
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", "raya_recs@localhost")
EMAIL_CONFIG = env.email_url("EMAIL_URL", "consolemail://")
vars().update(EMAIL_CONFIG)
