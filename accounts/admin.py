"""People, keys and the audit log in the admin."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db import transaction
from django.http import HttpRequest
from rest_framework_api_key.admin import APIKeyModelAdmin

from accounts.audit import Actor
from accounts.models import ApiKey, AuditEntry, User
from accounts.services import log_key

admin.site.register(User, UserAdmin)


@admin.register(ApiKey)
class ApiKeyAdmin(APIKeyModelAdmin):
    list_display = ["name", "prefix", "user", "scopes", "created", "last_used_at", "expiry_date", "revoked"]
    search_fields = ["name", "prefix", "user__username"]

    @transaction.atomic
    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any = None, change: bool = False) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            log_key(obj, "create key", Actor.of_request(request))
        elif obj.revoked and "revoked" in form.changed_data:
            log_key(obj, "revoke key", Actor.of_request(request))


@admin.register(AuditEntry)
class AuditEntryAdmin(admin.ModelAdmin):
    """To read: entries are written by what they tell of, and never changed."""

    list_display = ["at", "actor_name", "action", "object_type", "label", "key", "address"]
    list_filter = ["action", "object_type", "at"]
    search_fields = ["actor_name", "key", "address", "action", "object_id", "label"]
    date_hierarchy = "at"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: AuditEntry | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AuditEntry | None = None) -> bool:
        return False
