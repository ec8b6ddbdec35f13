"""Django settings, read from the environment alone (each name also as NAME_FILE).

Docs: docs/reference/settings.md lists every name, its meaning and its default.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

from bengoerp.csp import DIRECTIVES
from bengoerp.theme import UNFOLD as UNFOLD
from integrations.crypto.devkey import read_or_create

BASE_DIR = Path(__file__).resolve().parent.parent


class FileAwareMapping(environ.fileaware_mapping.FileAwareMapping):  # type: ignore[misc]
    """Environment variables, each also as NAME_FILE, whose last line break does not count."""

    def __getitem__(self, key: str) -> str:
        """The variable, or the text of its file."""
        return str(super().__getitem__(key)).rstrip("\r\n")


class FileAwareEnv(environ.Env):  # type: ignore[misc]
    """Typed reading of `FileAwareMapping`."""

    ENVIRON = FileAwareMapping()


env = FileAwareEnv()
# The demo's throw-away installation must never reach what .env names.
if not env.bool("BENGOERP_NO_DOTENV", default=False):
    environ.Env.read_env(str(BASE_DIR / ".env"))

DEBUG: bool = env.bool("DJANGO_DEBUG", default=False)
DEV_DIR = BASE_DIR / ".dev"


def _secret_key() -> str:
    key: str = env.str("DJANGO_SECRET_KEY", default="")
    if key:
        return key
    if DEBUG:
        return read_or_create(DEV_DIR / "secret_key", get_random_secret_key)
    raise ImproperlyConfigured("DJANGO_SECRET_KEY is not set (or set DJANGO_DEBUG=1 to develop).")


SECRET_KEY = _secret_key()
ALLOWED_HOSTS: list[str] = env.list(
    "DJANGO_ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"] if DEBUG else []
)
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])

# --- what this product reads -------------------------------------------------------------------
CYPHER_KEY: str = env.str("CYPHER_KEY", default="")
# Where DEBUG keeps the key that it generates once per checkout; never used with DEBUG off.
CYPHER_DEV_KEY_FILE = DEV_DIR / "cypher_key"
PUBLIC_BASE_URL: str = env.str("PUBLIC_BASE_URL", default="").rstrip("/")
TRUSTED_PROXIES: list[str] = env.list("TRUSTED_PROXIES", default=[])
OUTBOUND_ALLOWED_HOSTS: list[str] = env.list("OUTBOUND_ALLOWED_HOSTS", default=[])
OUTBOUND_PROXY: str = env.str("OUTBOUND_PROXY", default="")
# Calls per second and burst by provider, as JSON: {"mpesa": [10, 20]}.
INTEGRATIONS_RATE_LIMITS: dict[str, Any] = env.json("INTEGRATIONS_RATE_LIMITS", default={})
# The model that holds the database's encryption key; a host ERP may name its own.
INTEGRATIONS_APP_SETTINGS_MODEL: str = env.str(
    "INTEGRATIONS_APP_SETTINGS_MODEL", default="integrations.AppSettings"
)
# Which businesses a user may see: a dotted path to `(user) -> keys`; empty: grants in the admin.
INTEGRATIONS_BUSINESS_RESOLVER: str = env.str("INTEGRATIONS_BUSINESS_RESOLVER", default="")
INTEGRATIONS_STAMP_SECONDS: float = env.float("INTEGRATIONS_STAMP_SECONDS", default=1.0)
INTEGRATIONS_LEASE_SECONDS: float = env.float("INTEGRATIONS_LEASE_SECONDS", default=60.0)
# The longest that one piece of work may take; the lease must be longer (check E020).
INTEGRATIONS_DEADLINE_SECONDS: float = env.float("INTEGRATIONS_DEADLINE_SECONDS", default=25.0)
# The same for calls to KRA, which answers slowly.
INTEGRATIONS_KRA_LEASE_SECONDS: float = env.float("INTEGRATIONS_KRA_LEASE_SECONDS", default=100.0)
INTEGRATIONS_KRA_DEADLINE_SECONDS: float = env.float(
    "INTEGRATIONS_KRA_DEADLINE_SECONDS", default=90.0
)
# A push that was queued and could not be sent for this long is not sent any more.
INTEGRATIONS_ENQUEUED_SECONDS: float = env.float("INTEGRATIONS_ENQUEUED_SECONDS", default=900.0)
# Authorities that webhook receivers are verified with; empty: certifi's.
INTEGRATIONS_WEBHOOK_CA_BUNDLE: str = env.str("INTEGRATIONS_WEBHOOK_CA_BUNDLE", default="")
INTEGRATIONS_WEBHOOK_BODY_DAYS: int = env.int("INTEGRATIONS_WEBHOOK_BODY_DAYS", default=30)
INTEGRATIONS_WEBHOOK_ATTEMPT_DAYS: int = env.int("INTEGRATIONS_WEBHOOK_ATTEMPT_DAYS", default=90)
INTEGRATIONS_WEBHOOK_DELIVERY_DAYS: int = env.int("INTEGRATIONS_WEBHOOK_DELIVERY_DAYS", default=90)
INTEGRATIONS_WEBHOOK_REPLAYS_PER_HOUR: int = env.int(
    "INTEGRATIONS_WEBHOOK_REPLAYS_PER_HOUR", default=20
)
INTEGRATIONS_PULL_SECONDS: float = env.float("INTEGRATIONS_PULL_SECONDS", default=600.0)
INTEGRATIONS_PAYOUT_WAIT_SECONDS: float = env.float(
    "INTEGRATIONS_PAYOUT_WAIT_SECONDS", default=86400.0
)
INTEGRATIONS_NOT_FOUND_SECONDS: float = env.float("INTEGRATIONS_NOT_FOUND_SECONDS", default=300.0)
INTEGRATIONS_APPROVAL_HOURS: float = env.float("INTEGRATIONS_APPROVAL_HOURS", default=72.0)
INTEGRATIONS_TOKENS_MAY_APPROVE: bool = env.bool("INTEGRATIONS_TOKENS_MAY_APPROVE", default=False)
INTEGRATIONS_POLL_SECONDS: float = env.float("INTEGRATIONS_POLL_SECONDS", default=0.25)
INTEGRATIONS_CALLBACK_MAX_BYTES: int = env.int("INTEGRATIONS_CALLBACK_MAX_BYTES", default=65536)
# Callers of the original send descriptions longer than M-Pesa's 13 characters; cut them instead
# of refusing them.
INTEGRATIONS_MPESA_SHORTEN_DESCRIPTION: bool = env.bool(
    "INTEGRATIONS_MPESA_SHORTEN_DESCRIPTION", default=False
)
# The host's word on which expectation a payment is for, and on C2B payments before they are made.
INTEGRATIONS_PAYMENT_MATCHER: str = env.str("INTEGRATIONS_PAYMENT_MATCHER", default="")
INTEGRATIONS_C2B_VALIDATOR: str = env.str("INTEGRATIONS_C2B_VALIDATOR", default="")
INTEGRATIONS_C2B_VALIDATOR_SECONDS: float = env.float(
    "INTEGRATIONS_C2B_VALIDATOR_SECONDS", default=3.0
)
INTEGRATIONS_EVENT_MAX_BYTES: int = env.int("INTEGRATIONS_EVENT_MAX_BYTES", default=262144)
INTEGRATIONS_WEBHOOK_HANDLES: int = env.int("INTEGRATIONS_WEBHOOK_HANDLES", default=256)
INTEGRATIONS_WEBHOOK_LEASE_SECONDS: float = env.float(
    "INTEGRATIONS_WEBHOOK_LEASE_SECONDS", default=60.0
)
INTEGRATIONS_WEBHOOK_SCHEDULE: list[float] = env.list(
    "INTEGRATIONS_WEBHOOK_SCHEDULE",
    cast=float,
    default=[5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0, 86400.0],
)
INTEGRATIONS_WEBHOOK_WARN_HOURS: float = env.float("INTEGRATIONS_WEBHOOK_WARN_HOURS", default=1.0)
INTEGRATIONS_WEBHOOK_DISABLE_HOURS: float = env.float(
    "INTEGRATIONS_WEBHOOK_DISABLE_HOURS", default=120.0
)
INTEGRATIONS_WEBHOOK_MIN_FAILURES: int = env.int("INTEGRATIONS_WEBHOOK_MIN_FAILURES", default=5)
INTEGRATIONS_WEBHOOK_COOL_DOWN_HOURS: float = env.float(
    "INTEGRATIONS_WEBHOOK_COOL_DOWN_HOURS", default=24.0
)
INTEGRATIONS_RETENTION_DAYS: int = env.int("INTEGRATIONS_RETENTION_DAYS", default=90)
# Errors name the page that explains them: below this address, or in docs/ where it is empty.
INTEGRATIONS_DOCS_URL: str = env.str("INTEGRATIONS_DOCS_URL", default="").rstrip("/")
INTEGRATIONS_OUTBOUND_CORRELATION: bool = env.bool(
    "INTEGRATIONS_OUTBOUND_CORRELATION", default=True
)
# Who may read /metrics: with the token, or from these networks. Nobody, where neither is set.
METRICS_TOKEN: str = env.str("METRICS_TOKEN", default="")
METRICS_ALLOWED_NETWORKS: list[str] = env.list("METRICS_ALLOWED_NETWORKS", default=[])
# Where `manage.py worker` and Celery workers serve theirs; 0: nowhere.
METRICS_PORT: int = env.int("METRICS_PORT", default=0)
METRICS_ADDRESS: str = env.str("METRICS_ADDRESS", default="127.0.0.1")

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "csp",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "integrations",
    "notifications",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    # Behind the files, which need no line each, and before everything that logs.
    "bengoerp.middleware.RequestMiddleware",
    "bengoerp.csp.PolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "integrations.api.middleware.ActorMiddleware",
    # Last, so that its answer replaces the view's alone.
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "bengoerp.urls"
WSGI_APPLICATION = "bengoerp.wsgi.application"
ASGI_APPLICATION = "bengoerp.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]


def _database() -> dict[str, Any]:
    """DATABASE_URL with the options that make its engine safe for a queue and a ledger."""
    config: dict[str, Any] = env.db("DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'db.sqlite3'}")
    options = config.setdefault("OPTIONS", {})
    if config["ENGINE"].endswith("sqlite3"):
        options.setdefault("transaction_mode", "IMMEDIATE")
        options.setdefault("timeout", 30)
        options.setdefault("init_command", "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;")
    else:
        config.setdefault("CONN_MAX_AGE", 60)
        config.setdefault("CONN_HEALTH_CHECKS", True)
        options.setdefault("connect_timeout", 5)
    # A money call commits its own row before the socket opens; a request-wide transaction
    # would defeat that (system check integrations.E001).
    config["ATOMIC_REQUESTS"] = False
    return config


DATABASES = {"default": _database()}

REDIS_URL: str = env.str("REDIS_URL", default="")
# Begins every key in Redis; two installations on one Redis need two.
INTEGRATIONS_REDIS_PREFIX: str = env.str("INTEGRATIONS_REDIS_PREFIX", default="bengoerp")
CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": INTEGRATIONS_REDIS_PREFIX,
        "OPTIONS": {
            "CLIENT_CLASS": "django_redis.client.DefaultClient",
            # Values are JSON with ciphertext inside; nothing is ever pickled.
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
            "SOCKET_CONNECT_TIMEOUT": 0.5,
            "SOCKET_TIMEOUT": 0.5,
        },
    }
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "bengoerp"}
}

CELERY_BROKER_URL: str = env.str("CELERY_BROKER_URL", default="")
if CELERY_BROKER_URL:
    # The app that rings are published by. Without a broker Celery is not loaded at all: it would
    # be a fifth of the start and of a web process's own memory.
    import bengoerp.celery  # noqa: F401

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# --- logins; failures are counted in the database, for all processes together --------------------
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
# The only login page is the admin's, and whoever opened it directly is led there.
LOGIN_REDIRECT_URL = "admin:index"


def _positive(name: str, value: int) -> int:
    if value < 1:
        # A pause of nothing would lock nobody out.
        raise ImproperlyConfigured(f"{name} must be 1 or more.")
    return value


AXES_FAILURE_LIMIT: int = _positive(
    "LOGIN_FAILURE_LIMIT", env.int("LOGIN_FAILURE_LIMIT", default=5)
)
AXES_COOLOFF_TIME = timedelta(
    minutes=_positive("LOGIN_LOCKOUT_MINUTES", env.int("LOGIN_LOCKOUT_MINUTES", default=15))
)
# Both together: nobody locks a colleague out from somewhere else.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
# Whoever goes on trying does not make it longer.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_CLIENT_IP_CALLABLE = "bengoerp.lockout.counted_address"
AXES_CLIENT_STR_CALLABLE = "bengoerp.lockout.client_in_logs"
AXES_LOCKOUT_CALLABLE = "bengoerp.lockout.locked_out"
# Successful logins are the audit trail's matter; failures are deleted when their pause is over.
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "Africa/Nairobi"
USE_I18N = True
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
            if DEBUG
            else "whitenoise.storage.CompressedManifestStaticFilesStorage"
        )
    },
}
WHITENOISE_USE_FINDERS = DEBUG

# --- transport security; every value can be turned off for a plain-HTTP intranet ----------------
SECURE_SSL_REDIRECT: bool = env.bool("DJANGO_SECURE_SSL_REDIRECT", default=not DEBUG)
# A redirected callback is a lost one: providers send it once and follow nothing.
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$", r"^metrics$", r"^api/v1/integrations/cb/"]
SECURE_HSTS_SECONDS: int = env.int("DJANGO_HSTS_SECONDS", default=0 if DEBUG else 31536000)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE_HSTS_SECONDS > 0
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {"DIRECTIVES": DIRECTIVES}
# Error pages and mails carry no request body and no local variables.
DEFAULT_EXCEPTION_REPORTER_FILTER = "integrations.crypto.reporting.NoLocalsFilter"
DEFAULT_EXCEPTION_REPORTER = "integrations.crypto.reporting.RedactingReporter"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_RATES": {"anon": "60/min", "user": "600/min"},
    "DEFAULT_THROTTLE_CLASSES": [
        "integrations.api.throttles.AnonThrottle",
        "integrations.api.throttles.UserThrottle",
    ],
    "EXCEPTION_HANDLER": "integrations.api.errors.exception_handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "BengoERP Integrations",
    "DESCRIPTION": "Payments, tax, banks and messages for ERPs in Kenya.",
    "VERSION": "0.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "ENUM_NAME_OVERRIDES": {
        "HealthStatusEnum": "integrations.api.serializers.STATUSES",
        "SettingsStatusEnum": "integrations.health.RowStatus",
        "EnvironmentEnum": "integrations.models.Environment",
        "PaymentStateEnum": "integrations.models.PaymentState",
        "ApprovalStateEnum": "integrations.models.ApprovalState",
        "PayoutFileStateEnum": "integrations.models.BatchState",
        "QueryStateEnum": "integrations.models.QueryState",
        "C2BRegistrationStateEnum": "integrations.models.RegistrationState",
        "ExpectationStateEnum": "integrations.models.ExpectationState",
        "DeliveryStatusEnum": "integrations.models.DeliveryStatus",
        "ReplayStateEnum": "integrations.models.ReplayState",
        "SigningKindEnum": "integrations.models.SigningKind",
        "KindEnum": "integrations.models.QueryKind",
        "KRAInvoiceStateEnum": "integrations.models.InvoiceState",
        "KRAInvoiceKindEnum": "integrations.models.InvoiceKind",
        "KRADeviceStateEnum": "integrations.models.DeviceState",
        "KRAFilingStateEnum": "integrations.models.FilingState",
        "KRAFilingKindEnum": "integrations.models.FilingKind",
        "KRAReportStateEnum": "integrations.models.WriteState",
        "KRAReportKindEnum": "integrations.models.WriteKind",
        "KRADecisionStateEnum": "integrations.models.PurchaseState",
        "KRACertificateTypeEnum": "integrations.models.CertificateType",
    },
}

LOGGING_CONFIG = "bengoerp.logging.configure"
LOGGING = {"level": env.str("DJANGO_LOG_LEVEL", default="INFO"), "json": not DEBUG}
