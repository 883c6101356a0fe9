"""People, keys and the audit log in the admin."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from rest_framework_api_key.admin import APIKeyModelAdmin

from accounts.administration.audited import CHANGES, Audited
from accounts.audit import Actor
from accounts.banners import admin as banners
from accounts.limits import admin as limits
from accounts.models import ApiKey, AuditEntry
from accounts.people import admin as people
from accounts.services import log_key
from accounts.terms import admin as terms
from accounts.usage import admin as usage

__all__ = ["banners", "limits", "people", "terms", "usage"]


@admin.register(ApiKey)
class ApiKeyAdmin(Audited, APIKeyModelAdmin):
    list_display = ["name", "prefix", "user", "scopes", "created", "last_used_at", "expiry_date", "revoked"]
    search_fields = ["name", "prefix", "user__username"]

    def audit(self, request: HttpRequest, action: str, obj: Any) -> None:
        """In the words of the services."""
        if action == "add":
            log_key(obj, "create key", Actor.of_request(request))
        elif action == "change" and obj.revoked and "revoked" in request.__dict__.get(CHANGES, {}):
            log_key(obj, "revoke key", Actor.of_request(request))
        else:
            super().audit(request, action, obj)


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
