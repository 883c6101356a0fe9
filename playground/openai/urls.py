"""Addresses below /v1."""

from django.urls import path, re_path

from accounts.models import Scope
from playground.openai.chat import complete_chat
from playground.openai.completions import complete_text
from playground.openai.embeddings import refuse_embeddings
from playground.openai.endpoint import by_method, endpoint, unknown_address
from playground.openai.files import create_file, delete_file, list_files, show_content, show_file
from playground.openai.fine_tuning import views as fine_tuning
from playground.openai.models import list_models, show_model
from playground.openai.traces import end_link, make_link, make_trace, show_trace

READ = (Scope.CHAT, Scope.TRACE, Scope.TRAIN)
TRAIN = (Scope.TRAIN,)
JOB = "fine_tuning/jobs/<str:job_id>"

urlpatterns = [
    path("models", endpoint(list_models, method="GET", scopes=READ)),
    path("models/<path:name>", endpoint(show_model, method="GET", scopes=READ)),
    path("chat/completions", endpoint(complete_chat, method="POST", scopes=(Scope.CHAT,), kind="chat")),
    path("completions", endpoint(complete_text, method="POST", scopes=(Scope.CHAT,), kind="chat")),
    path("embeddings", endpoint(refuse_embeddings, method="POST", scopes=(Scope.CHAT,))),
    path("traces", endpoint(make_trace, method="POST", scopes=(Scope.TRACE,), kind="trace")),
    path("traces/<str:public_id>", endpoint(show_trace, method="GET", scopes=(Scope.TRACE,))),
    path(
        "traces/<str:public_id>/share",
        by_method(
            POST=endpoint(make_link, method="POST", scopes=(Scope.TRACE,)),
            DELETE=endpoint(end_link, method="DELETE", scopes=(Scope.TRACE,)),
        ),
    ),
    path(
        "files",
        by_method(
            GET=endpoint(list_files, method="GET", scopes=TRAIN),
            POST=endpoint(create_file, method="POST", scopes=TRAIN),
        ),
    ),
    path(
        "files/<str:file_id>",
        by_method(
            GET=endpoint(show_file, method="GET", scopes=TRAIN),
            DELETE=endpoint(delete_file, method="DELETE", scopes=TRAIN),
        ),
    ),
    path("files/<str:file_id>/content", endpoint(show_content, method="GET", scopes=TRAIN)),
    path(
        "fine_tuning/jobs",
        by_method(
            GET=endpoint(fine_tuning.list_jobs, method="GET", scopes=TRAIN),
            POST=endpoint(fine_tuning.create_job, method="POST", scopes=TRAIN, kind="job"),
        ),
    ),
    path(JOB, endpoint(fine_tuning.show_job, method="GET", scopes=TRAIN)),
    path(f"{JOB}/events", endpoint(fine_tuning.list_events, method="GET", scopes=TRAIN)),
    path(f"{JOB}/checkpoints", endpoint(fine_tuning.list_checkpoints, method="GET", scopes=TRAIN)),
    path(f"{JOB}/cancel", endpoint(fine_tuning.cancel, method="POST", scopes=TRAIN)),
    path(f"{JOB}/pause", endpoint(fine_tuning.pause, method="POST", scopes=TRAIN)),
    path(f"{JOB}/resume", endpoint(fine_tuning.resume, method="POST", scopes=TRAIN)),
    re_path(r"^", unknown_address),
]
