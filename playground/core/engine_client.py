"""Asks a running engine for tokens, one stream a request. Closing the stream ends the engine's work on it."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import httpx
from pydantic_core import from_json

from playground.core.engine_http import ConnectionBroke, ErrorAnswer, NobodyListens, post_for_events
from playground.core.errors import EngineDied, EngineGone, EngineRefused, ParameterError
from playground.core.logprobs import TokenLogprob, read_logprobs
from playground.core.sampling import SamplingParameters
from tracing.core.text.tokenizer import TextTokenizer
from training.core.serving.engine_process import SERVED_NAME

SILENCE_S = 300.0
"""An engine that says nothing for so long in the middle of an answer is given up."""

Clients = dict[str, httpx.AsyncClient]
_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, Clients] = WeakKeyDictionary()


@dataclass(frozen=True)
class GenerationRequest:
    """What to continue and how. `max_tokens` must fit the context; `end_ids` end the answer.

    `structure` is a structural tag that the answer must follow. With `scored`, the prompt's own tokens come
    with their log-probabilities too; `max_tokens` may then be 0.
    """

    prompt_ids: tuple[int, ...]
    parameters: SamplingParameters
    max_tokens: int
    end_ids: frozenset[int]
    structure: str | None = None
    scored: bool = False


@dataclass(frozen=True)
class Sampled:
    """Tokens as the engine sends them, end token included; the last come with a reason: stop or length.

    `logprobs` are those of the tokens, `prompt_logprobs` the prompt's, with the first ones: where asked for.
    """

    token_ids: tuple[int, ...]
    finish_reason: str | None
    logprobs: tuple[TokenLogprob, ...] = ()
    prompt_logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True)
class EngineClient:
    """A running engine: `address` is unix:///path or http://127.0.0.1:port, `model` what it holds."""

    address: str
    kind: str
    model: Path
    tokenizer: TextTokenizer
    served: str = SERVED_NAME
    """What the engine calls the weights to answer with: those that it holds, or an adapter on them."""

    async def sample(self, request: GenerationRequest) -> AsyncIterator[Sampled]:
        """The tokens of one answer. EngineDied where it breaks off, EngineRefused where it says no."""
        body = self._vllm_body(request) if self.kind == "vllm" else self._transformers_body(request)
        finished = False
        events = post_for_events(self.address, "/v1/completions", body, silence_s=SILENCE_S)
        try:
            async with aclosing(events):
                async for together in events:
                    for sampled in self._joined(together, request):
                        finished = finished or sampled.finish_reason is not None
                        yield sampled
        except ErrorAnswer as error:
            raise refusal(error.status, error.body) from error
        except NobodyListens as error:
            raise EngineGone(f"The engine is gone ({error}).") from error
        except ConnectionBroke as error:
            raise EngineDied(f"The engine broke off ({error}).") from error
        if not finished:
            raise EngineDied("The engine broke off in the middle of its answer.")

    def _joined(self, together: Sequence[bytes], request: GenerationRequest) -> Iterator[Sampled]:
        """Tokens that came together as one, so that a process that falls behind has less to do for each; but
        one by one where a stop text may end the answer between them or each has log-probabilities."""
        parameters, before = request.parameters, None
        apart = parameters.stop or parameters.logprobs is not None or request.scored
        try:
            for data in together:
                if (sampled := self._sampled(data, request)) is None:
                    continue
                if before is not None and apart:
                    yield before
                elif before is not None:
                    sampled = replace(sampled, token_ids=before.token_ids + sampled.token_ids)
                before = sampled
        except EngineDied:
            if before is not None:
                yield before
            raise
        if before is not None:
            yield before

    def _sampled(self, data: bytes, request: GenerationRequest) -> Sampled | None:
        event = from_json(data)
        if "error" in event:
            raise EngineDied(f"The engine failed: {error_text(event)}")
        if not event["choices"]:
            return None
        [choice] = event["choices"]
        token_ids = choice.get("token_ids")
        if self.kind != "vllm":
            token_ids = self.tokenizer.encode(choice["text"])[0]
        sampled = Sampled(tuple(token_ids or ()), choice.get("finish_reason"))
        if request.parameters.logprobs is None and request.max_tokens:
            return sampled
        rows = read_logprobs(choice.get("logprobs"))
        return with_logprobs(sampled, rows, only_prompt=not request.max_tokens)

    def _vllm_body(self, request: GenerationRequest) -> dict[str, Any]:
        """The end tokens are the checkpoint's own: the engine may have been started with another's."""
        parameters = request.parameters
        body = {
            "model": self.served,
            "prompt": request.prompt_ids,
            "stream": True,
            "return_token_ids": True,
            "max_tokens": request.max_tokens,
            "temperature": parameters.temperature,
            "top_p": parameters.top_p,
            "stop_token_ids": sorted(request.end_ids),
            "ignore_eos": bool(request.end_ids),
        }
        if parameters.seed is not None:
            body["seed"] = parameters.seed
        return body | further(request)

    def _transformers_body(self, request: GenerationRequest) -> dict[str, Any]:
        """It takes and gives text only: ids are those of each piece of text, which are the sampled ones where
        a token comes alone, as it nearly always does."""
        parameters = request.parameters
        if names := further(request).keys() - {"echo"}:
            raise ParameterError(
                min(names), f"{' and '.join(sorted(names))} need vLLM, which does not serve this model here."
            )
        sampling = {"do_sample": parameters.temperature > 0, "top_p": parameters.top_p}
        if parameters.temperature > 0:
            sampling["temperature"] = parameters.temperature
        ends = {"eos_token_id": sorted(request.end_ids)} if request.end_ids else {}
        body = {
            "model": str(self.model),
            "prompt": self.tokenizer.decode(request.prompt_ids)[0],
            "stream": True,
            "max_tokens": request.max_tokens,
            "generation_config": json.dumps({**sampling, **ends, "max_new_tokens": request.max_tokens}),
        }
        return body | ({"seed": abs(parameters.seed)} if parameters.seed is not None else {})


