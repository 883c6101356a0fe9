"""Addresses of the calls in chats."""

from django.urls import path

from playground.tools import views

urlpatterns = [
    path("messages/<uuid:pk>/calls/", views.follow, name="calls"),
    path("calls/<int:pk>/approve/", views.approve, name="approve-call"),
    path("calls/<int:pk>/refuse/", views.refuse, name="refuse-call"),
    path("calls/<int:pk>/answer/", views.answer, name="answer-call"),
]
