"""Addresses of models on their way in and out."""

from django.urls import path

from training.transfers import views

urlpatterns = [
    path("transfers/", views.transfers, name="transfers"),
    path("transfers/<int:pk>/files/<str:name>", views.download, name="export-file"),
    path("transfers/<int:pk>/delete/", views.delete, name="delete-export"),
    path("checkpoints/<slug:name>/export/", views.export, name="export-checkpoint"),
    path("checkpoints/<slug:name>/merge/", views.merge, name="merge-adapter"),
]
