"""What /metrics tells, in Prometheus' form: how answers fare in this process, and what the engines are doing.

Counts are of one process: where several uvicorn workers serve, each is to be asked, or sums are too small.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from playground.models import Deployment, Engine, EngineLease, EngineState

FIRST_TOKEN_S = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 180)
ANSWER_S = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600)

ANSWERS = Counter("headwater_answers", "Answers that ended, by how.", ["model", "outcome"])
WRITING = Gauge("headwater_answers_writing", "Answers begun and not ended.", ["model"])
FIRST_TOKEN = Histogram(
    "headwater_first_token_seconds",
    "From the wish for an engine to the first token.",
    ["model"],
    buckets=FIRST_TOKEN_S,
)
ANSWER = Histogram(
    "headwater_answer_seconds", "From the wish for an engine to the end.", ["model"], buckets=ANSWER_S
)
TOKENS = Counter("headwater_tokens", "Tokens of finished answers: read and sampled.", ["model", "kind"])
RETRIES = Counter("headwater_retries", "Answers begun anew because an engine broke off.", ["model"])


class ModelMetrics:
    """What is counted of one model. To look these up costs more than to count."""

    def __init__(self, model: str) -> None:
        self.writing, self.retries = WRITING.labels(model), RETRIES.labels(model)
        self.first_token, self.whole = FIRST_TOKEN.labels(model), ANSWER.labels(model)
        self.prompt, self.completion = TOKENS.labels(model, "prompt"), TOKENS.labels(model, "completion")


metrics_of = lru_cache(maxsize=1024)(ModelMetrics)


class Followed:
    """One answer, while it is written."""

    def __init__(self, model: str) -> None:
        self.metrics, self.began, self.outcome = metrics_of(model), time.perf_counter(), "left"
        self.has_begun = False

    def begin(self) -> None:
        """The first token is there."""
        if not self.has_begun:
            self.has_begun = True
            self.metrics.first_token.observe(time.perf_counter() - self.began)

    def retry(self) -> None:
        self.metrics.retries.inc()

    def finish(self, reason: str, prompt_tokens: int, completion_tokens: int) -> None:
        self.outcome = reason
        self.metrics.prompt.inc(prompt_tokens)
        self.metrics.completion.inc(completion_tokens)


@contextmanager
def followed(model: str) -> Iterator[Followed]:
    """Counts one answer. Whoever leaves without finishing it, or breaks off with an error, is counted so."""
    answer = Followed(model)
    answer.metrics.writing.inc()
    try:
        yield answer
    except Exception as error:
        answer.outcome = type(error).__name__
        raise
    finally:
        answer.metrics.writing.dec()
        answer.metrics.whole.observe(time.perf_counter() - answer.began)
        ANSWERS.labels(model, answer.outcome).inc()


def exposition() -> bytes:
    """All of it as text. It uses the database."""
    return generate_latest(REGISTRY) + generate_latest(engines_now())


def engines_now() -> CollectorRegistry:
    """What the database says of the engines at this moment."""
    registry = CollectorRegistry()
    states = Gauge("headwater_engines", "Engines by state.", ["state"], registry=registry)
    for state in EngineState.values:
        states.labels(state).set(0)
    held = Gauge("headwater_engine_up", "1 where it takes answers.", ["slot", "model"], registry=registry)
    restarts = Gauge("headwater_engine_restarts", "Failures of a slot.", ["slot"], registry=registry)
    for engine in Engine.objects.select_related("checkpoint"):
        states.labels(engine.state).inc()
        restarts.labels(engine.slot).set(engine.restarts)
        if engine.checkpoint is not None:
            held.labels(engine.slot, engine.checkpoint.name).set(engine.state == EngineState.READY)
    leases = Gauge("headwater_engine_leases", "Processes that hold an engine.", registry=registry)
    leases.set(EngineLease.objects.count())
    waiting = Gauge("headwater_models_waiting", "Models that somebody waits for.", registry=registry)
    waiting.set(Deployment.objects.waiting().count())
    return registry
