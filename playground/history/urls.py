"""Addresses of people's histories."""

from django.urls import path

from playground.history import exports, views

urlpatterns = [
    path("chats/", views.chats, name="chats"),
    path("chats/deleted/", views.deleted_chats, name="deleted-chats"),
    path("chats/import/", views.import_file, name="import-chat"),
    path("chat/<uuid:pk>/rename/", views.rename, name="rename-chat"),
    path("chat/<uuid:pk>/delete/", views.delete, name="delete-chat"),
    path("chat/<uuid:pk>/restore/", views.restore, name="restore-chat"),
    path("chat/<uuid:pk>/purge/", views.purge, name="purge-chat"),
    path("chat/<uuid:pk>/keep/", views.keep, name="keep-chat"),
    path("chat/<uuid:pk>/export/markdown/", exports.markdown, name="export-markdown"),
    path("chat/<uuid:pk>/export/json/", exports.json, name="export-json"),
]
