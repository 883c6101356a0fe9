"""A person with a browser, and a tree of messages."""

import pytest
from django.test import Client

from accounts.models import User
from tests.playground.branching.conftest import Tree, checkpoint, reader, tree

__all__ = ["Tree", "checkpoint", "reader", "tree"]


@pytest.fixture
def browser(reader: User) -> Client:
    client = Client()
    client.force_login(reader)
    return client


@pytest.fixture
def stranger(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_user("history-stranger"))
    return client
