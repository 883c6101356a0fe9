"""What an answer's model is offered, and how it is held to call."""

from dataclasses import replace
from typing import Any

from playground.core.answering import AnswerParameters
from playground.core.sampling import SamplingParameters
from playground.core.tools import Function
from playground.core.tools.functions import read_functions
from playground.core.tools.offer import Offer
from playground.core.tools.structure import calls_format
from playground.models import Message, Role
from playground.tools.models import ToolServer
from training.core.functions import FUNCTIONS_MAX


def functions_of(offer: Offer) -> tuple[Function, ...]:
    """The person's own first, then those of the servers that are still offered."""
    servers = ToolServer.objects.offered().filter(name__in=offer.servers)
    theirs = [function for server in servers for function in read_functions(server.functions)]
    own = {function.name for function in offer.functions}
    return (*offer.functions, *(f for f in theirs if f.name not in own))[:FUNCTIONS_MAX]


def template_tools(answer: Message) -> dict[str, Any]:
    """For the template of the answer's model; empty where nothing is offered."""
    offer = Offer.from_dict(answer.parameters.get("tools", {}))
    functions = functions_of(offer) if offer else ()
    return {"tools": [function.to_dict() for function in functions]} if functions else {}


def sampling_of(answer: Message) -> SamplingParameters:
    """How the answer is sampled: as asked, and held to a call where one is required and none was made yet."""
    parameters = AnswerParameters.from_dict(answer.parameters)
    prompted = answer.parent is not None and answer.parent.role == Role.USER
    if not parameters.tools.required or not prompted or answer.token_ids:
        return parameters.sampling
    functions = functions_of(parameters.tools)
    form = calls_format(functions) if functions else None
    return replace(parameters.sampling, structure=form)
