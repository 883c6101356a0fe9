"""Addresses of the tracing app."""

from django.urls import path

from tracing import views
from tracing.withholding import views as withholding

urlpatterns = [
    path("stores/<slug:name>/", views.store, name="store"),
    path("stores/<slug:name>/documents/<int:number>/", views.document, name="document"),
    path("stores/<slug:name>/documents/<int:number>/take-down/", withholding.take_down, name="take-down"),
    path("stores/<slug:name>/documents/<int:number>/restore/", withholding.restore, name="restore"),
]
