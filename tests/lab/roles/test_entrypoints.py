import pytest

from podwire.kube.kinds import GATEWAY_CLASSES, INGRESSES
from podwire.lab.host.service_options import ServiceOptions
from podwire.lab.roles.entrypoints import listened


@pytest.mark.parametrize(("channel", "expected"), [("", False), ("standard", True), ("experimental", True)])
def test_only_kinds_that_the_api_server_serves_are_listened_to(channel: str, expected: bool) -> None:
    kinds = [kind for kind, _ in listened(ServiceOptions(gateway_api=channel))]
    assert (GATEWAY_CLASSES in kinds) == expected, "an informer of a kind that is not served never gets ready"
    assert INGRESSES in kinds
