"""Token stores in the admin: to look at; their files never change after publishing."""

from django.contrib import admin
from django.http import HttpRequest

from tracing.models import Store


@admin.register(Store)
class StoreAdmin(admin.ModelAdmin):
    list_display = ["name", "stage", "documents", "tokens", "source", "licence", "created_at"]
    list_filter = ["stage", "licence"]
    search_fields = ["name", "source"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Store | None = None) -> bool:
        return False
