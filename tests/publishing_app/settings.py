"""The project's settings with this app beside the project's own."""

from project.settings import *  # noqa: F403
from project.settings import DATABASES, INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.publishing_app"]
# Published models may not be written here: it does not carry the stream.
DATABASES = {
    **DATABASES,
    "elsewhere": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
}
