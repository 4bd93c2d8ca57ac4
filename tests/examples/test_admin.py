"""The admin of `realtime` in a site that has nothing of the desk, under a name of its own."""

from __future__ import annotations

from pathlib import Path

from tests.examples.site import Site

SETTINGS = """
from config.settings import *

INSTALLED_APPS = [*INSTALLED_APPS, "django.contrib.admin", "django.contrib.messages"]
MIDDLEWARE = [*MIDDLEWARE, "django.contrib.messages.middleware.MessageMiddleware"]
TEMPLATES[0]["OPTIONS"]["context_processors"] += [
    "django.contrib.auth.context_processors.auth",
    "django.contrib.messages.context_processors.messages",
]
ROOT_URLCONF = "urls_with_admin"
ALLOWED_HOSTS = ["testserver"]
REALTIME_RELAY = False
"""
URLS = """
from django.apps import apps
from django.contrib import admin
from django.urls import include, path
from realtime.admin.events import EventAdmin
from realtime.admin.system_logs import SystemLogAdmin
from realtime.admin.tokens import ApiTokenAdmin

office = admin.AdminSite(name="office")
for name, model_admin in (
    ("Event", EventAdmin), ("SystemLogLine", SystemLogAdmin), ("ApiToken", ApiTokenAdmin)
):
    office.register(apps.get_model("realtime", name), model_admin)
urlpatterns = [path("office/", office.urls), path("", include("config.urls"))]
"""
VISIT = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "settings_with_admin"
import django
django.setup()
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.test.utils import setup_test_environment
from notes.models import Note
from realtime.models import Event

setup_test_environment()
call_command("migrate", verbosity=0)
call_command("check", fail_level="WARNING")
ann = User.objects.create_superuser("ann")
browser = Client()
browser.force_login(ann)
Note.objects.create(title="Milk", owner=ann)
event = Event.objects.get()
pages = ("event/", "event/1/change/", "event/broadcast/", "systemlogline/", "apitoken/add/")
for page in pages:
    print(page, browser.get(f"/office/realtime/{page}").status_code)
again = browser.post(f"/office/realtime/event/{event.pk}/publish-again/", follow=True)
print(*again.context["messages"])
form = {"what": "each", "level": "INFO"}
answer = browser.post("/office/realtime/event/broadcast/", form)
print(answer["Location"], *Event.objects.order_by("id").values_list("feed", flat=True))
"""


def test_events_logs_and_tokens_are_there_for_any_site(tmp_path: Path) -> None:
    site = Site(tmp_path)
    (tmp_path / "settings_with_admin.py").write_text(SETTINGS, encoding="utf-8")
    (tmp_path / "urls_with_admin.py").write_text(URLS, encoding="utf-8")
    lines = site.python("-c", VISIT).splitlines()
    assert [line for line in lines if line.endswith(" 200")] == [
        "event/ 200",
        "event/1/change/ 200",
        "event/broadcast/ 200",
        "systemlogline/ 200",
        "apitoken/add/ 200",
    ]
    assert "note 1 is published again, as event 2." in lines
    assert lines[-1] == "/office/realtime/event/ note note system_log note"
