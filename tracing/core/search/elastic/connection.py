"""Talking to an Elasticsearch server, version 8 or 9, with the official client 9."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from elastic_transport import ConnectionTimeout, Transport, TransportApiResponse, TransportError
from elasticsearch import ApiError, Elasticsearch
from elasticsearch.helpers import BulkIndexError

from tracing.core.errors import SearchUnavailable

SEARCH_TIMEOUT_S: Final = 10.0
DEFAULT_PORTS: Final = {"http": 9200, "https": 443}

_COMPATIBLE: Final = re.compile(r"compatible-with=\d+")


@dataclass(frozen=True)
class Connection:
    """Where Elasticsearch is, and the credentials: in the address (http://name:password@host:port) or a key.

    `index` is the name that Headwater's indexes and alias begin with; `ca_file` verifies a server whose
    certificate no public authority signed.
    """

    url: str
    api_key: str = field(default="", repr=False)
    ca_file: str = ""
    index: str = "headwater"

    @property
    def shown(self) -> str:
        """The address without its password."""
        try:
            address = urlsplit(self.url)
            port = f":{address.port}" if address.port else ""
        except ValueError:
            return "an address that cannot be read"
        return f"{address.scheme}://{address.hostname}{port}"


class CompatibleTransport(Transport):
    """Asks for version 8 of the API, in which servers 8 and 9 both answer.

    The client asks for 9, which a server 8 refuses (media_type_header_exception); its own headers for a
    call cannot be overridden by options.
    """

    def perform_request(  # type: ignore[override]
        self, method: str, target: str, *, headers: Mapping[str, Any], **options: Any
    ) -> TransportApiResponse:
        asked = {name: _COMPATIBLE.sub("compatible-with=8", str(value)) for name, value in headers.items()}
        return super().perform_request(method, target, headers=asked, **options)


def connect(connection: Connection) -> Elasticsearch:
    """A client; nothing is sent yet. Raises SearchUnavailable for an address that cannot be one."""
    try:
        address = urlsplit(connection.url)
        port = address.port or DEFAULT_PORTS[address.scheme]
        if not address.hostname:
            raise ValueError("it names no host")
    except (ValueError, KeyError) as error:
        raise SearchUnavailable(
            "ELASTICSEARCH_URL cannot be used: write it as http://host:9200 or https://name:password@host."
        ) from error
    options: dict[str, Any] = {"api_key": connection.api_key} if connection.api_key else {}
    if address.username and not connection.api_key:
        options["basic_auth"] = (unquote(address.username), unquote(address.password or ""))
    if connection.ca_file:
        options["ca_certs"] = connection.ca_file
    host = f"[{address.hostname}]" if ":" in address.hostname else address.hostname
    return Elasticsearch(
        f"{address.scheme}://{host}:{port}{address.path}",
        transport_class=CompatibleTransport,
        request_timeout=SEARCH_TIMEOUT_S,
        max_retries=1,
        **options,
    )


@contextmanager
def explained(connection: Connection) -> Iterator[None]:
    """The client's errors as ours: one line, without passwords."""
    where = f"Elasticsearch at {connection.shown}"
    try:
        yield
    except ConnectionTimeout as error:
        raise SearchUnavailable(f"{where} does not answer in time: try again, or see how it is.") from error
    except TransportError as error:
        raise SearchUnavailable(
            f"{where} does not answer ({type(error).__name__}): start it, or unset ELASTICSEARCH_URL to use "
            "the index in HEADWATER_HOME."
        ) from error
    except ApiError as error:
        raise SearchUnavailable(f"{where} refuses ({_told(error)}).") from error
    except BulkIndexError as error:
        raise SearchUnavailable(f"{where} refuses documents ({str(error.errors[:1])[:300]}).") from error


def _told(error: ApiError) -> str:
    if error.status_code in (401, 403):
        return (
            f"{error.status_code}: check the name and password in ELASTICSEARCH_URL, or ELASTICSEARCH_API_KEY"
        )
    return f"{error.status_code} {str(error.message)[:200]}"
