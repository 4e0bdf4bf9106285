"""The settings of a cluster's agents, from the arguments of their DaemonSet."""

import msgspec
import pytest

from podwire.insight.service.agent_settings import AgentSettings, of_agents, read
from podwire.install.manifests import agent_daemon_set
from podwire.kube.apps import DaemonSet
from podwire.kube.kinds import DAEMON_SETS
from tests.install.cluster import SETTINGS
from tests.kube.fake_api import FakeApi


def agents(*arguments: str, name: str = "agent") -> DaemonSet:
    body = {"spec": {"template": {"spec": {"containers": [{"name": name, "args": ["agent", *arguments]}]}}}}
    return msgspec.convert(body, DaemonSet)


def test_what_is_not_given_has_its_default() -> None:
    assert of_agents(agents()) == of_agents(DaemonSet()) == AgentSettings(("primary",), False, ())
    assert of_agents(agents("--allow-external-ips", name="other")) == AgentSettings()


@pytest.mark.parametrize("form", ["{} {}", "{}={}"])
def test_both_forms_of_flags_are_read(form: str) -> None:
    words = (
        form.format("--nodeport-addresses", "primary,198.51.100.0/24").split()
        + form.format("--announce-cidrs", "192.0.2.0/24,2001:db8::/64").split()
        + ["--allow-external-ips"]
    )
    wanted = AgentSettings(("primary", "198.51.100.0/24"), True, ("192.0.2.0/24", "2001:db8::/64"))
    assert of_agents(agents(*words, "--verbose")) == wanted


def test_every_address() -> None:
    assert of_agents(agents("--nodeport-addresses", "all")).nodeport_addresses == ("0.0.0.0/0", "::/0")


def test_what_no_agent_would_take_is_not_believed() -> None:
    assert of_agents(agents("--nodeport-addresses", "everywhere")) == AgentSettings()


async def test_the_daemon_set_of_podwire_install_is_read() -> None:
    api = FakeApi()
    assert await read(api) == AgentSettings()
    settings = msgspec.structs.replace(SETTINGS, agent_flags=("--announce-cidrs", "192.0.2.0/24"))
    manifest = agent_daemon_set.daemon_set(settings)
    api.put(DAEMON_SETS, manifest.key.name, manifest.key.namespace, spec=manifest.body["spec"])
    assert (await read(api)).announced == ("192.0.2.0/24",)
