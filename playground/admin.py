"""What an administrator sees of the playground: what is to be served, and what serves it."""

from django.contrib import admin
from django.http import HttpRequest

from playground.models import Deployment, Engine
from playground.tools import admin as tools

__all__ = ["tools"]


@admin.register(Deployment)
class DeploymentAdmin(admin.ModelAdmin):
    list_display = ["checkpoint", "pinned", "replicas", "head", "wanted_at"]
    list_editable = ["pinned", "replicas"]
    search_fields = ["checkpoint__name"]
    autocomplete_fields = ["checkpoint"]
    readonly_fields = ["head", "wanted_at"]


@admin.register(Engine)
class EngineAdmin(admin.ModelAdmin):
    """To read only: `manage.py engines` writes it."""

    list_display = ["slot", "kind", "state", "checkpoint", "restarts", "ready_at", "heartbeat_at", "error"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Engine | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Engine | None = None) -> bool:
        return False