def further(request: GenerationRequest) -> dict[str, Any]:
    """What few requests ask vLLM for."""
    asked = request.parameters
    body: dict[str, Any] = {}
    for name in ("presence_penalty", "frequency_penalty", "logit_bias"):
        if value := getattr(asked, name):
            body[name] = dict(value) if name == "logit_bias" else value
    if asked.logprobs is not None:
        body |= {"logprobs": asked.logprobs, "return_tokens_as_token_ids": True}
    if request.structure is not None:
        body["structured_outputs"] = {"structural_tag": request.structure}
    return body | ({"echo": True} if request.scored else {})


def with_logprobs(sampled: Sampled, rows: tuple[TokenLogprob, ...], *, only_prompt: bool) -> Sampled:
    """An echoed prompt's stand before the sampled tokens' own. For a prompt that is only scored vLLM samples
    one token nevertheless, of which it gives the id alone."""
    if only_prompt:
        return replace(sampled, token_ids=(), prompt_logprobs=rows)
    own = len(rows) - len(sampled.token_ids)
    return replace(sampled, logprobs=rows[own:], prompt_logprobs=rows[:own])


async def load_adapter(address: str, name: str, path: Path) -> None:
    """Have vLLM answer as `name` with the adapter in `path`, if it does not yet: a matter of milliseconds.

    EngineRefused where the adapter is not one for this engine, EngineDied where the engine does not answer.
    """
    body = {"lora_name": name, "lora_path": str(path)}
    try:
        response = await client_of(address).post("/v1/load_lora_adapter", json=body)
    except httpx.HTTPError as error:
        raise EngineDied(f"The engine broke off ({type(error).__name__}).") from error
    if response.is_error and "already been loaded" not in response.text:
        raise EngineRefused(str(refusal(response.status_code, response.content)))


def client_of(address: str) -> httpx.AsyncClient:
    """This event loop's connections to an engine, kept open between answers."""
    clients = _clients.setdefault(asyncio.get_running_loop(), {})
    if address not in clients:
        path = address.removeprefix("unix://") if address.startswith("unix://") else None
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
        transport = httpx.AsyncHTTPTransport(uds=path, limits=limits, verify=False)
        timeout = httpx.Timeout(10.0, read=SILENCE_S)
        base = "http://engine" if path else address
        clients[address] = httpx.AsyncClient(transport=transport, base_url=base, timeout=timeout)
    return clients[address]


def refusal(status: int, body: bytes) -> EngineRefused | EngineDied:
    try:
        message = error_text(json.loads(body))
    except ValueError:
        message = body[:200].decode(errors="replace")
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return EngineDied(f"The engine failed: {message}")
    return EngineRefused(f"The engine refused the request: {message}")


def error_text(event: Any) -> str:
    """The message in an error of either engine, whatever its form."""
    error = event.get("error", event) if isinstance(event, dict) else event
    return str(error.get("message", error) if isinstance(error, dict) else error)[:300]
