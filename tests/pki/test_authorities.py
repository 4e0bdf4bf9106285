"""Chains as OpenSSL judges them; the same library that Envoy's BoringSSL comes from."""

import contextlib
import ssl
import tempfile
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from podwire.pki import authorities
from podwire.pki.certificates import KeyPair

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HOST = "cluster.local"
FRONT = "spiffe://cluster.local/ns/shop/sa/front"
ROOT = authorities.create_root(HOST, NOW, 10 * DAY)
SIGNER = authorities.create_intermediate(ROOT, HOST, NOW, DAY)


def leaf(
    uri: str = FRONT,
    signer: KeyPair = SIGNER,
    times: tuple[datetime, datetime] = (NOW - HOUR, NOW + HOUR),
    names: tuple[str, ...] = ("peer",),
) -> KeyPair:
    key, request = authorities.request(uri)
    chain = authorities.sign(signer, authorities.requested_key(request), uri, times, names)
    return KeyPair(chain + signer.certificate, key)


def handshake(one: KeyPair, root: bytes, revocations: bytes = b"") -> None:
    """Both ends use one pair and trust one root, in memory. Raises ssl.SSLError."""
    contexts = []
    for side in (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER):
        context = ssl.SSLContext(side)
        context.load_verify_locations(cadata=root.decode())
        context.verify_mode = ssl.CERT_REQUIRED
        contexts.append(context)
    client, server = contexts
    _load(server, one)
    _load(client, one)
    if revocations:
        _load_list(client, root, revocations)
    ends = [(ssl.MemoryBIO(), ssl.MemoryBIO()), (ssl.MemoryBIO(), ssl.MemoryBIO())]
    sides: list[ssl.SSLObject] = [
        client.wrap_bio(*ends[0], server_hostname="peer"),
        server.wrap_bio(*ends[1], server_side=True),
    ]
    for _ in range(6):
        for one_side, (_, out), (other, _) in ((sides[0], ends[0], ends[1]), (sides[1], ends[1], ends[0])):
            with contextlib.suppress(ssl.SSLWantReadError):
                one_side.do_handshake()
            other.write(out.read())
    assert sides[0].version() == "TLSv1.3"


def _load(context: ssl.SSLContext, one: KeyPair) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(one.certificate + one.key)
        file.flush()
        context.load_cert_chain(file.name)


def _load_list(context: ssl.SSLContext, root: bytes, revocations: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(root + revocations)
        file.flush()
        context.load_verify_locations(file.name)
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF


def test_a_leaf_is_verified_by_the_root() -> None:
    handshake(leaf(), ROOT.certificate)


@pytest.mark.parametrize(
    ("times", "reason"),
    [((NOW - 2 * HOUR, NOW - HOUR), "expired"), ((NOW + HOUR, NOW + 2 * HOUR), "not yet valid")],
)
def test_a_leaf_of_another_time_is_refused(times: tuple[datetime, datetime], reason: str) -> None:
    with pytest.raises(ssl.SSLError, match=reason):
        handshake(leaf(times=times), ROOT.certificate)


def test_a_leaf_of_another_root_is_refused() -> None:
    with pytest.raises(ssl.SSLError, match="unable to get"):
        handshake(leaf(), authorities.create_root(HOST, NOW, DAY).certificate)


def test_an_authority_cannot_vouch_for_another_trust_domain() -> None:
    with pytest.raises(ssl.SSLError, match="permitted subtree violation"):
        handshake(leaf("spiffe://other.example/ns/shop/sa/front"), ROOT.certificate)
    with pytest.raises(ssl.SSLError, match="permitted subtree violation"):
        handshake(leaf("spiffe://evil.cluster.local/ns/shop/sa/front"), ROOT.certificate)


def test_a_leaf_cannot_sign() -> None:
    with pytest.raises(ssl.SSLError, match=r"invalid CA certificate|unable to get"):
        handshake(leaf(signer=leaf()), ROOT.certificate)


def test_a_revoked_leaf_is_refused_and_others_are_not() -> None:
    revoked, other = leaf(), leaf()
    serial = authorities.described(revoked.certificate).serial
    found = authorities.revocation_list(SIGNER, {serial: NOW}, NOW)

    handshake(other, ROOT.certificate, found)
    with pytest.raises(ssl.SSLError, match="certificate revoked"):
        handshake(revoked, ROOT.certificate, found)


def test_without_a_list_of_its_signer_a_leaf_is_refused() -> None:
    """Why there is a list of every signer as soon as there is one."""
    second = authorities.create_intermediate(ROOT, HOST, NOW, DAY)
    found = authorities.revocation_list(second, {1: NOW}, NOW)

    with pytest.raises(ssl.SSLError, match="unable to get certificate CRL"):
        handshake(leaf(), ROOT.certificate, found)


def test_a_leaf_is_an_x509_svid() -> None:
    found = x509.load_pem_x509_certificate(leaf(names=()).certificate)
    names = found.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    usage = found.extensions.get_extension_for_class(x509.KeyUsage)
    extended = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value

    assert [one.value for one in names.value] == [FRONT]  # type: ignore[attr-defined]
    assert names.critical, "the subject is empty"
    assert (usage.critical, usage.value.digital_signature) == (True, True)
    assert (usage.value.key_cert_sign, usage.value.crl_sign) == (False, False)
    assert set(extended) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False


def test_nothing_outlives_its_signer() -> None:
    short = authorities.create_intermediate(ROOT, HOST, NOW, 100 * DAY)
    assert authorities.described(short.certificate).not_after == NOW + 10 * DAY
    assert authorities.described(leaf(times=(NOW, NOW + 100 * DAY)).certificate).not_after == NOW + DAY


def test_only_the_key_of_a_request_is_used() -> None:
    _, request = authorities.request("spiffe://cluster.local/ns/shop/sa/admin")
    signed = authorities.sign(SIGNER, authorities.requested_key(request), FRONT, (NOW, NOW + HOUR))
    names = x509.load_pem_x509_certificate(signed).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.UniformResourceIdentifier) == [FRONT]


def test_a_request_that_is_not_signed_by_its_key_is_refused() -> None:
    from cryptography.hazmat.primitives.serialization import Encoding

    _, request = authorities.request(FRONT)
    der = x509.load_pem_x509_csr(request).public_bytes(Encoding.DER)
    changed = x509.load_der_x509_csr(der.replace(b"sa/front", b"sa/admin"))
    with pytest.raises(ValueError, match="not signed by its own key"):
        authorities.requested_key(changed.public_bytes(Encoding.PEM))
    with pytest.raises(ValueError, match=r"CSR|PEM|request"):
        authorities.requested_key(b"nothing")


def test_a_root_that_is_not_valid_or_not_with_its_key_signs_no_intermediate() -> None:
    with pytest.raises(ValueError, match="not valid now"):
        authorities.create_intermediate(ROOT, HOST, NOW + 11 * DAY, DAY)
    with pytest.raises(ValueError, match="not that of the root"):
        authorities.create_intermediate(KeyPair(ROOT.certificate, SIGNER.key), HOST, NOW, DAY)


def test_who_signed_is_checked_by_the_signature() -> None:
    assert authorities.is_signed_by(SIGNER.certificate, ROOT.certificate)
    assert not authorities.is_signed_by(SIGNER.certificate, authorities.create_root(HOST, NOW, DAY).certificate)
