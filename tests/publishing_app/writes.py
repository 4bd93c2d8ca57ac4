"""Every way in which Django changes rows, by name; a process with this app's settings runs them."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import Avg, Count, F, OuterRef, Subquery
from django.test import Client

from realtime.changes import WrongDatabase

from .models import ATTIC, BrokenThing, Car, Hanging, Keeper, Shelf, Tag, Thing, Vehicle

Write = Callable[[], Any]
# Two chunks of a bulk write and one row more.
MANY = 1001
LISTED = "/admin/publishing_app/thing/"

WRITES: dict[str, Write] = {}


class Undo(Exception):
    """Rolls a transaction back."""


def prepare(write: str) -> None:
    """The rows that a write finds: everything anew."""
    for model in (Hanging, Thing, Tag, Car, Vehicle, Shelf):
        model.objects.all().delete()
    Keeper.objects.all().delete()
    ann = Keeper.objects.create(name="ann")
    Shelf.objects.create(pk=ATTIC, name="attic")
    cellar = Shelf.objects.create(name="cellar", keeper=ann)
    garage = Shelf.objects.create(name="garage", keeper=ann)
    hammer = Thing.objects.create(name="hammer", amount=1, box=cellar, keeper=ann)
    saw = Thing.objects.create(name="saw", amount=2, box=cellar, keeper=ann)
    Thing.objects.create(name="nail", amount=3, place=garage)
    Thing.objects.create(name="glue", amount=4)
    heavy, sharp = Tag.objects.create(name="heavy"), Tag.objects.create(name="sharp")
    for thing, tag in ((hammer, heavy), (saw, heavy), (saw, sharp)):
        Hanging.objects.create(thing=thing, tag=tag)
    Vehicle.objects.create(name="cart", keeper=ann)
    Car.objects.create(name="van", keeper=ann, garage=garage)
    if write.endswith("_many"):
        Thing.objects.bulk_create([Thing(name=f"{n}", amount=n) for n in range(MANY)])


def write(write: str) -> None:
    """Do one of WRITES."""
    WRITES[write]()


def names() -> list[str]:
    """The names of all."""
    return list(WRITES)


def resync(*, arguments: list[str]) -> str:
    """Run the command; returns what it prints."""
    printed = StringIO()
    call_command("resync", *arguments, stdout=printed)
    return printed.getvalue()


def refused() -> list[str]:
    """Which writes on another database than the stream's raised WrongDatabase."""
    thing = Thing.objects.get(name="hammer")
    cellar = Shelf.objects.get(name="cellar")
    there = Thing.objects.using("elsewhere")
    attempts: dict[str, Write] = {
        "save": lambda: thing.save(using="elsewhere"),
        "asave": lambda: asyncio.run(thing.asave(using="elsewhere")),
        "delete": lambda: thing.delete(using="elsewhere"),
        "create": lambda: there.create(name="new"),
        "update": lambda: there.update(amount=7),
        "bulk_create": lambda: there.bulk_create([Thing(name="new")]),
        "bulk_update": lambda: there.bulk_update([thing], ["amount"]),
        "queryset delete": lambda: there.all().delete(),
        "child": lambda: Car(name="new").save(using="elsewhere"),
        "related": lambda: cellar.thing_set.using("elsewhere").update(amount=7),
    }
    return [name for name, attempt in attempts.items() if _is_refused(attempt)]


def attempted() -> int:
    """How many there are in `refused`; a literal there would hide one that is lost."""
    return 10


def _is_refused(attempt: Write) -> bool:
    try:
        attempt()
    except WrongDatabase:
        return True
    return False


def forget_events(*, feeds: list[str]) -> None:
    """Leave the log as it was before these feeds were declared."""
    marks = ", ".join(["%s"] * len(feeds))
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM realtime_event WHERE feed IN ({marks})", feeds)


def _write(function: Write) -> Write:
    WRITES[function.__name__] = function
    return function


def _awrite(function: Callable[[], Any]) -> Callable[[], Any]:
    WRITES[function.__name__] = lambda: asyncio.run(function())
    return function


def _thing(name: str = "hammer") -> Thing:
    return Thing.objects.get(name=name)


def _shelf(name: str = "cellar") -> Shelf:
    return Shelf.objects.get(name=name)


def _tag(name: str = "sharp") -> Tag:
    return Tag.objects.get(name=name)


# One row at a time.


@_write
def save() -> None:
    thing = _thing()
    thing.amount = 10
    thing.save()


@_write
def save_new() -> None:
    Thing(name="rope", amount=5).save()


