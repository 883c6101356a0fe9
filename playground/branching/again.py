"""What is asked again, edited or by another model: the prompt as the page's settings shape it now."""

from django.http import HttpRequest, QueryDict

from playground.chat.forms import MessageForm
from playground.composer.settings import texts_of
from playground.models import Message


def form_again(request: HttpRequest, *, text: str, answer: Message | None) -> MessageForm:
    """The form of a message with another text. Where the page sent no settings, it asks as `answer` was."""
    sent: QueryDict = request.POST.copy()
    if "model" not in sent and answer is not None:
        sent.update(settings_of(answer))
    sent["text"] = text
    return MessageForm(sent, user=request.user)


def settings_of(answer: Message) -> dict[str, str]:
    """The form's fields that would ask for an answer as this one was asked for."""
    model = {"model": answer.checkpoint.name} if answer.checkpoint else {}
    return texts_of(answer.parameters) | model
