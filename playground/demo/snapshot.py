"""What the terminal shows, gathered at one moment."""

from dataclasses import dataclass

from django.db import DatabaseError, close_old_connections

from playground.demo.supervisor import ProgramState, Supervisor
from playground.models import Engine
from training.models import Flow
from training.overview import FlowOverview, flow_overview


@dataclass(frozen=True)
class Snapshot:
    """Programs by name, engines by slot, and the flow if it can be read just now."""

    programs: dict[str, ProgramState]
    engines: list[Engine]
    overview: FlowOverview | None
    notices: list[str]


def take_snapshot(supervisor: Supervisor, flow: Flow | None, notices: list[str]) -> Snapshot:
    programs = supervisor.states()
    troubled = [trouble(program) for program in programs.values() if is_troubled(program)]
    try:
        engines = list(Engine.objects.select_related("checkpoint"))
        overview = flow_overview(flow) if flow else None
    except DatabaseError as error:
        engines, overview = [], None
        troubled.append(f"The database does not answer ({error}).")
    finally:
        close_old_connections()
    return Snapshot(programs, engines, overview, [*notices, *troubled])


def is_troubled(program: ProgramState) -> bool:
    return program.state in {"BACKOFF", "FATAL", "UNKNOWN"}


def trouble(program: ProgramState) -> str:
    return f"{program.name} stops as soon as it starts, and is tried again: see logs/{program.name}.log"
