"""Token stores in the admin: to look at, since their files never change; and which engine searches each."""

from django.contrib import admin
from django.http import HttpRequest

from tracing.models import Share, Store
from tracing.withholding import admin as withholding


@admin.register(Store)
class StoreAdmin(admin.ModelAdmin):
    list_display = ["name", "stage", "documents", "tokens", "engine", "source", "licence", "created_at"]
    list_filter = ["stage", "licence"]
    search_fields = ["name", "source"]
    actions = [withholding.scan_stores]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Store | None = None) -> list[str]:
        return [field.name for field in Store._meta.fields if field.name != "engine"]

    def has_scan_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("tracing.add_withholding")


@admin.register(Share)
class ShareAdmin(admin.ModelAdmin):
    """Whose traces are shared, without the links themselves; deleting one ends it."""

    list_display = ["trace", "owner", "created_at", "expires_at", "revoked_at"]
    list_filter = ["revoked_at"]
    list_select_related = ["trace__owner"]
    fields = ["trace", "created_at", "expires_at", "revoked_at"]

    @admin.display(description="owner")
    def owner(self, share: Share) -> str:
        return str(share.trace.owner or "an anonymous browser")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Share | None = None) -> bool:
        return False
