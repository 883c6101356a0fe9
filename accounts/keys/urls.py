"""Addresses of one's keys."""

from django.urls import path

from accounts.keys import views

urlpatterns = [
    path("keys/", views.keys, name="keys"),
    path("keys/<str:prefix>/revoke/", views.revoke, name="revoke-key"),
]
