"""The end of a certificate, against the library that made it."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from podwire.pki.validity import valid_until

KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(end: datetime) -> str:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a" * 60)])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(KEY.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(end - timedelta(days=1))
    made = builder.not_valid_after(end).sign(KEY, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


@pytest.mark.parametrize("year", [2031, 2049, 2050, 2071])
def test_both_forms_of_a_time_are_read_and_the_first_certificate_counts(year: int) -> None:
    end = datetime(year, 2, 3, 4, 5, 6, tzinfo=UTC)
    other = certificate(datetime(2030, 1, 1, tzinfo=UTC))
    assert valid_until(certificate(end)) == end.timestamp()
    assert valid_until(f"a comment\n{certificate(end)}{other}") == end.timestamp()


def test_what_is_no_certificate_is_refused() -> None:
    text = certificate(datetime(2031, 1, 1, tzinfo=UTC))
    with pytest.raises(ValueError, match="no certificate"):
        valid_until("words")
    begin, middle, *_, end = text.splitlines()
    with pytest.raises(ValueError, match="form"):
        valid_until("\n".join((begin, middle, end)))
