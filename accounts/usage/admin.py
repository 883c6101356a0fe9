"""Prices in the admin, and usage to read."""

from django.contrib import admin
from django.http import HttpRequest

from accounts.usage.models import Price, Usage


@admin.register(Price)
class PriceAdmin(admin.ModelAdmin):
    list_display = ["__str__", "prompt_million", "completion_million", "engine_hour"]
    search_fields = ["model"]


@admin.register(Usage)
class UsageAdmin(admin.ModelAdmin):
    """To read: sums are on the page of usage."""

    list_display = [
        "day",
        "user",
        "key_prefix",
        "model",
        "kind",
        "requests",
        "prompt_tokens",
        "completion_tokens",
        "engine_ms",
        "cost",
    ]
    list_filter = ["kind", "day"]
    search_fields = ["user__username", "model", "key_prefix"]
    list_select_related = ["user"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Usage | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Usage | None = None) -> bool:
        return False
