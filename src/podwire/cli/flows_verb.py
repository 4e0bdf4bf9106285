"""podwire flows"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from podwire.cli.one_answer import answering
from podwire.cli.options import choice, node_local_option, nodes_option, only_on_this_machine, target_options

if TYPE_CHECKING:
    from podwire.insight.flows.filters import Filter
    from podwire.insight.flows.reading import Write
    from podwire.insight.queries.packets import DnsAnswer
    from podwire.policy.flows.record import Flow

VERDICTS = {"dropped": "DROPPED", "forwarded": "FORWARDED"}


@click.command()
@target_options
@click.option(
    "-n", "--namespace", "namespaces", multiple=True, help="Flows with an end in this namespace; may be repeated."
)
@click.option(
    "--pod",
    "pods",
    multiple=True,
    metavar="POD",
    help="Flows of this pod or workload, or NAMESPACE/POD; may be repeated.",
)
@click.option("--verdict", type=click.Choice([*VERDICTS], case_sensitive=False), help="Flows with this verdict.")
@click.option(
    "--port", "ports", multiple=True, type=click.IntRange(0, 65535), help="Of the pod or of the Service; repeatable."
)
@click.option(
    "--protocol",
    "protocols",
    multiple=True,
    type=click.Choice(["tcp", "udp", "sctp", "icmp"], case_sensitive=False),
    help="May be repeated.",
)
@click.option(
    "--since", default="", metavar="TIME", help="Flows since a time ago, such as 5m, or since an RFC 3339 time."
)
@click.option("--last", type=click.IntRange(min=0), metavar="FLOWS", help="Only the last ones of those that are kept.")
@click.option(
    "--dns", is_flag=True, help="Show answers of the cluster's DNS as they come: until Ctrl-C, or --last of them."
)
@nodes_option
@node_local_option
@click.option("-f", "--follow", is_flag=True, help="Show flows as they come, until Ctrl-C; of those kept the last 20.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="A table, or JSON lines.",
)
@answering
def command(**given: Any) -> None:
    """Show connections that policies dropped, with the policies that isolate and the ends as pods.

    Admitted connections are recorded too where a namespace has the annotation podwire.dev/flow-records=all, or agents
    run with --flow-records=all. Each node keeps its last 10,000. JSON has the fields of 'hubble observe -o json'. With
    --node-local it is the records of this machine as JSON lines, by --since and --follow alone. The exit status is 0, 1
    where the records of a node are missing, and 2 for wrong arguments or without an API server.

    \b
    podwire flows -n shop --since 5m
    podwire flows -f --verdict dropped --pod shop/frontend
    podwire flows --port 5432 -o json | jq .flow.Summary
    podwire flows --dns -n shop
    """
    if given["node_local"]:
        only_on_this_machine("namespaces", "pods", "verdict", "ports", "protocols", "last", "dns", "output")
        _on_this_node(given["since"], follow=given["follow"])
        return
    if given["dns"]:
        _live_queries(given)
        return
    from podwire.insight.flows.reading import FlowRequest, show
    from podwire.insight.target import choose

    target = choose(choice(given["name"], given["context"], given["kubeconfig"]))
    last = given["last"] if given["last"] is not None or not given["follow"] else 20
    request = FlowRequest(_filter(given), last, given["follow"])
    with suppress(KeyboardInterrupt, BrokenPipeError):
        problems = show(target, request, given["nodes"], _writer(given["output"]))
        for problem in problems:
            click.echo(f"podwire: {problem}", err=True)
        sys.exit(bool(problems))


def _live_queries(given: dict[str, Any]) -> None:
    from podwire.insight.queries import reading, record
    from podwire.insight.target import choose

    if given["nodes"] or given["since"] or given["verdict"]:
        raise click.UsageError("--dns: shows live answers of all nodes; --node, --since and --verdict are not for it")
    target = choose(choice(given["name"], given["context"], given["kubeconfig"]))
    flags = ["--name", target.world.name] if target.world is not None else ["--context", target.context]
    if given["kubeconfig"]:
        flags += ["--kubeconfig", given["kubeconfig"]]
    is_json, left = given["output"] == "json", given["last"]
    if not is_json:
        click.echo(record.header())

    def write(flow: Flow, answer: DnsAnswer) -> bool:
        nonlocal left
        text = record.encode(flow, answer) if is_json else f"{record.line(flow, answer)}\n".encode()
        try:
            sys.stdout.buffer.write(text)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered must go somewhere
            return False
        left = left - 1 if left is not None else None
        return left is None or left > 0

    with suppress(KeyboardInterrupt):
        reading.show(target, flags, _filter(given), write, lambda text: click.echo(f"podwire: {text}", err=True))


def _filter(given: dict[str, Any]) -> Filter:
    from podwire.insight.flows.filters import Filter

    return Filter(
        given["namespaces"],
        given["pods"],
        VERDICTS.get((given["verdict"] or "").lower(), ""),
        given["ports"],
        tuple(protocol.upper() for protocol in given["protocols"]),
        since_option(given["since"]),
    )


def since_option(text: str) -> str:
    """Return `--since` as records have their time; empty for an empty text. Raises click.UsageError."""
    from datetime import UTC, datetime

    from podwire.insight.flows.filters import since

    if not text:
        return ""
    try:
        return since(text, datetime.now(UTC))
    except ValueError as error:
        raise click.UsageError(f"--since {text}: {error}; write 30s, 5m, 2h, 1d or an RFC 3339 time") from error


def _writer(output: str) -> Write:
    from podwire.insight.flows import text
    from podwire.policy.flows import record

    out = sys.stdout.buffer
    if output == "table":
        out.write(f"{text.header()}\n".encode())
        out.flush()

    def write(flow: record.Flow) -> None:
        try:
            out.write(record.encode(flow) if output == "json" else f"{text.line(flow)}\n".encode())
            out.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered must go somewhere
            raise SystemExit(0) from None

    return write


def _on_this_node(since: str, *, follow: bool) -> None:
    from podwire.insight.flows.reading import of_this_node

    with suppress(BrokenPipeError):
        of_this_node(lambda line: os.write(sys.stdout.fileno(), line), since=since_option(since), follow=follow)