@_write
def save_end_of_life() -> None:
    thing = _thing()
    thing.is_broken = True
    thing.save()


@_write
def save_update_fields() -> None:
    stale, thing = _thing(), _thing()
    Thing.objects.filter(pk=thing.pk).update(name="mallet")
    stale.amount = 10
    stale.save(update_fields=["amount"])


@_write
def save_expression() -> None:
    thing = _thing()
    thing.amount = F("amount") + 10
    thing.save()


@_write
def save_proxy() -> None:
    thing = BrokenThing.objects.get(name="hammer")
    thing.amount = 10
    thing.save()


@_write
def save_and_undo() -> None:
    try:
        with transaction.atomic():
            save()
            update()
            raise Undo
    except Undo:
        pass


@_write
def create() -> None:
    Thing.objects.create(name="rope")


@_write
def create_related() -> None:
    _shelf().thing_set.create(name="rope")


@_write
def get_or_create_new() -> None:
    Thing.objects.get_or_create(name="rope", defaults={"amount": 5})


@_write
def get_or_create_existing() -> None:
    Thing.objects.get_or_create(name="hammer", defaults={"amount": 5})


@_write
def update_or_create_new() -> None:
    Thing.objects.update_or_create(name="rope", defaults={"amount": 5})


@_write
def update_or_create_existing() -> None:
    Thing.objects.update_or_create(name="hammer", defaults={"amount": 5})


@_write
def update_or_create_related() -> None:
    _shelf().thing_set.update_or_create(name="hammer", defaults={"amount": 5})


@_write
def delete() -> None:
    _thing("glue").delete()


@_write
def delete_proxy() -> None:
    BrokenThing.objects.get(name="glue").delete()


# Many rows in one statement.


@_write
def update() -> None:
    Thing.objects.filter(amount__lt=3).update(amount=F("amount") + 10)


@_write
def update_what_it_filters_by() -> None:
    Thing.objects.filter(amount=1).update(amount=5)


@_write
def update_nothing() -> None:
    Thing.objects.filter(amount=99).update(amount=5)


@_write
def update_over_join() -> None:
    # One of the two has two tags, and so comes twice.
    Thing.objects.filter(tags__name__in=["heavy", "sharp"]).update(amount=F("amount") + 10)


@_write
def update_over_join_distinct() -> None:
    Thing.objects.filter(tags__isnull=False).distinct().update(amount=50)


@_write
def update_over_join_it_changes() -> None:
    Thing.objects.filter(box__name="cellar").update(box=_shelf("garage"))


@_write
def update_over_annotation() -> None:
    Thing.objects.annotate(tagged=Count("tags")).filter(tagged__gt=1).update(amount=50)


@_write
def update_from_annotation() -> None:
    Thing.objects.annotate(more=F("amount") + 1).filter(more__lt=4).update(amount=F("more"))


@_write
def update_from_subquery() -> None:
    hangings = Hanging.objects.filter(thing=OuterRef("pk")).order_by("-pk")
    Thing.objects.filter(name="saw").update(
        keeper=None, amount=Subquery(hangings.values("tag")[:1])
    )


@_write
def update_excluding() -> None:
    Thing.objects.exclude(tags__name="heavy").update(amount=50)


@_write
def update_ordered() -> None:
    Thing.objects.order_by("-tags__name", "amount").update(amount=50)


@_write
def update_proxy() -> None:
    BrokenThing.objects.filter(name="hammer").update(amount=50)


@_write
def update_many() -> None:
    Thing.objects.filter(keeper=None).exclude(name__in=["nail", "glue"]).update(
        amount=F("amount") + 1
    )


@_write
def update_against_own_table_many() -> None:
    """One statement: every row is measured by what the others were before it."""
    average = Thing.objects.order_by().values("is_broken").annotate(mean=Avg("amount"))
    Thing.objects.filter(amount__lt=Subquery(average.values("mean")[:1])).update(amount=-MANY)


@_write
def bulk_create() -> None:
    Thing.objects.bulk_create([Thing(name=f"rope {n}", amount=n) for n in range(3)])


@_write
def bulk_create_batches() -> None:
    Thing.objects.bulk_create([Thing(name=f"rope {n}", amount=n) for n in range(3)], batch_size=1)


@_write
def bulk_create_over_conflicts() -> None:
    Thing.objects.bulk_create(
        [Thing(name="rope", amount=5), Thing(name="hammer", amount=6)],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["amount"],
    )


