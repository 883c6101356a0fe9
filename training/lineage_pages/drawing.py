"""Two drawings of one graph in pixels: a wide one for screens, one of rows for phones."""

from collections.abc import Sequence
from dataclasses import dataclass

from training.core.graph import Place, arrange
from training.lineage_pages.stations import Station, stations
from training.models import Checkpoint

COLUMN, TRACK = 164, 84
BOX_WIDTH, BOX_HEIGHT = 140, 66
ROW, LANE = 58, 20
NARROW_WIDTH = 350
CORNER = 8
TITLE_CHARACTERS, LINE_CHARACTERS, ROW_CHARACTERS = 17, 20, 34


@dataclass(frozen=True)
class Dot:
    """An intermediate checkpoint."""

    checkpoint: Checkpoint
    x: int
    y: int


@dataclass(frozen=True)
class Node:
    """A station with its place: of its box in the wide drawing, of its row and dot in the narrow one."""

    station: Station
    x: int
    y: int
    row_x: int
    row_y: int
    dots: list[Dot]

    @property
    def title(self) -> str:
        """The stage; of what no flow of stages made, its own name."""
        head = self.station.head
        of_flow = head.job is not None and not head.job.is_fine_tune
        return shortened(head.stage if of_flow else head.name, TITLE_CHARACTERS)

    @property
    def line(self) -> str:
        """Below the title: how it came to be, or else how it scores."""
        return shortened(self.remark or self.station.score, LINE_CHARACTERS)

    @property
    def remark(self) -> str:
        return self.station.origin or self.station.note

    @property
    def row_title(self) -> str:
        return shortened(self.station.head.name, ROW_CHARACTERS)

    @property
    def row_line(self) -> str:
        parts = dict.fromkeys([self.station.head.stage, self.remark, self.station.score])
        return shortened(" · ".join(part for part in parts if part), ROW_CHARACTERS + 10)


@dataclass(frozen=True)
class Edge:
    """A line from parent to child, as SVG paths. `is_extra`: of an average's second and later parents."""

    wide: str
    narrow: str
    is_extra: bool


@dataclass(frozen=True)
class Drawing:
    """Everything that the template needs; sizes in pixels."""

    nodes: list[Node]
    edges: list[Edge]
    width: int
    height: int
    narrow_width: int
    narrow_height: int
    text_x: int
    checkpoints: int


def draw(found: Sequence[Station]) -> Drawing:
    """The drawing of these stations. Raises CheckpointError where they descend from each other."""
    places = arrange({one.key: one.parents for one in found})
    by_row = sorted(found, key=lambda one: places[one.key].row)
    lanes = 1 + max((place.lane for place in places.values()), default=0)
    return Drawing(
        nodes=[node(one, places[one.key]) for one in by_row],
        edges=[
            edge(places[parent], places[one.key], is_extra=number > 0)
            for one in by_row
            for number, parent in enumerate(sorted(one.parents, key=lambda key: -places[key].row))
        ],
        width=COLUMN * (1 + max((place.column for place in places.values()), default=0)),
        height=TRACK * (1 + max((place.track for place in places.values()), default=0)),
        narrow_width=NARROW_WIDTH,
        narrow_height=ROW * len(found),
        text_x=LANE * lanes + 8,
        checkpoints=sum(1 + len(one.dots) + one.more for one in found),
    )


def node(station: Station, place: Place) -> Node:
    x, y = box_of(place)
    dots = [Dot(one, x + 17 + 15 * number, y + 54) for number, one in enumerate(station.dots)]
    row_x, row_y = row_of(place)
    return Node(station, x, y, row_x, row_y, dots)


def box_of(place: Place) -> tuple[int, int]:
    """Left and upper edge."""
    return COLUMN * place.column + 4, TRACK * place.track + 8


def row_of(place: Place) -> tuple[int, int]:
    """Middle of the dot."""
    return LANE * place.lane + 12, ROW * place.row + ROW // 2


def edge(parent: Place, child: Place, *, is_extra: bool) -> Edge:
    return Edge(wide_path(parent, child), narrow_path(parent, child, is_extra=is_extra), is_extra)


def wide_path(parent: Place, child: Place) -> str:
    """From the parent's right side, down in the gap between the columns, to the child's left side; below the
    boxes between them where they stand on one track."""
    x, y = box_of(parent)
    to_x, to_y = box_of(child)
    if parent.track == child.track and child.column > parent.column + 1:
        foot = y + BOX_HEIGHT
        return f"M{x + BOX_WIDTH - 20} {foot}v5q0 5 5 5H{to_x + 15}q5 0 5 -5v-5"
    start, middle = x + BOX_WIDTH, y + BOX_HEIGHT // 2
    end = to_y + BOX_HEIGHT // 2
    if middle == end:
        return f"M{start} {middle}H{to_x}"
    turn = start + (COLUMN - BOX_WIDTH) // 2
    way = CORNER if end > middle else -CORNER
    return (
        f"M{start} {middle}H{turn - CORNER}Q{turn} {middle} {turn} {middle + way}"
        f"V{end - way}Q{turn} {end} {turn + CORNER} {end}H{to_x}"
    )


def narrow_path(parent: Place, child: Place, *, is_extra: bool) -> str:
    """Down the parent's lane, then across to the child's dot; an average's further parents in a bow."""
    x, y = row_of(parent)
    to_x, to_y = row_of(child)
    if is_extra:
        return f"M{x} {y}C{x - 14} {y + ROW // 2} {to_x - 14} {to_y - ROW // 2} {to_x} {to_y}"
    if x == to_x:
        return f"M{x} {y}V{to_y}"
    way = CORNER if to_x > x else -CORNER
    return f"M{x} {y}V{to_y - CORNER}Q{x} {to_y} {x + way} {to_y}H{to_x}"


def shortened(text: str, characters: int) -> str:
    return text if len(text) <= characters else text[: characters - 1].rstrip() + "…"


def whole_graph(flow: str = "") -> Drawing:
    """All checkpoints, or those of one flow with what they descend from."""
    every = list(Checkpoint.objects.select_related("job__flow").prefetch_related("parents"))
    if not flow:
        return draw(stations(every))
    chosen = {one.pk for one in every if one.job and one.job.flow.name == flow}
    return draw(stations([one for one in every if one.pk in upwards(every, chosen)]))


def family_of(checkpoint: Checkpoint) -> Drawing:
    """What it descends from, and what descends from it."""
    every = list(Checkpoint.objects.select_related("job__flow").prefetch_related("parents"))
    kept = upwards(every, {checkpoint.pk}) | downwards(every, {checkpoint.pk})
    return draw(stations([one for one in every if one.pk in kept], checkpoint))


def upwards(every: Sequence[Checkpoint], chosen: set[int]) -> set[int]:
    """The chosen and all their ancestors."""
    parents = {one.pk: [parent.pk for parent in one.parents.all()] for one in every}
    return reached(parents, chosen)


def downwards(every: Sequence[Checkpoint], chosen: set[int]) -> set[int]:
    """The chosen and all that descends from them."""
    children: dict[int, list[int]] = {}
    for one in every:
        for parent in one.parents.all():
            children.setdefault(parent.pk, []).append(one.pk)
    return reached(children, chosen)


def reached(ways: dict[int, list[int]], chosen: set[int]) -> set[int]:
    found, waiting = set(chosen), list(chosen)
    while waiting:
        new = [one for one in ways.get(waiting.pop(), ()) if one not in found]
        found.update(new)
        waiting += new
    return found
