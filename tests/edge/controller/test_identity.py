"""Certificates of Envoys: made, kept, and replaced in time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509

from podwire.edge.controller import fleet, identity
from podwire.edge.controller.identity import CLIENT_LIFETIME, Identity, data_of, provide_client
from podwire.kube.kinds import SECRETS
from podwire.pki.certificates import Authority
from tests.edge.controller.fake_gateway_api import CLASS, GatewayApi

SECOND = timedelta(seconds=1)


async def files(api: GatewayApi) -> dict[str, bytes]:
    return data_of(await api.get(SECRETS, fleet.name_of(CLASS)))


async def test_a_certificate_is_replaced_at_half_of_its_life_and_not_before() -> None:
    api, now = GatewayApi(), datetime.now(UTC)
    established = await identity.establish(api, "xds")
    assert await provide_client(api, established, CLASS, now) == CLIENT_LIFETIME / 2
    first = await files(api)
    left = await provide_client(api, established, CLASS, now + CLIENT_LIFETIME / 2 - 5 * SECOND)
    assert timedelta() < left <= 5 * SECOND
    assert await files(api) == first
    await provide_client(api, established, CLASS, now + CLIENT_LIFETIME / 2 + SECOND)
    second = await files(api)
    assert second["tls.crt"] != first["tls.crt"]
    assert second["ca.crt"] == first["ca.crt"]
    found = x509.load_pem_x509_certificate(second["tls.crt"])
    assert found.not_valid_after_utc - now <= CLIENT_LIFETIME + timedelta(minutes=1)


async def test_a_certificate_of_another_authority_or_that_is_none_is_replaced() -> None:
    api, now = GatewayApi(), datetime.now(UTC)
    established = await identity.establish(api, "xds")
    other = Authority.create("other")
    await provide_client(api, Identity(other, other.server()), CLASS, now)
    before = await files(api)
    await provide_client(api, established, CLASS, now)
    after = await files(api)
    assert before["ca.crt"] != after["ca.crt"]
    broken = fleet.secret(CLASS, {**after, "tls.crt": b"no certificate"})
    api.put(SECRETS, fleet.name_of(CLASS).name, fleet.name_of(CLASS).namespace, data=broken["data"])
    await provide_client(api, established, CLASS, now)
    assert (await files(api))["tls.crt"].startswith(b"-----BEGIN CERTIFICATE-----")
