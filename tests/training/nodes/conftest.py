"""Index nodes as the tests of tracing have them, and a data directory of each test's own."""

from tests.tracing.nodes.conftest import nodes
from tests.training.registry.conftest import shelf

__all__ = ["nodes", "shelf"]
