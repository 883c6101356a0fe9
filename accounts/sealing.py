"""Secrets that Headwater needs itself, such as those of servers that it calls: kept sealed in the database.

They are sealed with a key that is made from SECRET_KEY: whoever has the database alone cannot read them.
"""

import base64

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


class UnsealError(Exception):
    """What was sealed cannot be read: SECRET_KEY is another one by now, or somebody changed it."""


def seal(secret: str) -> str:
    """The secret as it may be kept."""
    return cipher().encrypt(secret.encode()).decode()


def unseal(sealed: str) -> str:
    """The secret again. Raises UnsealError."""
    try:
        return cipher().decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise UnsealError(
            "The secret that is kept cannot be read with this SECRET_KEY: enter it again."
        ) from error


def cipher() -> Fernet:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"headwater sealed secrets")
    return Fernet(base64.urlsafe_b64encode(derived.derive(settings.SECRET_KEY.encode())))
