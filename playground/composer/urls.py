"""Addresses of the composer."""

from django.urls import path

from playground.composer import views

urlpatterns = [
    path("composer/settings/", views.settings_fields, name="composer-settings"),
    path("composer/bounds/", views.model_bounds, name="model-bounds"),
]
