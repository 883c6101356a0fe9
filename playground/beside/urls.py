"""Addresses of models beside each other."""

from django.urls import path

from playground.beside import deleting, views, voting

urlpatterns = [
    path("compare/", views.beside, name="beside"),
    path("compare/", views.beside, name="compare"),
    path("compare/score/", voting.score, name="score"),
    path("compare/<uuid:pk>/", views.lineup, name="lineup"),
    path("compare/<uuid:pk>/messages/", views.send, name="lineup-send"),
    path("compare/<uuid:pk>/stop/", views.stop, name="lineup-stop"),
    path("compare/<uuid:pk>/delete/", deleting.delete, name="delete-lineup"),
    path("compare/<uuid:pk>/restore/", deleting.restore, name="restore-lineup"),
    path("compare/<uuid:pk>/purge/", deleting.purge, name="purge-lineup"),
    path("compare/<uuid:pk>/vote/", voting.vote, name="lineup-vote"),
    path("compare/<uuid:pk>/rounds/<int:number>/", views.together, name="lineup-round"),
    path("compare/<uuid:pk>/answers/<uuid:answer>/stream/", voting.veiled_stream, name="veiled-stream"),
]
