"""`tls.options` of a listener: TLS versions and cipher suites. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

DOMAIN = "gateway.podwire.io"
MINIMUM, MAXIMUM, CIPHERS = f"{DOMAIN}/minimum-tls-version", f"{DOMAIN}/maximum-tls-version", f"{DOMAIN}/cipher-suites"
VERSIONS = ("1.0", "1.1", "1.2", "1.3")
SUITES = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-SHA",
    "ECDHE-RSA-CHACHA20-POLY1305",
)
"""For TLS up to 1.2, with forward secrecy; those of TLS 1.3 cannot be chosen. For names that it does not know Envoy
refuses a whole port, with the listeners of others.
"""


class TlsOptions(msgspec.Struct, frozen=True):
    """Empty: as the proxy has it."""

    minimum: str = ""
    maximum: str = ""
    cipher_suites: tuple[str, ...] = ()


def parse(options: Mapping[str, str]) -> TlsOptions | str:
    """Return the options, or what is wrong with them. Options of other domains are other controllers'."""
    known = {MINIMUM, MAXIMUM, CIPHERS}
    for name in options:
        if name.startswith(f"{DOMAIN}/") and name not in known:
            return f"tls.options: {name} is not known: use {', '.join(sorted(known))}"
    minimum, maximum = options.get(MINIMUM, ""), options.get(MAXIMUM, "")
    for name, value in ((MINIMUM, minimum), (MAXIMUM, maximum)):
        if value and value not in VERSIONS:
            return f"tls.options[{name}]: {value} is no TLS version: use one of {', '.join(VERSIONS)}"
    if minimum and maximum and minimum > maximum:
        return f"tls.options[{MINIMUM}] {minimum} is higher than [{MAXIMUM}] {maximum}: change one of them"
    suites = tuple(one.strip() for one in options.get(CIPHERS, "").split(",") if one.strip())
    for suite in suites:
        if suite not in SUITES:
            return f"tls.options[{CIPHERS}]: {suite} is not supported: use some of {', '.join(SUITES)}"
    return TlsOptions(minimum, maximum, suites)
