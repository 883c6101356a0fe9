"""Addresses of the tracing app."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
