"""Limits in the admin."""

from typing import Any

from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest

from accounts.limits.models import Limit
from accounts.limits.rules import forget_rules


@admin.register(Limit)
class LimitAdmin(admin.ModelAdmin):
    """In force everywhere within seconds: each process reads the limits again then."""

    list_display = ["whose", "amount", "resource", "period"]
    list_filter = ["audience", "resource", "period"]
    search_fields = ["user__username", "group__name", "key__name", "key__prefix"]
    autocomplete_fields = ["key", "user", "group"]
    list_select_related = ["key", "user", "group"]

    def save_model(self, request: HttpRequest, obj: Limit, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        transaction.on_commit(forget_rules)

    def delete_model(self, request: HttpRequest, obj: Limit) -> None:
        super().delete_model(request, obj)
        transaction.on_commit(forget_rules)
