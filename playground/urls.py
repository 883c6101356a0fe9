"""Addresses of the playground app."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
