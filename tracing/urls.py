"""Addresses of the tracing app."""

from django.urls import path

from tracing import views

urlpatterns = [
    path("stores/<slug:name>/", views.store, name="store"),
    path("stores/<slug:name>/documents/<int:number>/", views.document, name="document"),
]
