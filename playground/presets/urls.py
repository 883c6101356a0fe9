"""Addresses of presets."""

from django.urls import path

from playground.presets import views

urlpatterns = [
    path("presets/", views.presets, name="presets"),
    path("presets/<uuid:pk>/delete/", views.delete_preset, name="delete-preset"),
]
