"""Programs come in past what only browsers need; everybody else takes the ordinary way."""

import httpx

from playground.gateway.door import is_from_program

ORDINARY = "x-frame-options"
"""A header that the middleware sets."""


async def test_a_request_with_a_key_passes_by_the_middleware(api: httpx.AsyncClient) -> None:
    response = await api.get("/models")
    assert (response.status_code, response.json()["object"]) == (200, "list")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["x-request-id"].startswith("req_")
    assert ORDINARY not in response.headers
    assert "set-cookie" not in response.headers


async def test_a_request_without_one_takes_the_ordinary_way(web_server: str, transactional_db: None) -> None:
    async with httpx.AsyncClient(base_url=web_server) as client:
        response = await client.get("/v1/models")
    assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")
    assert ORDINARY in response.headers


async def test_errors_have_the_same_form_on_both_ways(api: httpx.AsyncClient) -> None:
    unknown = await api.get("/nothing/there")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "unknown_url")
    wrong = await api.delete("/models")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "method_not_allowed")
    large = await api.post("/chat/completions", content=b"x" * (3 * 2**20))
    assert large.status_code == 413
    bad = await api.get("/models", headers={"Authorization": "Bearer wrong"})
    assert bad.status_code == 401


def test_only_addresses_of_v1_with_a_key_are_for_programs() -> None:
    key = [(b"host", b"x"), (b"authorization", b"Bearer a")]
    assert is_from_program({"path": "/v1/models", "headers": key})
    assert is_from_program({"path": "/below/v1/models", "root_path": "/below", "headers": key})
    assert not is_from_program({"path": "/v1/models", "headers": []})
    assert not is_from_program({"path": "/chat/", "headers": key})
    assert not is_from_program({"path": "/v10/models", "headers": key})
