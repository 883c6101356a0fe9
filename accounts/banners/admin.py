"""Banners in the admin."""

from django.contrib import admin

from accounts.banners.models import Banner


@admin.register(Banner)
class BannerAdmin(admin.ModelAdmin):
    list_display = ["__str__", "tone", "audience", "starts_at", "ends_at", "dismissible"]
    list_filter = ["tone", "audience"]
    search_fields = ["text"]
