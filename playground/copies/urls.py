"""Addresses of raw texts and of code."""

from django.urls import path

from playground.copies import views

urlpatterns = [
    path("messages/<uuid:pk>/raw/", views.raw, name="raw"),
    path("messages/<uuid:pk>/code/", views.answer_code, name="answer-code"),
    path("composer/code/", views.draft_code, name="draft-code"),
]
