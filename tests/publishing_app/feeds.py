"""What the app publishes: one feed for each model, of which each row is its columns."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from django.db.models import Model
from rest_framework import serializers

from realtime.feeds import ModelFeed, register
from realtime.published import PublishedModel

from .models import Car, Hanging, Shelf, Tag, Thing, Vehicle

# What a release raises that changes the data's shape; from 2 on it holds its own number.
VERSION = int(os.environ.get("PUBLISHING_APP_VERSION", "1"))


def _serializer(shown: type[PublishedModel]) -> type[serializers.ModelSerializer[Any]]:
    class Columns(serializers.ModelSerializer[Any]):
        class Meta:
            model = shown
            fields = [
                field.name
                for field in shown._meta.concrete_fields
                # A child's link to its parent is its key.
                if field.remote_field is None or not field.remote_field.parent_link
            ]

    return Columns


def _register(shown: type[PublishedModel]) -> None:
    class Rows(ModelFeed):
        name = shown._meta.model_name or ""
        model: type[Model] = shown
        serializer_class = _serializer(shown)
        key_field = "id"
        version = VERSION

        def data(self, instance: Model) -> Mapping[str, Any]:
            """The columns, and since the second version its number."""
            return super().data(instance) | ({"version": VERSION} if VERSION > 1 else {})

        def is_live(self, instance: Any) -> bool:
            """Everything is, but what is broken."""
            return not getattr(instance, "is_broken", False)

    Rows.__qualname__ = f"{shown.__name__}Feed"
    register(Rows)


for _model in (Shelf, Tag, Thing, Hanging, Vehicle, Car):
    _register(_model)
