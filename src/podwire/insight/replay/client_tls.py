"""TLS towards the servers of a replay, with the certificate of a client where one is given."""

from __future__ import annotations

import ssl


class ClientCertificateError(Exception):
    """A certificate or key that cannot be used. The text names the file and what is expected."""


def context(certificate: str = "", key: str = "") -> ssl.SSLContext:
    """Return a context that does not verify servers: an edge under test has its own certificates.

    `certificate` is a PEM file with a client's certificate and the chain after it; its key is in `key`, or in the same
    file where `key` is empty. A server that requests no certificate does not get it. Raises ClientCertificateError.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    if not certificate:
        return made
    for file in filter(None, (certificate, key)):
        _read(file)
    try:
        made.load_cert_chain(certificate, key or None, password=_no_password)
    except ssl.SSLError as error:
        raise ClientCertificateError(_fault(certificate, key, error)) from None
    return made


def _read(file: str) -> None:
    """Raise ClientCertificateError where a file cannot be read: the error of TLS does not name it."""
    try:
        with open(file, "rb") as opened:
            opened.read(1)
    except OSError as error:
        raise ClientCertificateError(f"{file}: {error.strerror}") from None


def _no_password() -> str:
    """Return what no key is encrypted with, in place of a prompt."""
    return ""


def _fault(certificate: str, key: str, error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"{key or certificate}: the key is not of the certificate in {certificate}"
    where = f"{certificate} and {key}" if key else certificate
    expected = "a certificate and its private key in PEM, without a password, are expected"
    return f"{where}: {expected}" + ("" if key else "; a key in another file needs --key")
