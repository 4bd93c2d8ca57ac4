"""Django's settings: what the environment says, and what this project is made of."""

import os
from typing import Any

from corsheaders.defaults import default_headers

from project.environment import LOOPBACK_HOSTS, ROOT, load
from realtime.conf import InvalidSetting

try:
    environment = load(os.environ)
except InvalidSetting as error:
    # Whatever starts the project (a command, the server, a worker) stops with this one sentence.
    raise SystemExit(f"Not started: {error}") from None

service = environment.service

SECRET_KEY = service.secret_key
DEBUG = service.debug
# Probes on this machine ask by its address.
ALLOWED_HOSTS = [*service.allowed_hosts, *LOOPBACK_HOSTS]
globals().update(environment.group_values())

INSTALLED_APPS = [
    # It brings a runserver, so it stands before staticfiles. The app of daphne would bring another,
    # and load Twisted into every command.
    "realtime",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "corsheaders",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "knox",
    "trading",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    # Before whatever may answer: an error without these headers cannot be read by a page.
    "corsheaders.middleware.CorsMiddleware",
    "project.static_files.whole_static_files",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "project.urls"
ASGI_APPLICATION = "project.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
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

# --- data ---------------------------------------------------------------------------------------

SQLITE_OPTIONS: dict[str, Any] = {
    # A transaction that reads first and writes later would fail at once instead of waiting.
    "transaction_mode": "IMMEDIATE",
    "timeout": 30,
    # FULL: nothing that a client has seen may vanish with the power.
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL",
}
POSTGRESQL_OPTIONS: dict[str, Any] = {
    "connect_timeout": 5,
    # A server that is gone without a word is noticed in a quarter of a minute, not of an hour.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 15_000,
}


def _default_database() -> dict[str, Any]:
    database = dict(environment.database)
    is_sqlite = database["ENGINE"].endswith("sqlite3")
    options = SQLITE_OPTIONS if is_sqlite else POSTGRESQL_OPTIONS
    database["OPTIONS"] = options | database.get("OPTIONS", {})
    # Each request has a thread of its own under ASGI: a kept connection would only be left behind.
    database.setdefault("CONN_MAX_AGE", 0)
    database["CONN_HEALTH_CHECKS"] = True
    if is_sqlite:
        # A file: tests use several connections, and in memory these would lock each other's tables.
        database["TEST"] = {"NAME": str(ROOT / "test.sqlite3")}
    return database


DATABASES = {"default": _default_database()}

CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "channels.layers.InMemoryChannelLayer"},
}
if service.redis_url:
    CHANNEL_LAYERS["default"] = {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [service.redis_url]},
    }

# --- people and programs ------------------------------------------------------------------------

KNOX_TOKEN_MODEL = "realtime.ApiToken"
# knox's migrations would make the table of the model that ours replaces.
MIGRATION_MODULES = {"knox": None}
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "/"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "realtime.rest.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_THROTTLE_CLASSES": [
        "realtime.throttling.UserThrottle",
        "realtime.throttling.AnonymousThrottle",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["realtime.parsing.CarefulJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "realtime.parsing.AlwaysJSON",
    "DEFAULT_PAGINATION_CLASS": "realtime.rest.Pagination",
    "EXCEPTION_HANDLER": "realtime.rest.exception_handler",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}

SPECTACULAR_SETTINGS = {
    "OAS_VERSION": "3.1.1",
    "DEFAULT_GENERATOR_CLASS": "project.openapi.generator.TableGenerator",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    # Its files come from here, not from somebody else's network.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

# --- mail ---------------------------------------------------------------------------------------

globals().update(environment.email)
DEFAULT_FROM_EMAIL = service.email_from
# The watcher has more to do than to wait for a mail server.
EMAIL_TIMEOUT = 10
# Pages of other origins: one list for the WebSocket's cookie and for REST. In development every
# page may use REST, without cookies: with a token.
CORS_URLS_REGEX = r"^/api/"
CORS_ALLOWED_ORIGINS = list(environment.realtime.allowed_origins)
CORS_ALLOW_ALL_ORIGINS = DEBUG
CORS_ALLOW_CREDENTIALS = not DEBUG
CORS_ALLOW_HEADERS = (*default_headers, "idempotency-key")
CORS_EXPOSE_HEADERS = ("Retry-After", "Idempotency-Replayed")

# --- pages --------------------------------------------------------------------------------------

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
FORMAT_MODULE_PATH = ["project.formats"]

STATIC_URL = "static/"
STATIC_ROOT = ROOT / "staticfiles"
# In development files come from where they are written; otherwise from `collectstatic`.
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_AUTOREFRESH = DEBUG
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

# --- security -----------------------------------------------------------------------------------

# Error pages leave out what RISK_WEBHOOK_URL and its like hold, too.
DEFAULT_EXCEPTION_REPORTER_FILTER = "project.error_pages.SecretsFilter"

if not DEBUG and service.https:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    # Probes come past the proxy.
    SECURE_REDIRECT_EXEMPT = [r"^health$", r"^livez$", r"^metrics$"]
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    SECURE_HSTS_SECONDS = 30 * 24 * 3600
    # Whether other names below this host come by HTTPS too is not ours to promise.
    SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

# --- logs ---------------------------------------------------------------------------------------

CONSOLE_FORMATS: dict[str, dict[str, Any]] = {
    "line": {
        "()": "project.line_logs.LineFormatter",
        "format": "{asctime} {levelname} {name}: {message}",
        "style": "{",
    },
    "json": {"()": "project.json_logs.JsonFormatter"},
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"masking": {"()": "realtime.masking.MaskingFilter"}},
    "formatters": {"console": CONSOLE_FORMATS[service.log_format]},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "filters": ["masking"],
            "formatter": "console",
            "level": service.log_level,
        },
        "system_log": {"class": "realtime.loghandler.SystemLogHandler"},
    },
    # A quiet console leaves the feed its INFO; each handler has a least level of its own.
    "root": {
        "handlers": ["console", "system_log"],
        "level": "DEBUG" if service.log_level == "DEBUG" else "INFO",
    },
}
