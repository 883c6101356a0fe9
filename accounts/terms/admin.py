"""Terms of use in the admin: drafts are written here, and published by their date."""

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from accounts.terms.models import Terms


@admin.register(Terms)
class TermsAdmin(admin.ModelAdmin):
    list_display = ["__str__", "published_at", "accepted_by"]
    fields = ["title", "text", "changes", "published_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Terms]:
        return super().get_queryset(request).annotate(people=Count("acceptances"))

    @admin.display(description="accepted by people and browsers", ordering="people")
    def accepted_by(self, terms: Terms) -> int:
        return int(terms.people)  # type: ignore[attr-defined]

    def has_change_permission(self, request: HttpRequest, obj: Terms | None = None) -> bool:
        """What people were asked to accept stays what it was."""
        return super().has_change_permission(request, obj) and not (obj and obj.is_published)

    def has_delete_permission(self, request: HttpRequest, obj: Terms | None = None) -> bool:
        return super().has_delete_permission(request, obj) and not (obj and obj.is_published)

    def get_actions(self, request: HttpRequest) -> dict[str, object]:
        """One at a time: several might be published by now."""
        return {}
