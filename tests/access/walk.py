"""What everyone gets at every address with every verb, as a table in Markdown."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from django.http import HttpResponseBase
from django.test import Client

from accounts.models import Scope
from tests.access.addresses import filled, templates
from tests.world import Things, World, build_things, build_world

VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ACTORS: dict[str, Callable[[World], Client]] = {
    "nobody": lambda world: world.browser(None),
    "another": lambda world: world.browser(world.bob),
    "its owner": lambda world: world.browser(world.ada),
    "an administrator": lambda world: world.browser(world.grace),
    "key: chat": lambda world: world.program(world.ada, Scope.CHAT),
    "key: trace": lambda world: world.program(world.ada, Scope.TRACE),
    "key: train": lambda world: world.program(world.grace, Scope.TRAIN),
    "key: admin": lambda world: world.program(world.grace, Scope.ADMIN),
    "another's key": lambda world: world.program(world.bob, *Scope),
}
MASTERS = ("an administrator", "its owner", "key: train", "key: chat", "key: trace")
"""Between them they are let in at every address."""
UNKNOWN = {"401", "403", "405", "sign in"}
REFUSED = {401: "401", 403: "403", 404: "404", 405: "405"}
OPEN = "yes"


@dataclass
class Walk:
    """One world after another: what a request has changed is not what the next one finds."""

    world: World = field(default_factory=build_world)
    things: Things = field(init=False)
    clients: dict[str, Client] = field(init=False)
    broken: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.begin(self.world)

    def begin(self, world: World) -> None:
        self.world, self.things = world, build_things(world)
        self.clients = {name: client(world) for name, client in ACTORS.items()}

    def rows(self) -> Iterator[str]:
        for template in templates():
            for verb in VERBS:
                if told := self.told(template, verb):
                    yield f"| `/{template}` | {verb} | " + " | ".join(told[actor] for actor in ACTORS) + " |"

    def told(self, template: str, verb: str) -> dict[str, str]:
        """What each is told; nothing where the address does not know the verb, as those may learn who are
        let in everywhere."""
        first = {actor: self.ask(template, verb, actor) for actor in MASTERS}
        if set(first.values()) <= UNKNOWN:
            return {}
        return first | {actor: self.ask(template, verb, actor) for actor in ACTORS if actor not in first}

    def ask(self, template: str, verb: str, actor: str) -> str:
        address = filled(template, self.world, self.things)
        response = self.clients[actor].generic(verb, address)
        said = outcome(response)
        if response.status_code >= 500 and response.status_code != 503:
            self.broken.append(f"{verb} {address} as {actor}: {response.status_code}")
        response.close()
        if verb != "GET" and said == OPEN:
            self.begin(build_world())
        return said


def outcome(response: HttpResponseBase) -> str:
    """How a request was received: let in (whatever it lacked then), sent to sign in, or refused."""
    if response.status_code in (301, 302) and response.headers["Location"].startswith("/sign-in/"):
        return "sign in"
    return REFUSED.get(response.status_code, OPEN)


def table() -> tuple[str, list[str]]:
    """The table, and what broke."""
    walk = Walk()
    rows = list(walk.rows())
    head = ["address", "verb", *ACTORS]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *rows]
    return "\n".join(lines) + "\n", walk.broken
