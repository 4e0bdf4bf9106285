import stat
import time
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from podwire.pki import certificates


def test_a_server_certificate_names_all_ways_to_it() -> None:
    pair = certificates.Authority.create().server(("kubernetes", "extra"), ("127.0.0.1", "fd00:172:18::1"))
    names = x509.load_pem_x509_certificate(pair.certificate).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.DNSName) == ["kubernetes", "extra"]
    assert names.value.get_values_for_type(x509.IPAddress) == [ip_address("127.0.0.1"), ip_address("fd00:172:18::1")]


def test_a_client_certificate_carries_user_and_groups_and_serves_nothing_else() -> None:
    authority = certificates.Authority.create()
    certificate = x509.load_pem_x509_certificate(authority.client("system:node:n1", ["system:nodes"]).certificate)
    assert certificate.subject.rfc4514_string() == "CN=system:node:n1,O=system:nodes"
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.pair.certificate))


def test_an_authority_goes_on_after_a_restart() -> None:
    first = certificates.Authority.create()
    again = certificates.Authority.load(first.pair)
    certificate = x509.load_pem_x509_certificate(again.client("u").certificate)
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(first.pair.certificate))


def test_files_are_the_owner_s_alone(tmp_path: Path) -> None:
    pair = certificates.Authority.create().pair
    (tmp_path / "ca.key").touch(mode=0o644)
    certificates.write(tmp_path, "ca", pair)
    assert (tmp_path / "ca.crt").read_bytes() == pair.certificate
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ca.crt", "ca.key"]


def test_a_world_s_certificates_are_made_in_no_time() -> None:
    certificates.Authority.create()
    started = time.process_time()
    authority = certificates.Authority.create()
    authority.server()
    for count in range(6):
        authority.client(f"role-{count}")
    assert time.process_time() - started < 0.25  # about 3 ms; the margin is for slow machines
