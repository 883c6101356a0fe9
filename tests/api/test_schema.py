"""The OpenAPI schema says what /api/ does: valid, without a warning; and no request breaks anything."""

from io import StringIO

import pytest
import schemathesis
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.test import Client
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from accounts.models import Scope
from accounts.services import create_key
from tests.world import World

CHECKS = [
    schemathesis.checks.not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]
schema = schemathesis.openapi.from_wsgi("/api/schema/?format=json", get_wsgi_application())


def test_the_schema_is_valid_and_nothing_in_it_is_guessed() -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=StringIO(), stderr=StringIO())


def test_anyone_may_read_the_schema_and_its_page(client: Client) -> None:
    assert client.get("/api/schema/").status_code == 200
    page = client.get("/api/docs/").content.decode()
    assert "swagger-ui-bundle.js" in page
    assert "<style" not in page
    assert "<script>" not in page


@pytest.mark.django_db(transaction=True)
@schema.parametrize()
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_nothing_that_is_sent_breaks_anything(case: schemathesis.Case, world: World) -> None:
    """Fuzzed against the schema: no 5xx, and answers are of the form that it promises."""
    secret = create_key(user=world.grace, name="fuzz", scopes=tuple(Scope))[1]
    case.call_and_validate(headers={"Authorization": f"Bearer {secret}"}, checks=CHECKS)
