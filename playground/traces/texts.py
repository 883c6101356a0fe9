"""Views of the page that traces any text: the form, what was traced before, and its deletion."""

from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from accounts.limits.services import Spender, admit_now
from accounts.owners import Owner
from playground.chat.models_offered import model_menu
from playground.database import while_wanted
from playground.model_field import FormWithModels, ModelField
from playground.traces.requests import own_trace
from tracing.core.errors import InputError, TracingError
from tracing.core.request import TOKENS_MAX
from tracing.kept import keep_trace
from tracing.models import KeptKind, KeptTrace
from training.traces import trace_checkpoint

CHARACTERS_MAX = 200_000
LISTED = 50


class TextForm(FormWithModels):
    """A text, and the model whose training data is searched for its words."""

    text = forms.CharField(strip=False, error_messages={"required": "Paste a text first."})
    model = ModelField()

    def clean_text(self) -> str:
        text: str = self.cleaned_data["text"].replace("\r\n", "\n")
        if not text.strip():
            raise forms.ValidationError("Paste a text first.")
        if len(text) > CHARACTERS_MAX:
            raise forms.ValidationError(
                f"The text has {len(text):,} characters; at most {CHARACTERS_MAX:,} can be traced at once. "
                "Trace it in parts."
            )
        return text


@require_http_methods(["GET", "HEAD", "POST"])
async def trace_home(request: HttpRequest) -> HttpResponse:
    """A box for any text. What is posted is traced and kept on an address of its own."""
    if request.method == "POST":
        return await while_wanted(trace_text, request)
    return await while_wanted(home_page, request)


def home_page(request: HttpRequest) -> HttpResponse:
    return show_form(request, TextForm(user=request.user), status=200)


def trace_text(request: HttpRequest) -> HttpResponse:
    form = TextForm(request.POST, user=request.user)
    if not form.is_valid():
        return show_form(request, form)
    admit_now(Spender.of_request(request), "trace")
    try:
        checkpoint = form.cleaned_data["model"]
        trace = trace_checkpoint(checkpoint, text=form.cleaned_data["text"])
    except InputError as error:
        form.add_error("text", f"{error} {too_long(form.cleaned_data['text'])}")
        return show_form(request, form)
    except TracingError as error:
        form.add_error(None, str(error))
        return show_form(request, form, status=503)
    kept = keep_trace(owner=Owner.of(request), trace=trace)
    address = redirect("text-trace", pk=kept.pk)
    return HttpResponse(headers={"HX-Redirect": address.url}) if request.htmx else address


def too_long(text: str) -> str:
    return "Trace it in parts." if len(text) > TOKENS_MAX else ""


def show_form(request: HttpRequest, form: TextForm, status: int = 422) -> HttpResponse:
    """The page; for htmx after an error, the form alone."""
    chosen = str(form.data.get("model") or request.GET.get("model", ""))
    kept = KeptTrace.objects.of_browser(request).filter(kind=KeptKind.TEXT).defer("content", "prompt")
    errors = [error for found in form.errors.values() for error in found]
    menu = model_menu(chosen, user=request.user)
    context = {"section": "trace", "form": form, "errors": errors, "menu": menu}
    context |= {"kept": kept[:LISTED], "characters_max": CHARACTERS_MAX}
    template = "playground/traces/_text_form.html" if request.htmx else "playground/traces/home.html"
    return render(request, template, context, status=status)


@require_POST
def delete_text(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Delete a kept trace, and with it every link to it."""
    own_trace(request, pk).delete()
    return redirect("trace")
