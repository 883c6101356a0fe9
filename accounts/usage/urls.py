"""Addresses of usage."""

from django.urls import path

from accounts.usage import views

urlpatterns = [
    path("usage/", views.own_usage, name="usage"),
    path("usage/everyone/", views.all_usage, name="usage-everyone"),
]
