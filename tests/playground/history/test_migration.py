"""Threads that were lists before they could branch lose no message."""

import uuid

import pytest
from django.apps.registry import Apps
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

LISTS, TREES = "0005_written_fields", "0008_one_answer_at_a_time"


def migrated_to(name: str) -> Apps:
    executor = MigrationExecutor(connection)
    executor.migrate([("playground", name)])
    return MigrationExecutor(connection).loader.project_state(("playground", name)).apps


@pytest.mark.django_db(transaction=True)
def test_each_message_of_a_list_gets_the_one_before_it_as_its_parent() -> None:
    latest = MigrationExecutor(connection).loader.graph.leaf_nodes("playground")[0][1]
    try:
        apps = migrated_to(LISTS)
        thread = apps.get_model("playground", "Thread").objects.create(title="Old")
        messages = apps.get_model("playground", "Message").objects
        for position in (0, 1, 4, 5):
            role = "user" if position % 2 == 0 else "assistant"
            messages.create(
                id=uuid.UUID(int=position), thread=thread, position=position, role=role, state="writing"
            )
        found = migrated_to(TREES).get_model("playground", "Message").objects.order_by("position")
        parents = [(row.pk.int, row.parent_id.int if row.parent_id else None) for row in found]
        assert parents == [(0, None), (1, 0), (4, 1), (5, 4)]
        assert [row.state for row in found] == ["interrupted", "interrupted", "interrupted", "writing"]
    finally:
        migrated_to(latest)
