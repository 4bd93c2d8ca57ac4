"""Tokens: issued here with the key shown once, named, and revoked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.contrib.admin.actions import delete_selected
from django.contrib.auth import get_user_model
from django.db.models import ForeignKey, Q, QuerySet
from django.forms import ModelChoiceField
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.html import format_html
from django.utils.safestring import SafeString

from realtime.admin.lists import FastAdmin
from realtime.admin.pages import show_page
from realtime.admin.tools import Tool
from realtime.auth.tokens import create_token
from realtime.models import ApiToken

if TYPE_CHECKING:
    AnyTokenForm = forms.ModelForm[ApiToken]
else:
    # Django's own class takes no type arguments.
    AnyTokenForm = forms.ModelForm


class TokenForm(AnyTokenForm):
    """Whose token, what it is for, and when it ends."""

    class Meta:
        model = ApiToken
        fields = ("user", "name", "expiry")
        help_texts = {
            "name": "What the token is for, such as the program that will have it.",
            "expiry": "In UTC. Left empty, it holds until it is revoked.",
        }

    def clean_expiry(self) -> Any:
        """Refuse a time that is over: to end a token, revoke it."""
        expiry = self.cleaned_data["expiry"]
        if expiry is not None and "expiry" in self.changed_data and expiry <= timezone.now():
            raise forms.ValidationError("This time is over. To end a token, revoke it.")
        return expiry


class EndFilter(admin.SimpleListFilter):
    """Tokens that open something, and those that do not any more."""

    title = "end"
    parameter_name = "end"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """In force, with an end or without one, and over."""
        return [("ahead", "ends"), ("never", "never ends"), ("over", "has expired")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The tokens of one kind."""
        wanted = {
            "ahead": Q(expiry__gt=timezone.now()),
            "never": Q(expiry=None),
            "over": Q(expiry__lte=timezone.now()),
        }
        return queryset.filter(wanted.get(self.value() or "", Q()))


@admin.register(ApiToken)
class ApiTokenAdmin(FastAdmin):
    """Tokens without their digests: nobody needs to see these."""

    form = TokenForm
    list_display = ("token_key", "user", "name", "created", "ends", "last_used")
    list_select_related = ("user",)
    list_filter = (EndFilter,)
    search_fields = ("name", "user__username", "token_key")
    search_help_text = "A name, a user, or the first characters of a key."
    ordering = ("-created", "pk")
    fields = ("token_key", "user", "name", "created", "expiry", "last_used")
    readonly_fields = ("token_key", "user", "created", "last_used")
    actions = ("delete_selected",)

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """The name, the user by whatever the project's users are called, the key's beginning."""
        return ("name", f"user__{get_user_model().USERNAME_FIELD}", "token_key__startswith")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """A token that is to be made has no key yet."""
        return self.fields if obj else ("user", "name", "expiry")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """A token stays its user's."""
        return self.readonly_fields if obj else ()

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        """Only a superuser issues tokens for others: whoever has the key is that user."""
        user: Any = request.user
        users = get_user_model()._default_manager.filter(is_active=True)
        kwargs["queryset"] = users if user.is_superuser else users.filter(pk=user.pk)
        kwargs.setdefault("initial", user.pk)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """Without the links that make or change a user in passing."""
        form = super().get_form(request, obj, change, **kwargs)
        if "user" in form.base_fields:
            widget: Any = form.base_fields["user"].widget
            widget.can_add_related = widget.can_change_related = widget.can_view_related = False
        return form

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """One button: what follows is the page with the key."""
        only = {"show_save_and_continue": False, "show_save_and_add_another": False}
        return super().add_view(request, form_url, {**only, **(extra_context or {})})

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Issue a token, or save its name and expiry."""
        if change:
            obj.save(update_fields=["name", "expiry"])
            return
        lifetime = None if obj.expiry is None else obj.expiry - timezone.now()
        token, key = create_token(obj.user, name=obj.name, lifetime=lifetime)
        for field in token._meta.fields:
            setattr(obj, field.attname, getattr(token, field.attname))
        # For the answer to this request alone.
        request.issued_key = key  # type: ignore[attr-defined]

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """The page that shows the key: no redirect, no message, nothing that keeps it."""
        response = show_page(
            self,
            request,
            "realtime/admin/token_issued.html",
            title="Token issued",
            token=obj,
            key=request.issued_key,  # type: ignore[attr-defined]
        )
        add_never_cache_headers(response)
        return response

    def object_tools(self, request: HttpRequest, obj: Any) -> list[Tool]:
        """To revoke it."""
        if not self.has_delete_permission(request, obj):
            return []
        url = reverse(f"{self.admin_site.name}:realtime_apitoken_delete", args=[obj.pk])
        return [Tool("Revoke", url)]

    @admin.action(description="Revoke selected tokens", permissions=["delete"])
    def delete_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Ask, then delete them: they open nothing any more."""
        return delete_selected(self, request, queryset)

    @admin.display(description="expires", ordering="expiry", empty_value="never")
    def ends(self, token: Any) -> SafeString | str | None:
        """When it ends; what has ended says so."""
        if token.expiry is None:
            return None
        text = f"{token.expiry:%Y-%m-%d %H:%M}"
        if token.expiry > timezone.now():
            return text
        return format_html('<span class="loss">{} (expired)</span>', text)
