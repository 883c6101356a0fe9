"""Limits in the admin."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.db import transaction
from django.http import HttpRequest

from accounts.limits.models import Limit
from accounts.limits.rules import forget_rules

ID_DIGITS = 19


class KnownSelect(AutocompleteSelect):
    """Django's own asks the database for whatever was sent, also for what is no id at all."""

    def optgroups(self, name: str, value: list[str], attrs: dict[str, Any] | None = None) -> Any:
        ids = [one for one in value if str(one).isdecimal() and len(str(one)) < ID_DIGITS]
        return super().optgroups(name, ids, attrs)


@admin.register(Limit)
class LimitAdmin(admin.ModelAdmin):
    """In force everywhere within seconds: each process reads the limits again then."""

    list_display = ["whose", "amount", "resource", "period"]
    list_filter = ["audience", "resource", "period"]
    search_fields = ["user__username", "group__name", "key__name", "key__prefix"]
    autocomplete_fields = ["key", "user", "group"]
    list_select_related = ["key", "user", "group"]

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        if db_field.name in ("user", "group"):
            options["widget"] = KnownSelect(db_field, self.admin_site)
        return super().formfield_for_foreignkey(db_field, request, **options)

    def save_model(self, request: HttpRequest, obj: Limit, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        transaction.on_commit(forget_rules)

    def delete_model(self, request: HttpRequest, obj: Limit) -> None:
        super().delete_model(request, obj)
        transaction.on_commit(forget_rules)
