"""Rules about who may talk to which models, in the admin."""

from django.contrib import admin
from django.http import HttpRequest

from training.access_rules.models import AccessRule


@admin.register(AccessRule)
class AccessRuleAdmin(admin.ModelAdmin):
    list_display = ["subject", "audience", "in_groups", "opens_at", "closes_at"]
    list_filter = ["audience", "groups"]
    list_select_related = ["checkpoint", "flow"]
    autocomplete_fields = ["checkpoint", "flow"]
    filter_horizontal = ["groups"]
    search_fields = ["checkpoint__name", "flow__name"]

    def get_queryset(self, request: HttpRequest) -> object:
        return super().get_queryset(request).prefetch_related("groups")

    @admin.display(description="groups")
    def in_groups(self, rule: AccessRule) -> str:
        return ", ".join(group.name for group in rule.groups.all())
