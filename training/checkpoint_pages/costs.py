"""What a checkpoint has cost, in words."""

from collections.abc import Mapping

from training.core.cost import Cost
from training.lineage import Lineage
from training.models import Checkpoint
from training.templatetags.measures import compact, duration

NAMES = {"cpu_s": "CPU time", "gpu_s": "GPU time", "wall_s": "Wall time", "tokens": "Tokens trained on"}


def cost_words(cost: Mapping[str, float], name: str) -> str:
    """`4 min 10 s`, `1.3M`; a dash where nobody counted."""
    if name not in cost:
        return "–"
    return compact(cost[name]) if name == "tokens" else duration(cost[name])


def cost_rows(checkpoint: Checkpoint, lineage: Lineage) -> list[tuple[str, str, str]]:
    """(what, of its own stage, with all that it descends from); empty where nothing is known."""
    own = checkpoint.cost
    whole = checkpoint.lineage_cost or summed(lineage)
    names = [name for name in NAMES if name in own or name in whole]
    kept = [name for name in names if name != "gpu_s" or own.get(name) or whole.get(name)]
    return [(NAMES[name], cost_words(own, name), cost_words(whole, name)) for name in kept]


def summed(lineage: Lineage) -> dict[str, float]:
    """From the rows, for checkpoints from before the sum was kept; of each run its furthest checkpoint."""
    furthest: dict[object, Cost] = {}
    for checkpoint in lineage.checkpoints:
        run = checkpoint.job_id or checkpoint.name
        furthest[run] = furthest.get(run, Cost()).furthest(Cost.of(checkpoint.cost))
    known = {name for checkpoint in lineage.checkpoints for name in checkpoint.cost}
    total = sum(furthest.values(), Cost())
    return {name: value for name, value in total.to_json().items() if name in known}
