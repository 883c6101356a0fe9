"""Addresses of what makes a chat branch."""

from django.urls import path

from playground.branching import views

urlpatterns = [
    path("messages/<uuid:pk>/edit/", views.edit, name="edit"),
    path("messages/<uuid:pk>/again/", views.again, name="answer-again"),
    path("messages/<uuid:pk>/fork/", views.fork, name="fork"),
]
