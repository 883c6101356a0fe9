"""Addresses of the playground."""

from django.urls import include, path

from playground import views

urlpatterns = [
    path("v1/", include("playground.openai.urls")),
    path("", views.home, name="home"),
    path("chat/", views.send, name="new-thread"),
    path("chat/<uuid:pk>/", views.thread_page, name="thread"),
    path("chat/<uuid:pk>/messages/", views.send, name="send"),
    path("messages/<uuid:pk>/stream/", views.stream, name="stream"),
    path("messages/<uuid:pk>/stop/", views.stop, name="stop"),
    path("messages/<uuid:pk>/continue/", views.go_on, name="continue"),
    path("messages/<uuid:pk>/spans/<int:start>-<int:end>/", views.span_documents, name="span-documents"),
]
