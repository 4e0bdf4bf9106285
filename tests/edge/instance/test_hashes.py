"""Passwords and their hashes, as htpasswd and openssl make them."""

from __future__ import annotations

import pytest

from podwire.edge.instance.hashes import UnknownHashError, apr1, matches

PASSWORD = b"open sesame"
HASHES = (
    "{PLAIN}open sesame",
    "{SHA}W8r/fyL/UzygmbNAjq2HbA67qac=",
    "{SSHA}hN5uxFJUEWCPg56kk42tnVCdJ61zYWx0",
    "$apr1$r31.....$F82NbYp0z5OJAIBItkz3D1",
    "$1$abc$n6H250boi0sp0yw9RWhqY0",
    "$5$saltsalt$yrhPKxCqiWcCE9h0g86j6Ugz7SDFdFm.BjU.d8RaQnC",
    "$6$saltsalt$e/5XKibXPLqVcfjpD.ouauaJrAOL5V0uo80Lt7n7EbRdRiCx3HbQ90yjOHr.G0T.mx79PEMRy8nmtr0qSYhQp1",
    "$2y$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy",
    "$2b$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy",
    "$5$rounds=1000$abc$YfUpbOb1DthsfsHxCQrfwTuwysfDsVaL9/g52LvETD8",
)


@pytest.mark.parametrize("hashed", HASHES)
def test_a_password_has_its_hash_and_others_have_not(hashed: str) -> None:
    assert matches(PASSWORD, hashed)
    for other in (b"", b"open sesame ", b"Open sesame", PASSWORD + b"\0", b"x" * 300):
        assert not matches(other, hashed)


def test_apr1_of_long_and_empty_passwords() -> None:
    assert apr1(b"", "abcdefgh") == "$apr1$abcdefgh$L.PT565ESX4Tp2bqNs7Ie."
    assert apr1(b"0123456789" * 4, "zz") == "$apr1$zz$lP7qQSAwtAYNjbPi.Q6981"


@pytest.mark.parametrize("hashed", ["", "$9$x$y", "$2y$99$aa", "{MD5}abc"])
def test_what_is_no_hash_is_refused(hashed: str) -> None:
    with pytest.raises(UnknownHashError):
        matches(PASSWORD, hashed)
