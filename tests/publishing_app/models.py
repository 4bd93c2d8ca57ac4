"""Published models and what they point to; an account of nobody's money."""

from __future__ import annotations

from django.db import models

from realtime.published import PublishedModel

# The pk that `SET(value)` puts in the place of a shelf that is gone.
ATTIC = 1_000_000


class Keeper(models.Model):
    """Somebody whom published rows point to; is not published itself."""

    name = models.CharField(max_length=100)

    def __str__(self) -> str:
        return self.name


class Shelf(PublishedModel):
    """Holds things; is published, too."""

    name = models.CharField(max_length=100)
    keeper = models.ForeignKey(Keeper, null=True, on_delete=models.SET_NULL)

    class Meta(PublishedModel.Meta):
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Tag(PublishedModel):
    """Hangs on things."""

    name = models.CharField(max_length=100)

    class Meta(PublishedModel.Meta):
        pass

    def __str__(self) -> str:
        return self.name


class Thing(PublishedModel):
    """Points wherever a row can point."""

    name = models.CharField(max_length=100, unique=True)
    amount = models.IntegerField(default=0)
    is_broken = models.BooleanField(default=False)
    box = models.ForeignKey(Shelf, null=True, on_delete=models.CASCADE)
    place = models.ForeignKey(
        Shelf, null=True, on_delete=models.SET(ATTIC), related_name="placed_things"
    )
    keeper = models.ForeignKey(Keeper, null=True, on_delete=models.SET_NULL)
    tags = models.ManyToManyField(Tag, through="Hanging")

    class Meta(PublishedModel.Meta):
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Hanging(PublishedModel):
    """A tag on a thing: a many-to-many relation whose own rows are published."""

    thing = models.ForeignKey(Thing, on_delete=models.CASCADE)
    tag = models.ForeignKey(Tag, on_delete=models.CASCADE)
    reason = models.CharField(max_length=100, blank=True)

    class Meta(PublishedModel.Meta):
        pass

    def __str__(self) -> str:
        return f"{self.tag_id} on {self.thing_id}"


class BrokenThing(Thing):
    """The same rows under another name."""

    class Meta(PublishedModel.Meta):
        proxy = True


class Vehicle(PublishedModel):
    """A parent with a table of its own."""

    name = models.CharField(max_length=100)
    keeper = models.ForeignKey(Keeper, null=True, on_delete=models.SET_NULL)

    class Meta(PublishedModel.Meta):
        pass

    def __str__(self) -> str:
        return self.name


class Car(Vehicle):
    """A child: its row is in two tables, and two feeds show it."""

    seats = models.IntegerField(default=4)
    garage = models.ForeignKey(Shelf, null=True, on_delete=models.SET_NULL)

    class Meta(PublishedModel.Meta):
        pass
