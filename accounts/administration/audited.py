"""What administrators add, change and delete in the admin is on record, with what it was before."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.db import models, transaction
from django.http import HttpRequest

from accounts.audit import Actor, record_act

VALUE_CHARACTERS = 200
CHANGES = "_audited_changes"
Changes = dict[str, list[str | None]]


class Audited(admin.ModelAdmin):
    """Writes an entry of the audit log in the transaction of each act.

    `audited_by_services` says that the services which its forms call write entries of their own.
    """

    audited_by_services = False

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        changes = changes_of([form, *(inner for formset in formsets or [] for inner in formset.forms)])
        setattr(request, CHANGES, changes)
        return super().construct_change_message(request, form, formsets, add)

    def log_addition(self, request: HttpRequest, obj: models.Model, message: Any) -> Any:
        self.audit(request, "add", obj)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: models.Model, message: Any) -> Any:
        self.audit(request, "change", obj)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Iterable[models.Model]) -> Any:
        for obj in queryset:
            self.audit(request, "delete", obj)
        return super().log_deletions(request, queryset)

    def response_action(self, request: HttpRequest, queryset: Any) -> Any:
        """Deletions from a list and their entries stand or fall together."""
        if request.POST.get("action") != "delete_selected":
            return super().response_action(request, queryset)
        with transaction.atomic():
            return super().response_action(request, queryset)

    def audit(self, request: HttpRequest, action: str, obj: models.Model) -> None:
        if self.audited_by_services:
            return
        kind = kind_of(obj)
        record_act(
            by=Actor.of_request(request),
            action=f"{action} {kind}",
            object_type=kind,
            object_id=obj.pk,
            label=str(obj),
            detail=request.__dict__.pop(CHANGES, {}),
        )


def kind_of(obj: models.Model) -> str:
    """What the audit log calls such a thing."""
    return {"user": "account", "API key": "key"}.get(name := str(obj._meta.verbose_name), name)


def changes_of(changed: Iterable[forms.BaseForm]) -> Changes:
    """Before and after of each field that was changed; of passwords and their like only that they were."""
    found: Changes = {}
    for form in changed:
        for name in getattr(form, "changed_data", []):
            field = form.fields.get(name)
            if field is None or is_secret(name, field):
                found[name] = [None, None]
            else:
                found[name] = [words(form.initial.get(name)), words(form.cleaned_data.get(name))]
    return found


def is_secret(name: str, field: forms.Field) -> bool:
    return isinstance(field.widget, forms.PasswordInput) or "password" in name or "secret" in name


def words(value: Any) -> str:
    if isinstance(value, models.QuerySet | list | tuple | set):
        return ", ".join(sorted(str(item) for item in value))[:VALUE_CHARACTERS]
    return ("" if value is None else str(value))[:VALUE_CHARACTERS]