@_write
def bulk_create_over_conflicting_keys() -> None:
    hammer = _thing()
    Thing.objects.bulk_create(
        [Thing(pk=hammer.pk, name="mallet", amount=5)],
        update_conflicts=True,
        unique_fields=["pk"],
        update_fields=["name", "amount"],
    )


@_write
def bulk_update() -> None:
    things = [_thing("hammer"), _thing("saw")]
    for thing in things:
        thing.amount += 10
        thing.is_broken = thing.name == "saw"
    Thing.objects.bulk_update(things, ["amount", "is_broken"])


@_write
def bulk_update_batches() -> None:
    things = list(Thing.objects.all())
    for thing in things:
        thing.amount = F("amount") + 10
    Thing.objects.bulk_update(things, ["amount"], batch_size=3)


@_write
def queryset_delete() -> None:
    Thing.objects.filter(name__in=["nail", "glue"]).delete()


@_write
def queryset_delete_over_join() -> None:
    Thing.objects.filter(tags__name__in=["heavy", "sharp"]).delete()


@_write
def queryset_delete_many() -> None:
    Thing.objects.filter(keeper=None).exclude(name__in=["nail", "glue"]).delete()


# What rows point to.


@_write
def cascade() -> None:
    _shelf().delete()


@_write
def cascade_from_queryset() -> None:
    Shelf.objects.filter(name="cellar").delete()


@_write
def set_null() -> None:
    Keeper.objects.get(name="ann").delete()


@_write
def set_null_from_queryset() -> None:
    Keeper.objects.filter(name="ann").delete()


@_write
def set_value() -> None:
    _shelf("garage").delete()


@_write
def related_add() -> None:
    _shelf().thing_set.add(_thing("nail"), _thing("glue"))


@_write
def related_add_one_by_one() -> None:
    _shelf().thing_set.add(_thing("nail"), _thing("glue"), bulk=False)


@_write
def related_set() -> None:
    _shelf().thing_set.set([_thing("hammer"), _thing("glue")])


@_write
def related_set_anew() -> None:
    _shelf().thing_set.set([_thing("glue")], clear=True)


@_write
def related_remove() -> None:
    _shelf().thing_set.remove(_thing("hammer"))


@_write
def related_clear() -> None:
    _shelf().thing_set.clear()


@_write
def related_clear_one_by_one() -> None:
    _shelf().thing_set.clear(bulk=False)


@_write
def many_to_many_add() -> None:
    # The second is there already.
    _thing("saw").tags.add(Tag.objects.create(name="old"), _tag("sharp"))


@_write
def many_to_many_add_with_defaults() -> None:
    _tag("sharp").thing_set.add(_thing("glue"), through_defaults={"reason": "broken"})


@_write
def many_to_many_set() -> None:
    _thing("hammer").tags.set([_tag("sharp")])


@_write
def many_to_many_remove() -> None:
    _thing("saw").tags.remove(_tag("sharp"))


@_write
def many_to_many_clear() -> None:
    _thing("saw").tags.clear()


@_write
def many_to_many_create() -> None:
    _thing("glue").tags.create(name="sticky")


# Rows of two tables.


@_write
def create_child() -> None:
    Car.objects.create(name="bus", seats=40)


@_write
def save_child() -> None:
    car = Car.objects.get(name="van")
    car.seats, car.name = 6, "bus"
    car.save()


@_write
def save_child_parents_field() -> None:
    car = Car.objects.get(name="van")
    car.name = "bus"
    car.save(update_fields=["name"])


@_write
def save_parent() -> None:
    vehicle = Vehicle.objects.get(name="van")
    vehicle.name = "bus"
    vehicle.save()


@_write
def save_parent_without_child() -> None:
    vehicle = Vehicle.objects.get(name="cart")
    vehicle.name = "wagon"
    vehicle.save()


@_write
def update_child() -> None:
    Car.objects.filter(name="van").update(seats=6, name="bus")


@_write
def update_parent() -> None:
    Vehicle.objects.all().update(name="wheels")


@_write
def bulk_update_child() -> None:
    car = Car.objects.get(name="van")
    car.seats, car.name = 6, "bus"
    Car.objects.bulk_update([car], ["seats", "name"])


@_write
def delete_child() -> None:
    Car.objects.get(name="van").delete()


@_write
def delete_child_keeping_parent() -> None:
    Car.objects.get(name="van").delete(keep_parents=True)


@_write
def delete_parent() -> None:
    Vehicle.objects.get(name="van").delete()


@_write
def queryset_delete_children() -> None:
    Car.objects.all().delete()


