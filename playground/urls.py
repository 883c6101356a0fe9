"""Addresses of the playground."""

from django.urls import include, path

from playground import views
from playground.gateway.views import metrics
from playground.traces import pages, shared, shares, texts

urlpatterns = [
    path("metrics", metrics, name="metrics"),
    path("", views.home, name="home"),
    path("chat/", views.send, name="new-thread"),
    path("chat/<uuid:pk>/", views.thread_page, name="thread"),
    path("chat/<uuid:pk>/messages/", views.send, name="send"),
    path("messages/<uuid:pk>/stream/", views.stream, name="stream"),
    path("messages/<uuid:pk>/stop/", views.stop, name="stop"),
    path("messages/<uuid:pk>/continue/", views.go_on, name="continue"),
    path("messages/<uuid:pk>/trace/", pages.answer_trace, name="answer-trace"),
    path("messages/<uuid:pk>/spans/<int:start>-<int:end>/", pages.answer_spans, name="answer-trace-spans"),
    path("messages/<uuid:pk>/share/", shares.share_answer, name="share-answer"),
    path("trace/", texts.trace_home, name="trace"),
    path("trace/<uuid:pk>/", pages.text_trace, name="text-trace"),
    path("trace/<uuid:pk>/spans/<int:start>-<int:end>/", pages.text_spans, name="text-trace-spans"),
    path("trace/<uuid:pk>/share/", shares.share_text, name="share-text"),
    path("trace/<uuid:pk>/delete/", texts.delete_text, name="delete-text"),
    path("shares/", shares.shares, name="shares"),
    path("shares/<int:pk>/revoke/", shares.revoke, name="revoke-share"),
    path("shared/<str:token>/", shared.shared_trace, name="shared-trace"),
    path("shared/<str:token>/spans/<int:start>-<int:end>/", shared.shared_spans, name="shared-trace-spans"),
    path("", include("playground.branching.urls")),
    path("", include("playground.history.urls")),
    path("", include("playground.beside.urls")),
    path("", include("playground.attachments.urls")),
    path("", include("playground.sharing.urls")),
    path("", include("playground.ratings.urls")),
    path("", include("playground.tools.urls")),
    path("", include("playground.composer.urls")),
    path("", include("playground.copies.urls")),
    path("", include("playground.presets.urls")),
]
