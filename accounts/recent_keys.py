"""API keys that were checked a moment ago, so that a program's next request need not ask the database.

Kept by the digest of the whole key, never by its text. Another process learns of a revocation, a closed
account or other scopes when what it remembers is three seconds old; the process that revoked a key, at once.
"""

import hashlib

from accounts.models import ApiKey
from accounts.recent import Recent

KEEP_S = 3.0
_keys: Recent[ApiKey] = Recent(keep_s=KEEP_S)


def remembered_key(secret: str) -> ApiKey | None:
    """The key, if it was good a moment ago and has not expired since. It is shared: read it only."""
    key = _keys.get(digest(secret))
    return None if key is None or key.has_expired else key


def remember_key(secret: str, key: ApiKey) -> None:
    _keys.put(digest(secret), key)


def forget_keys() -> None:
    """Something about a key or its user has changed."""
    _keys.clear()


def digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
