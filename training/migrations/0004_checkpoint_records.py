import json
from typing import Any

from django.conf import settings
from django.db import migrations, models


def backfill(apps: Any, schema_editor: Any) -> None:
    """Rows from before learn from their manifests, and of their cost what their job still knows."""
    checkpoints = apps.get_model("training", "Checkpoint").objects.select_related("job")
    for checkpoint in checkpoints.iterator():
        folder = settings.HOME / "checkpoints" / checkpoint.name
        try:
            manifest = json.loads((folder / "manifest.json").read_text())
            checkpoint.config = dict(manifest["config"])
            checkpoint.code_commit = str(manifest.get("code_commit", ""))[:64]
        except (OSError, ValueError, KeyError, TypeError):
            pass  # the page says what is missing
        checkpoint.cost = known_cost(checkpoint)
        checkpoint.save(update_fields=["config", "code_commit", "cost"])


def known_cost(checkpoint: Any) -> dict[str, float]:
    cost, job = {"tokens": checkpoint.metrics.get("tokens")}, checkpoint.job
    if job is not None and checkpoint.final:
        cost["cpu_s"] = job.cpu_s
        if job.started_at and job.finished_at:
            cost["wall_s"] = (job.finished_at - job.started_at).total_seconds()
    return {name: value for name, value in cost.items() if value is not None}


class Migration(migrations.Migration):

    dependencies = [
        ('training', '0003_datasets'),
    ]

    operations = [
        migrations.AddField(
            model_name='checkpoint',
            name='code_commit',
            field=models.CharField(blank=True, help_text='Of Headwater, as it was trained.', max_length=64),
        ),
        migrations.AddField(
            model_name='checkpoint',
            name='config',
            field=models.JSONField(default=dict, help_text='Every setting of its stage.'),
        ),
        migrations.AddField(
            model_name='checkpoint',
            name='cost',
            field=models.JSONField(default=dict, help_text='CPU, GPU and wall seconds and tokens of its own stage, up to its step.'),
        ),
        migrations.AddField(
            model_name='checkpoint',
            name='damage',
            field=models.TextField(blank=True, help_text='What is wrong with its weights; engines and jobs refuse it then.'),
        ),
        migrations.AddField(
            model_name='checkpoint',
            name='lineage_cost',
            field=models.JSONField(default=dict, help_text='The same, with all that it descends from.'),
        ),
        migrations.AddField(
            model_name='checkpoint',
            name='verified_at',
            field=models.DateTimeField(help_text="When its weights' digest was last computed.", null=True),
        ),
        migrations.RunPython(backfill, migrations.RunPython.noop),
    ]
