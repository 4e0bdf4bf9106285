"""The command line. One file a verb; a verb is imported when it is used, so that all of them start fast."""

from __future__ import annotations

import importlib
import sys

import click

from podwire.component.imports import lasting, leave_out_authorities

VERBS = {
    "up": "Start a cluster network on this machine.",
    "down": "End a world and everything in it.",
    "status": "Show a cluster or the worlds: nodes, and where to reach Services.",
    "kubectl": "Run kubectl against a world.",
    "exec": "Run a program in a pod's network, on a node or on the outside host.",
    "outside": "Run a program on the host outside of the cluster.",
    "node": "Switch a node off, as if its power failed, and on again.",
    "image": "Load container images from archives, list and remove them.",
    "logs": "Show the logs of podwire's own processes.",
    "flows": "Show connections that policies dropped, and which policies.",
    "suggest": "Suggest NetworkPolicies from the connections that were seen.",
    "capture": "Write the packets of a pod or a node as pcap.",
    "explain": "Explain whether a connection is allowed, what a Service or a request leads to, and what is wrong.",
    "reach": "Show who can reach whom, on which ports.",
    "diff": "Show which connections a change opens and closes.",
    "verify": "Prove with real packets who reaches whom, as a file expects it.",
    "lint": "Find policies and Services that do not mean what they seem to.",
    "trace": "Send a request, and show what each hop did with it.",
    "migrate": "Show what Ingresses and Istio's objects become here, line by line, or convert them.",
    "replay": "Send the same requests to two servers, and show what their answers differ in.",
    "doctor": "Check a cluster and its nodes, and name what to do.",
    "rows": "Show the rows that the kernel should hold.",
    "install": "Install podwire as the network of a cluster.",
    "upgrade": "Change an installation, one node at a time.",
    "uninstall": "Remove podwire from a cluster and restore its nodes.",
    "agent": "Run the agent of a node.",
    "dns": "Run the cluster's DNS server.",
    "controller": "Run the controllers of a cluster: ranges of pods, load balancers.",
    "gateway-controller": "Run the controller of the Gateway API, which configures Envoys.",
    "mesh": "Audit the mesh, and manage its authority of identities.",
    "mesh-controller": "Run the controller of the mesh: identities, certificates, its pods on nodes.",
    "demo": "Bring up a small shop, prove its policies with real packets, take it down.",
}
HIDDEN_VERBS = frozenset({"cni", "envoy", "mesh-node"})
"""Verbs that pods of podwire run, not users."""


class LazyVerbs(click.Group):
    """A group whose commands are modules of this package."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click names the arguments
        """All verbs, those of a first session first."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the verb's module."""
        if cmd_name not in VERBS and cmd_name not in HIDDEN_VERBS:
            return None
        with lasting():
            module = importlib.import_module(f"podwire.cli.{cmd_name.replace('-', '_')}_verb")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The list of verbs without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=LazyVerbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="podwire")
def podwire() -> None:
    """Kubernetes networking, whole: real packets on one machine, in a second, with no cluster.

    \b
    podwire up --nodes 2 -f my-manifests/
    kubectl get pods -o wide
    podwire down
    """


def main(arguments: list[str] | None = None) -> None:
    """The program's entry: an error that the user can mend is one message and exit status 1."""
    leave_out_authorities()
    try:
        podwire.main(args=arguments, prog_name="podwire")
    except Exception as error:
        from podwire.insight.user_errors import is_user_error

        if not is_user_error(error):
            raise
        click.echo(f"podwire: {error}", err=True)
        sys.exit(1)
