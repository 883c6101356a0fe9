"""Writing down what was used."""

from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from accounts.limits.spender import Spender
from accounts.usage.models import Price, Usage

MILLION = 1_000_000
HOUR_S = 3600
MODEL_CHARACTERS = 120


def add_usage(
    spender: Spender,
    *,
    model: str,
    prompt_tokens: int,
    completion_tokens: int,
    engine_s: float,
    kind: str,
    requests: int = 1,
) -> None:
    """Add to the day's row of this account, key, model and kind; two at once both count."""
    row = {
        "day": timezone.now().date(),
        "account": "" if spender.user_id is None else str(spender.user_id),
        "key_prefix": spender.key_prefix,
        "model": model[:MODEL_CHARACTERS],
        "kind": kind,
    }
    added = {
        "requests": requests,
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "engine_ms": round(engine_s * 1000),
        "cost": cost_of(model, prompt_tokens, completion_tokens, engine_s),
    }
    sums = {name: F(name) + value for name, value in added.items()}
    if Usage.objects.filter(**row).update(**sums):
        return
    try:
        with transaction.atomic():
            Usage.objects.create(**row, user_id=spender.user_id, **added)
    except IntegrityError:  # another request has made the row meanwhile
        Usage.objects.filter(**row).update(**sums)


def cost_of(model: str, prompt_tokens: int, completion_tokens: int, engine_s: float) -> Decimal:
    """By the model's price, else by that of all others; 0 where there is neither."""
    price = Price.objects.filter(model__in=[model, ""]).order_by("-model").first()
    if price is None:
        return Decimal(0)
    tokens = price.prompt_million * prompt_tokens + price.completion_million * completion_tokens
    cost = tokens / MILLION + price.engine_hour * Decimal(str(engine_s)) / HOUR_S
    return cost.quantize(Decimal("1e-8"))
