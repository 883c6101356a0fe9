"""Addresses below /v1."""

from django.urls import path, re_path

from accounts.models import Scope
from playground.openai.chat import complete_chat
from playground.openai.endpoint import by_method, endpoint, unknown_address
from playground.openai.models import list_models, show_model
from playground.openai.traces import end_link, make_link, make_trace, show_trace

READ = (Scope.CHAT, Scope.TRACE)

urlpatterns = [
    path("models", endpoint(list_models, method="GET", scopes=READ)),
    path("models/<path:name>", endpoint(show_model, method="GET", scopes=READ)),
    path("chat/completions", endpoint(complete_chat, method="POST", scopes=(Scope.CHAT,))),
    path("traces", endpoint(make_trace, method="POST", scopes=(Scope.TRACE,))),
    path("traces/<str:public_id>", endpoint(show_trace, method="GET", scopes=(Scope.TRACE,))),
    path(
        "traces/<str:public_id>/share",
        by_method(
            POST=endpoint(make_link, method="POST", scopes=(Scope.TRACE,)),
            DELETE=endpoint(end_link, method="DELETE", scopes=(Scope.TRACE,)),
        ),
    ),
    re_path(r"^", unknown_address),
]
