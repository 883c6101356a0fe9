"""Addresses of shared chats."""

from django.urls import path

from playground.sharing import lineup_views, views

urlpatterns = [
    path("chat/<uuid:pk>/share/", views.share_chat, name="share-chat"),
    path("shares/chats/<uuid:pk>/revoke/", views.revoke_chat, name="revoke-chat"),
    path("compare/<uuid:pk>/share/", lineup_views.share, name="share-lineup"),
    path("shares/comparisons/<uuid:pk>/revoke/", lineup_views.revoke, name="revoke-lineup"),
    path("shared/comparisons/<str:token>/", lineup_views.shared_lineup, name="shared-lineup"),
    path(
        "shared/comparisons/<str:token>/rounds/<int:number>/",
        lineup_views.shared_round,
        name="shared-lineup-round",
    ),
    path("shared/chats/<str:token>/", views.shared_chat, name="shared-chat"),
    path(
        "shared/chats/<str:token>/<int:position>/spans/<int:start>-<int:end>/",
        views.shared_chat_spans,
        name="shared-chat-spans",
    ),
]
