"""The page and its forms. Nothing here publishes: saving a note does."""

from __future__ import annotations

from django import forms
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from .models import Note


class NoteForm(forms.ModelForm):
    """What a user writes."""

    class Meta:
        model = Note
        fields = ("title", "text")


@login_required
def page(request: HttpRequest) -> HttpResponse:
    """One's notes, and a form that adds another."""
    form = NoteForm(request.POST or None, instance=Note(owner=request.user))
    if form.is_valid():
        form.save()
        return redirect("page")
    notes = Note.objects.filter(owner=request.user, done=False)
    status = 400 if form.is_bound else 200
    return render(request, "notes/page.html", {"notes": notes, "form": form}, status=status)


@login_required
@require_POST
@transaction.atomic
def change(request: HttpRequest, pk: int) -> HttpResponse:
    """Save, tick off or delete one of one's notes, as the button says."""
    # Locked: what is saved is built on what the database has, not on what another just replaced.
    own = Note.objects.select_for_update().filter(owner=request.user)
    note = get_object_or_404(own, pk=pk)
    form = NoteForm(request.POST, instance=note)
    match request.POST.get("do"):
        case "delete":
            note.delete()
        case "done":
            note.done = True
            note.save(update_fields=["done", "updated_at"])
        case _ if form.is_valid():
            form.save()
        case _:
            return HttpResponseBadRequest(form.errors.as_text())
    return redirect("page")
