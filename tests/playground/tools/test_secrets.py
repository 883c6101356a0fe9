"""The secret of an MCP server: sent to that server, and shown to nobody."""

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.models import AuditEntry, User
from accounts.sealing import UnsealError, seal, unseal
from playground.core.tools.servers import ToolServerError, call_function, list_functions
from playground.models import ToolServer
from tests.playground.tools.conftest import SECRET

HEADER = f"Bearer {SECRET}"
ADD = "/admin/playground/toolserver/add/"


@pytest.fixture
def office(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("keeper-of-secrets", password="a long password"))
    return client


def form(address: str, **fields: str) -> dict[str, str]:
    return {"name": "guarded", "address": address, "enabled": "on", **fields}


def test_what_is_sealed_is_read_with_the_same_key_only(settings: Settings) -> None:
    sealed = seal(HEADER)
    assert SECRET not in sealed
    assert unseal(sealed) == HEADER
    settings.SECRET_KEY = "another key, as long as it has to be"
    with pytest.raises(UnsealError, match="enter it again"):
        unseal(sealed)


async def test_a_server_is_called_with_its_secret(guarded_address: str) -> None:
    with pytest.raises(ToolServerError):
        await list_functions(guarded_address, "guarded")
    with pytest.raises(ToolServerError) as refused:
        await list_functions(guarded_address, "guarded", authorization="Bearer something-else")
    assert "something-else" not in str(refused.value)
    assert len(await list_functions(guarded_address, "guarded", authorization=HEADER)) == 3
    outcome = await call_function(guarded_address, "level", {"river": "Aare"}, authorization=HEADER)
    assert outcome.text.startswith("The Aare stands")


def test_a_secret_goes_in_and_never_comes_out(office: Client, guarded_address: str) -> None:
    assert office.post(ADD, form(guarded_address, secret=HEADER)).status_code == 302
    server = ToolServer.objects.get(name="guarded")
    assert (server.authorization, server.error, len(server.functions)) == (HEADER, "", 3)
    assert SECRET not in server.sealed_authorization
    address = f"/admin/playground/toolserver/{server.pk}/change/"
    for page in (address, "/admin/playground/toolserver/", f"{address[:-7]}history/"):
        assert SECRET not in office.get(page).content.decode()
    assert SECRET not in str(list(AuditEntry.objects.values()))
    assert office.post(address, form(guarded_address, trusted="on")).status_code == 302
    server.refresh_from_db()
    assert (server.trusted, server.authorization) == (True, HEADER)
    assert office.post(address, form(guarded_address, forget_secret="on")).status_code == 302
    server.refresh_from_db()
    assert server.sealed_authorization == ""
    assert server.error


def test_a_secret_does_not_follow_an_address_to_another_server(office: Client) -> None:
    server = ToolServer.objects.create(
        name="guarded", address="http://127.0.0.1:9/mcp", sealed_authorization=seal(HEADER)
    )
    address = f"/admin/playground/toolserver/{server.pk}/change/"
    for moved in ("http://127.0.0.1:10/mcp", "https://127.0.0.1:9/mcp", "http://example.org/mcp"):
        page = office.post(address, form(moved))
        assert page.status_code == 200
        assert "enter the secret for it" in page.content.decode()
    server.refresh_from_db()
    assert server.address == "http://127.0.0.1:9/mcp"
    assert office.post(address, form("http://127.0.0.1:10/mcp", secret="Bearer other")).status_code == 302
    server.refresh_from_db()
    assert server.authorization == "Bearer other"


@pytest.mark.parametrize("secret", ["two\nlines", "tab\tbed", "ünïcode", "x" * 4001, "\0"])
def test_a_secret_that_is_no_header_is_refused(office: Client, secret: str) -> None:
    page = office.post(ADD, form("http://127.0.0.1:9/mcp", secret=secret))
    assert page.status_code == 200
    assert not ToolServer.objects.exists()
