"""Addresses of the accounts app."""

from django.urls import include, path

urlpatterns = [
    path("", include("accounts.entrance.urls")),
    path("", include("accounts.people.urls")),
    path("", include("accounts.keys.urls")),
    path("", include("accounts.usage.urls")),
    path("", include("accounts.terms.urls")),
    path("", include("accounts.banners.urls")),
]
