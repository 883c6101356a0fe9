"""Addresses of the accounts app."""

from django.urls import include, path

urlpatterns = [
    path("", include("accounts.entrance.urls")),
    path("", include("accounts.people.urls")),
]