@_write
def queryset_delete_parents() -> None:
    Vehicle.objects.all().delete()


# The same, awaited.


@_awrite
async def asave() -> None:
    thing = await Thing.objects.aget(name="hammer")
    thing.amount = 10
    await thing.asave()


@_awrite
async def acreate() -> None:
    await Thing.objects.acreate(name="rope")


@_awrite
async def aget_or_create() -> None:
    await Thing.objects.aget_or_create(name="rope")


@_awrite
async def aupdate_or_create() -> None:
    await Thing.objects.aupdate_or_create(name="hammer", defaults={"amount": 5})


@_awrite
async def aupdate() -> None:
    await Thing.objects.filter(amount__lt=3).aupdate(amount=F("amount") + 10)


@_awrite
async def abulk_create() -> None:
    await Thing.objects.abulk_create([Thing(name="rope"), Thing(name="wire")])


@_awrite
async def abulk_update() -> None:
    thing = await Thing.objects.aget(name="hammer")
    thing.amount = 10
    await Thing.objects.abulk_update([thing], ["amount"])


@_awrite
async def adelete() -> None:
    await (await Thing.objects.aget(name="glue")).adelete()


@_awrite
async def queryset_adelete() -> None:
    await Thing.objects.filter(name__in=["nail", "glue"]).adelete()


@_awrite
async def related_aset() -> None:
    shelf = await Shelf.objects.aget(name="cellar")
    await shelf.thing_set.aset([await Thing.objects.aget(name="glue")])


@_awrite
async def related_aadd() -> None:
    shelf = await Shelf.objects.aget(name="cellar")
    await shelf.thing_set.aadd(await Thing.objects.aget(name="glue"))


@_awrite
async def related_aclear() -> None:
    await (await Shelf.objects.aget(name="cellar")).thing_set.aclear()


@_awrite
async def many_to_many_aadd() -> None:
    thing = await Thing.objects.aget(name="glue")
    await thing.tags.aadd(await Tag.objects.aget(name="heavy"))


@_awrite
async def save_in_thread() -> None:
    await sync_to_async(save)()


# The admin, over HTTP.


def _post(path: str, **fields: Any) -> None:
    browser = Client(SERVER_NAME="127.0.0.1")
    browser.force_login(User.objects.get(username="admin"))
    answer = browser.post(path, fields)
    assert answer.status_code == 302, answer.content.decode()


def _chosen(*things: str) -> dict[str, Any]:
    return {"_selected_action": [_thing(name).pk for name in things]}


@_write
def admin_add() -> None:
    _post(f"{LISTED}add/", name="rope", amount=5)


@_write
def admin_change() -> None:
    _post(f"{LISTED}{_thing().pk}/change/", name="mallet", amount=5)


@_write
def admin_change_list() -> None:
    fields: dict[str, Any] = {"form-TOTAL_FORMS": 4, "form-INITIAL_FORMS": 4, "_save": "Save"}
    for index, thing in enumerate(Thing.objects.order_by("name")):
        # The first and the last are left as they are.
        amount = thing.amount + (10 if index in (1, 2) else 0)
        fields |= {f"form-{index}-id": thing.pk, f"form-{index}-amount": amount}
    _post(LISTED, **fields)


@_write
def admin_delete() -> None:
    _post(f"{LISTED}{_thing('glue').pk}/delete/", post="yes")


@_write
def admin_delete_selected() -> None:
    _post(LISTED, action="delete_selected", post="yes", **_chosen("hammer", "glue"))


@_write
def admin_action() -> None:
    _post(LISTED, action="double", **_chosen("hammer", "glue"))


# What no event tells of.


@_write
def loaddata() -> None:
    fields = {"name": "hammer", "amount": 50}
    row = {"model": "publishing_app.thing", "pk": _thing().pk, "fields": fields}
    with tempfile.TemporaryDirectory() as folder:
        fixture = Path(folder) / "rows.json"
        fixture.write_text(json.dumps([row]), encoding="utf-8")
        call_command("loaddata", str(fixture), verbosity=0)


@_write
def raw_sql() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE publishing_app_thing SET amount = 70 WHERE name = 'saw'")
        cursor.execute("UPDATE publishing_app_thing SET is_broken = %s WHERE name = 'nail'", [True])
        cursor.execute("DELETE FROM publishing_app_thing WHERE name = 'glue'")
        cursor.execute(
            "INSERT INTO publishing_app_thing (name, amount, is_broken) VALUES ('rope', 5, %s)",
            [False],
        )
