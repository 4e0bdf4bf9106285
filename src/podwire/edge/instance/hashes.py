"""Whether a password has a hash, in the forms of `htpasswd` and crypt(3). Pure, but for libcrypt.

Sources: nginx `ngx_http_auth_basic_module` and `ngx_crypt.c`; Apache APR `apr_md5.c` (apr1); crypt(5).
"""

from __future__ import annotations

import base64
import binascii
import ctypes
import functools
import hashlib
import hmac
from typing import Any

_SYMBOLS = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_APR1, _APR1_ROUNDS = "$apr1$", 1000
_APR1_ORDER = ((0, 6, 12), (1, 7, 13), (2, 8, 14), (3, 9, 15), (4, 10, 5))
_CRYPT_DATA = 32768
"""Bytes of struct crypt_data of libxcrypt."""


class UnknownHashError(ValueError):
    """A hash whose form is not known, or that the machine's libcrypt does not have."""


def matches(password: bytes, hashed: str) -> bool:
    """Return whether a password has this hash. Blocks for as long as the hash wants. Raises UnknownHashError."""
    if hashed.startswith("{PLAIN}"):
        return hmac.compare_digest(password, hashed.removeprefix("{PLAIN}").encode())
    if hashed.startswith(("{SHA}", "{SSHA}")):
        return _matches_sha1(password, hashed.partition("}")[2])
    found = apr1(password, hashed.split("$")[2]) if hashed.startswith(_APR1) else _crypt(password, hashed)
    return hmac.compare_digest(found.encode(), hashed.encode())


def apr1(password: bytes, salt: str) -> str:
    """Return the hash that `htpasswd -m` makes."""
    seasoning = salt.encode()
    mixed = hashlib.md5(password + seasoning + password).digest()  # noqa: S324 the form is given
    start = password + _APR1.encode() + seasoning
    start += (mixed * (len(password) // 16 + 1))[: len(password)]
    length = len(password)
    while length:
        start += b"\0" if length & 1 else password[:1]
        length >>= 1
    digest = hashlib.md5(start).digest()  # noqa: S324
    for number in range(_APR1_ROUNDS):
        parts = [password if number & 1 else digest]
        parts += [seasoning] if number % 3 else []
        parts += [password] if number % 7 else []
        parts.append(digest if number & 1 else password)
        digest = hashlib.md5(b"".join(parts)).digest()  # noqa: S324
    text = "".join(_encoded(digest[a] << 16 | digest[b] << 8 | digest[c], 4) for a, b, c in _APR1_ORDER)
    return f"{_APR1}{salt}${text}{_encoded(digest[11], 2)}"


def _encoded(number: int, symbols: int) -> str:
    return "".join(_SYMBOLS[number >> 6 * place & 0x3F] for place in range(symbols))


def _matches_sha1(password: bytes, encoded: str) -> bool:
    try:
        known = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return False
    digest, salt = known[:20], known[20:]
    return hmac.compare_digest(hashlib.sha1(password + salt).digest(), digest)  # noqa: S324


@functools.cache
def _library() -> Any:
    try:
        found = ctypes.CDLL("libcrypt.so.1")
    except OSError:
        raise UnknownHashError("this machine has no libcrypt.so.1: install libcrypt1") from None
    found.crypt_r.restype = ctypes.c_char_p
    found.crypt_r.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p)
    return found


def _crypt(password: bytes, hashed: str) -> str:
    """Return the hash by libcrypt, whose function has no state of its own and releases the interpreter's lock."""
    if b"\0" in password:
        return ""
    found = _library().crypt_r(password, hashed.encode(), ctypes.create_string_buffer(_CRYPT_DATA))
    if found is None or found.startswith(b"*"):
        raise UnknownHashError("the form of the hash is not known to libcrypt")
    return str(found.decode())
