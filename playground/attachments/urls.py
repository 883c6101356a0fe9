"""Addresses of attached files."""

from django.urls import path

from playground.attachments import views

urlpatterns = [
    path("attachments/", views.upload, name="attachments"),
    path("attachments/<uuid:pk>/", views.attachment, name="attachment"),
    path("attachments/<uuid:pk>/remove/", views.remove, name="remove-attachment"),
]
