"""An adapter and its base become one whole checkpoint."""

from pathlib import Path

from training.core.adapters.files import is_adapter
from training.core.checkpoints import CheckpointManifest, publish_checkpoint, read_checkpoint
from training.core.errors import CheckpointError
from training.core.model import load_model


def merge_checkpoint(folder: Path, target: Path) -> CheckpointManifest:
    """Publish the adapter in `folder`, merged into its base, as the checkpoint `target`.

    It descends from the adapter, read no data of its own, and answers alike, so the scores go with it.
    Raises CheckpointError where that is no adapter or its base is not there, tracing's StoreError where the
    disk refuses.
    """
    if not is_adapter(folder):
        raise CheckpointError(f"{folder.name} is a whole checkpoint: there is nothing to merge")
    adapter = read_checkpoint(folder)
    merged = CheckpointManifest(
        name=target.name,
        digest="",
        parents=(adapter.name,),
        stage=adapter.stage,
        step=adapter.step,
        steps=adapter.steps,
        job="",
        config={"merged": {"adapter": adapter.digest, "base": adapter.base_digest}},
        stores=(),
        tokenizer=adapter.tokenizer,
        chat=adapter.chat,
        thinking=adapter.thinking,
        functions=adapter.functions,
        scores=adapter.scores,
        lineage_cost=adapter.lineage_cost,
    )
    return publish_checkpoint(load_model(folder), folder, target, merged)
