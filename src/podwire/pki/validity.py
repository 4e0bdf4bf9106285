"""The end of a certificate's validity, without the library that makes certificates: programs on a cluster lack it.

Source: RFC 5280 4.1, X.690 (DER).
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_VERSION, _UTC_TIME, _GENERALIZED_TIME = 0xA0, 0x17, 0x18
_FORMATS = {_UTC_TIME: "%y%m%d%H%M%SZ", _GENERALIZED_TIME: "%Y%m%d%H%M%SZ"}


def valid_until(pem: str) -> float:
    """Return notAfter of the first certificate in a file's text, in seconds since 1970. Raises ValueError."""
    begin, end = pem.find(_BEGIN), pem.find(_END)
    if begin < 0 or end < begin:
        raise ValueError("there is no certificate in it")
    certificate = ssl.PEM_cert_to_DER_cert(pem[begin : end + len(_END)])
    try:
        (_, outer), *_ = _values(certificate)
        (_, signed), *_ = _values(outer)
        fields = [field for field in _values(signed) if field[0] != _VERSION]
        _, (tag, text) = _values(fields[3][1])  # serial number, algorithm, issuer, validity
        moment = datetime.strptime(text.decode("ascii"), _FORMATS[tag])
    except (IndexError, KeyError, ValueError) as error:
        raise ValueError(f"its form is not that of a certificate: {error!r}") from None
    return moment.replace(tzinfo=UTC).timestamp()


def _values(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each value that follows another. Raises IndexError where one is cut off."""
    place = 0
    while place < len(der):
        tag, length = der[place], der[place + 1]
        place += 2
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(der[place : place + size], "big")
            place += size
        if place + length > len(der):
            raise IndexError("a value is cut off")
        yield tag, der[place : place + length]
        place += length
