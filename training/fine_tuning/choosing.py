"""What a person chooses for a fine-tune: checkpoint, stage and data, one after the other."""

from collections.abc import Mapping
from dataclasses import dataclass

from accounts.models import User
from tracing.models import Store
from training.core.errors import JobError
from training.datasets.choices import candidates
from training.datasets.services import find_dataset, ready_store
from training.fine_tuning.stages import StageChoice, family, stages_for, stores_for
from training.models import Checkpoint, Dataset, Job

CHECKPOINTS_MAX = 200


@dataclass(frozen=True)
class DataChoice:
    """Data that a stage can read: `value` is the form's, `dataset-ID`, `store-NAME` or `sums`."""

    value: str
    label: str
    dataset: Dataset | None = None
    store: Store | None = None


@dataclass(frozen=True)
class Choice:
    """What was chosen so far, and what there is to choose from. What is None has no candidates."""

    checkpoints: list[Checkpoint]
    parent: Checkpoint | None
    stages: list[StageChoice]
    stage: StageChoice | None
    sources: list[DataChoice]
    source: DataChoice | None
    origin: Job | None = None
    """The job that is cloned, if one is."""
    unseen: tuple[Dataset, ...] = ()
    """Uploads that the stage could be measured on as it trains."""

    @property
    def measured(self) -> bool:
        """Whether the data is known in the parent's tokens."""
        source = self.source
        if source is None or source.dataset is None or self.parent is None:
            return source is not None
        return "store" in source.dataset.report.get("measures", {}).get(self.parent.name, {})

    @property
    def store(self) -> Store | None:
        """The store that would be read, once the data is measured. Raises TrainingError or TracingError."""
        if self.source is None or self.source.dataset is None or not self.measured:
            return self.source.store if self.source else None
        assert self.parent is not None  # else nothing would be measured
        return ready_store(dataset=self.source.dataset, checkpoint=self.parent)


def read_choice(person: User, asked: Mapping[str, str], origin: Job | None = None) -> Choice:
    """What `asked` (parent, stage, data, dataset) names, each replaced by the likeliest where it is missing
    or does not go with the others. Raises JobError for a checkpoint that there is not."""
    checkpoints = list(candidates()[:CHECKPOINTS_MAX])
    parent = chosen_parent(asked.get("parent", ""), checkpoints, origin)
    if parent is not None and parent not in checkpoints:
        checkpoints.insert(0, parent)
    brought = find_dataset(owner=person, public_id=asked.get("dataset", ""))
    wanted = asked.get("data", "") or (f"dataset-{brought.pk}" if brought else data_of(origin))
    stages = stages_for(parent) if parent else []
    stage = chosen_stage(asked.get("stage", "") or (origin.stage if origin else ""), stages, brought)
    sources = sources_for(person, parent, stage) if parent and stage else []
    source = next((each for each in sources if each.value == wanted), sources[0] if sources else None)
    unseen = uploads_to_measure_on(person, stage, source)
    return Choice(checkpoints, parent, stages, stage, sources, source, origin, unseen)


def uploads_to_measure_on(
    person: User, stage: StageChoice | None, source: DataChoice | None
) -> tuple[Dataset, ...]:
    """The person's other uploads of the same format, of a stage that is measured on rows of a file."""
    if stage is None or family(stage.name) != "sft":
        return ()
    learned = source.dataset.pk if source and source.dataset else None
    return tuple(Dataset.objects.ready().filter(owner=person, format=stage.format).exclude(pk=learned))


def chosen_validation(choice: Choice, key: str) -> Dataset | None:
    """The upload that the job is to be measured on; None where none is chosen. Raises JobError."""
    found = next((each for each in choice.unseen if str(each.pk) == key), None)
    if key and found is None:
        raise JobError("there is no such validation data: choose another, or none")
    return found


def chosen_parent(name: str, checkpoints: list[Checkpoint], origin: Job | None) -> Checkpoint | None:
    if not name:
        return origin.parent if origin else next(iter(checkpoints), None)
    found = Checkpoint.objects.filter(name=name).first()
    if found is None:
        raise JobError(f"there is no checkpoint {name[:120]!r}: choose another")
    return found


def chosen_stage(name: str, stages: list[StageChoice], brought: Dataset | None) -> StageChoice | None:
    named = next((stage for stage in stages if stage.name == name), None)
    fitting = next((stage for stage in stages if brought and stage.format == brought.format), None)
    return named or fitting or next(iter(stages), None)


def data_of(job: Job | None) -> str:
    """The data of a job, as the form writes it."""
    if job is None:
        return ""
    if job.dataset_id:
        return f"dataset-{job.dataset_id}"
    return f"store-{job.config['store']}" if job.config.get("store") else "sums"


def sources_for(person: User, parent: Checkpoint, stage: StageChoice) -> list[DataChoice]:
    """The person's own uploads and the site's stores that the stage can read."""
    uploads = Dataset.objects.ready().filter(owner=person, format=stage.format or "-")
    found = [
        DataChoice(f"dataset-{row.pk}", f"{row.name} ({row.rows:,} rows)", dataset=row) for row in uploads
    ]
    found += [
        DataChoice(f"store-{row.name}", f"{row.name} ({row.documents:,} documents)", store=row)
        for row in stores_for(parent, stage)
        if row.is_here and not row.name.startswith("data-")
    ]
    sums = DataChoice("sums", "the sums that it was taught")
    return [*found, sums] if stage.makes_its_own_data else found
