"""Addresses of the registry's pages."""

from django.urls import path

from training.checkpoint_pages import views

urlpatterns = [
    path("checkpoints/", views.checkpoints, name="checkpoints"),
    path("checkpoints/compare/", views.compare, name="compare-checkpoints"),
    path("checkpoints/<slug:name>/", views.checkpoint, name="checkpoint"),
    path("checkpoints/<slug:name>/steps/", views.step, name="checkpoint-step"),
    path("checkpoints/<slug:name>/documents/", views.document, name="checkpoint-document"),
    path("checkpoints/<slug:name>/verify/", views.verify, name="verify-checkpoint"),
]
