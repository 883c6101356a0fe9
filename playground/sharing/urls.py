"""Addresses of shared chats."""

from django.urls import path

from playground.sharing import views

urlpatterns = [
    path("chat/<uuid:pk>/share/", views.share_chat, name="share-chat"),
    path("shares/chats/<uuid:pk>/revoke/", views.revoke_chat, name="revoke-chat"),
    path("shared/chats/<str:token>/", views.shared_chat, name="shared-chat"),
    path(
        "shared/chats/<str:token>/<int:position>/spans/<int:start>-<int:end>/",
        views.shared_chat_spans,
        name="shared-chat-spans",
    ),
]
