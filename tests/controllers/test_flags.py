from pathlib import Path
from typing import Any

import click
import pytest

from podwire.component.permissions import CONTROLLER, NAMED_RULES, RULES
from podwire.controllers import flags
from podwire.controllers.balancers.pools import BalancerPools
from podwire.controllers.cluster_program import PORT, ControllerConfig
from podwire.kube.pod_pools import namespace_pool, pool


def given(tmp_path: Path, *arguments: str) -> ControllerConfig:
    """What the command would run."""
    (tmp_path / "token").write_text("secret")
    own = ("--server", "https://192.0.2.1", "--token-file", str(tmp_path / "token"))
    context = flags.command.make_context("controller", [*own, *arguments], help_option_names=["-h", "--help"])
    found: Any = flags.configuration(dict(context.params))
    assert isinstance(found, ControllerConfig)
    return found


def test_pools_address_and_identity(tmp_path: Path) -> None:
    pools = ("--pod-pool", "10.0.0.0/16", "--pod-pool", "10.1.0.0/16@a=b", "--lb-pool", "192.0.2.0/24,2001:db8::/64")
    config = given(tmp_path, *pools, "--identity", "one")
    assert config.pod_pools == (pool("10.0.0.0/16"), pool("10.1.0.0/16@a=b"))
    assert config.balancer_pools == BalancerPools(("192.0.2.0/24", "2001:db8::/64"))
    assert (config.identity, config.addresses) == ("one", (("127.0.0.1", PORT),))
    assert given(tmp_path, "--internal-lb-pool", "10.9.0.0/24").balancer_pools == BalancerPools((), ("10.9.0.0/24",))
    assert given(tmp_path, "--pod-pool", "10.0.0.0/16").balancer_pools is None
    assert given(tmp_path, "--namespace-pool", "red=10.0.0.0/16").namespace_pools == (
        namespace_pool("red=10.0.0.0/16"),
    )


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "nothing to do"),
        (("--pod-pool", "10.0.0.0/16", "--pod-pool", "10.0.1.0/24:28"), "overlap"),
        (("--pod-pool", "10.0.0.0/16:99"), "does not fit"),
        (("--namespace-pool", "10.0.0.0/16"), "write NAME=RANGE"),
        (("--namespace-pool", "a=10.0.0.0/16", "--namespace-pool", "a=10.1.0.0/16"), "given twice"),
        (("--namespace-pool", "a=10.0.0.0/16", "--pod-pool", "10.0.1.0/24:28"), "overlap"),
        (("--lb-pool", "elsewhere"), "write a network"),
        (("--lb-pool", "10.0.0.0/24", "--internal-lb-pool", "10.0.0.0/25"), "overlap"),
    ],
)
def test_what_cannot_work_is_refused(tmp_path: Path, arguments: tuple[str, ...], problem: str) -> None:
    with pytest.raises(click.UsageError, match=problem):
        given(tmp_path, *arguments)


def test_the_page_has_the_rights_of_the_role() -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/controller.md").read_text()
    for group, resources, verbs in RULES[CONTROLLER]:
        assert f"| {group or 'core'} | {', '.join(resources)} | {', '.join(verbs)} |" in page
    for (group, resources, verbs), names in NAMED_RULES[CONTROLLER]:
        assert f"| {group} | {', '.join(resources)} named {', '.join(names)} | {', '.join(verbs)} |" in page
