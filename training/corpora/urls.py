"""Addresses of what attaches corpora."""

from django.urls import path

from training.corpora import views

urlpatterns = [
    path("checkpoints/<slug:name>/corpora/attach/", views.attach, name="attach-corpus"),
    path("checkpoints/<slug:name>/corpora/detach/", views.detach, name="detach-corpus"),
]
