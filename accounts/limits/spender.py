"""Who uses something up: a person, one of their keys, or a visitor without an account."""

import ipaddress
from dataclasses import dataclass
from typing import Self

from django.http import HttpRequest

from accounts.authentication import Caller

IPV6_NETWORK_BITS = 64
"""One connection gets so many addresses; a limit on each of them would be none."""


@dataclass(frozen=True)
class Spender:
    """By ids, so that it can be made from a row and kept. Without `user_id` it is a visitor's browser, known
    by its `address`, or by its `session_key` where the address is not at hand."""

    user_id: int | None = None
    key_prefix: str = ""
    session_key: str = ""
    address: str = ""

    @classmethod
    def of_request(cls, request: HttpRequest) -> Self:
        """Whoever uses the page. Reads the session: call it where the database may be used."""
        if request.user.is_authenticated:
            return cls(user_id=request.user.pk)
        return cls(session_key=request.session.session_key or "", address=address_of(request))

    @classmethod
    def of_caller(cls, caller: Caller, address: str = "") -> Self:
        """Whoever calls the API, by a key or signed in."""
        return cls(
            user_id=caller.user.pk, key_prefix=caller.key.prefix if caller.key else "", address=address
        )

    @property
    def name(self) -> str:
        """Under which what it holds is kept."""
        if self.key_prefix:
            return f"key:{self.key_prefix}"
        return f"user:{self.user_id}" if self.user_id is not None else f"visitor:{self.address}"


def address_of(request: HttpRequest) -> str:
    """The connection's own address, an IPv6 one cut to its network: headers can say anything."""
    text = request.META.get("REMOTE_ADDR", "") or "unknown"
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return text[:45]
    if address.version == 4:
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, IPV6_NETWORK_BITS), strict=False).network_address)
