"""Django's settings: a small site of any kind, and what `realtime` asks of it."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

SECRET_KEY = os.environ.get("SECRET_KEY", "for-development-on-one-machine-only")
DEBUG = "SECRET_KEY" not in os.environ
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "").split()

INSTALLED_APPS = [
    # First: its `runserver` speaks WebSocket, and has to be found before that of staticfiles.
    "realtime",
    "knox",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "notes",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "static/"
TIME_ZONE = "UTC"
USE_TZ = True
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "page"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    },
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": ROOT / "notes.sqlite3",
        "OPTIONS": {
            # A transaction that reads first and writes later would fail at once, not wait.
            "transaction_mode": "IMMEDIATE",
            "timeout": 30,
            # FULL: nothing that a client has seen may vanish with the power.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL",
        },
        # A file: in memory, the connections of a test would lock each other's tables.
        "TEST": {"NAME": ROOT / "test.sqlite3"},
    },
}

# Tokens have a name and a last use; knox's own table is not made beside theirs.
KNOX_TOKEN_MODEL = "realtime.ApiToken"
MIGRATION_MODULES = {"knox": None}

REALTIME_SERVICE_NAME = "Notes"
