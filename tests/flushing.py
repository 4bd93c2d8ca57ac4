"""What a flush leaves behind a test that commits: Django's permissions, as they were before."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.management import create_contenttypes
from django.contrib.contenttypes.models import ContentType
from django.db.models.signals import post_migrate

CREATE_PERMISSIONS = "django.contrib.auth.management.create_permissions"


def put_back_permissions() -> None:
    """From now on a flush puts today's content types and permissions back, by two inserts.

    Django would search every app for those that are missing, which takes longer than most tests.
    """
    kinds = [(model, list(model._base_manager.all())) for model in (ContentType, Permission)]

    def put_back(*, using: str, **_: Any) -> None:
        for model, rows in kinds:
            # `migrate` sends this signal, too, and has emptied nothing.
            model._base_manager.using(using).bulk_create(rows, ignore_conflicts=True)

    post_migrate.disconnect(create_contenttypes)
    post_migrate.disconnect(dispatch_uid=CREATE_PERMISSIONS)
    post_migrate.connect(put_back, sender=apps.get_app_config("auth"), weak=False)
