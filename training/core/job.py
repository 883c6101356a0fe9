"""A running job: its configuration, where its things lie, and how it reports."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from training.core.cost import CostBook
from training.core.events import Events
from training.core.parallel.world import World
from training.core.pause import Pause
from training.core.recipe_files import JobConfig

WANTED = "wanted"
"""A file in the job's directory: `pause` or `cancel`, where a person asked for that."""


@dataclass(frozen=True)
class Job:
    """What a stage is handed."""

    folder: Path
    config: JobConfig
    events: Events
    pause: Pause = field(default_factory=Pause)
    world: World = field(default_factory=World)
    run: str | None = None
    """Which of a stage's runs this is, where it has several: "run1"."""
    run_of: "Job | None" = None
    """The whole job, where this is a run of it."""

    def as_run(self, name: str, events: Events) -> "Job":
        """One of the job's runs: its saved states in a directory of their own, its checkpoints under names of
        their own."""
        run = replace(self, run=name, run_of=self, events=events)
        run.workspace.mkdir(exist_ok=True)
        return run

    @property
    def workspace(self) -> Path:
        """Where saved states lie: the job's own directory, or its run's in there."""
        return self.folder / self.run if self.run else self.folder

    @cached_property
    def costs(self) -> CostBook:
        """What the job costs, counted from the first time that this is asked for."""
        return self.run_of.costs if self.run_of else CostBook(self.folder)

    @cached_property
    def home(self) -> Path:
        return Path(self.config.home)

    @property
    def tokenizer_folder(self) -> Path:
        """The flow's tokenizer; of a fine-tune, which has none of its own, its parent's."""
        own = self.home / "tokenizers" / self.config.name
        return own if own.is_dir() or self.config.parent is None else Path(self.config.parent)

    def wanted(self) -> str:
        """`pause` or `cancel` where a person has asked for that, else nothing. Cheap enough for each step."""
        if self.pause.requested:
            return "pause"
        try:
            return (self.folder / WANTED).read_text("utf-8").strip()
        except FileNotFoundError:
            return ""

    def store_name(self, stage: str) -> str:
        return f"{self.config.name}-{stage}"

    def store_folder(self, name: str) -> Path:
        return self.home / "stores" / name

    def checkpoint_folder(self, step: int | None = None) -> Path:
        """Of the stage's final checkpoint, or of the intermediate one after `step` steps."""
        run = f"-{self.run}" if self.run else ""
        name = f"{self.config.name}-{self.config.stage}{run}" + (f"-step{step}" if step is not None else "")
        return self.home / "checkpoints" / name
