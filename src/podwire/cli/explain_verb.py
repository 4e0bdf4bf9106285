"""podwire explain"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import click

from podwire.cli.one_answer import NO_ANSWER, answering
from podwire.cli.options import choice, output_option, source_options, sources_of
from podwire.cli.request_options import question_of, request_options

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


_ASKS_FOR_HELP = frozenset(("-h", "--help"))


class Explanations(click.Group):
    """Subcommands; two words that begin with none of them are a client and what it connects to."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take `CLIENT URL` as `url URL --from CLIENT`, `CLIENT SERVER` as `connection`, options before it too."""
        words = list(self._words(args))
        if words and args[words[0]] in self.commands:
            args = [args[words[0]], *args[: words[0]], *args[words[0] + 1 :]]
        elif len(words) > 1 and "://" in args[words[1]]:
            rest = [one for number, one in enumerate(args) if number not in words[:2]]
            args = ["url", args[words[1]], "--from", args[words[0]], *rest]
        elif args and not _ASKS_FOR_HELP.intersection(args):
            args = ["connection", *args]
        return super().parse_args(ctx, args)

    def _words(self, args: list[str]) -> Iterator[int]:
        """Yield the numbers of the arguments that are neither options nor values of options."""
        options = [one for command in self.commands.values() for one in command.params if isinstance(one, click.Option)]
        valued = {name for one in options if not one.is_flag for name in (*one.opts, *one.secondary_opts)}
        is_value = False
        for number, one in enumerate(args):
            if is_value or (one.startswith("-") and one != "-"):
                is_value = not is_value and one in valued
            else:
                yield number


def exit_code_option(command: CommandT) -> CommandT:
    """`--exit-code`: the exit status is the answer."""
    return click.option("--exit-code", is_flag=True, help="Exit with 1 unless the answer is yes.")(command)


@click.group(cls=Explanations)
def command() -> None:
    """Explain what objects mean, from the same model that agents and proxies are programmed with.

    \b
    podwire explain -f examples/shop shop/frontend shop/database:5432
    podwire explain shop/frontend https://app.example.com/
    podwire explain service shop/web
    podwire explain url https://app.example.com/login
    podwire explain name web --from shop/frontend
    """


@command.command()
@click.argument("source", metavar="FROM")
@click.argument("destination", metavar="TO[:PORT]")
@source_options
@exit_code_option
@output_option
@answering
def connection(source: str, destination: str, output: str, exit_code: bool, **given: Any) -> None:
    """Show whether FROM may connect to TO, by which policies and rules, and what would allow it.

    The word `connection` may be left out. Both are pods, workloads (shop/frontend, deploy/frontend), Services, nodes,
    IP addresses, networks (10.0.0.0/8), host names or `outside`. With -f, -k or '-' nothing but these files is read;
    else the world of --name or the cluster of kubectl's current context. The exit status is 0 whatever the answer is,
    with --exit-code 1 unless the connection is certainly allowed, and 2 without an answer: for wrong arguments, names
    or files, or without an API server.

    \b
    podwire explain -f examples/shop shop/frontend shop/database:5432
    podwire explain shop/backend outside:443
    podwire explain outside shop/frontend:80 -k deploy/overlays/test --exit-code
    helm template chart | podwire explain -f - web api:8080 -o json
    """
    from podwire.insight.answer_form import Verdict
    from podwire.insight.connection import answer
    from podwire.insight.reach import assumed
    from podwire.insight.snapshot.ends import EndError
    from podwire.insight.snapshot.opening import open_snapshot
    from podwire.insight.sources.manifests import ManifestError

    namespace = given["namespace"]
    desired = sources_of(*(given.pop(one) for one in ("files", "kustomize", "recursive", "namespace", "pod_ranges")))
    try:
        snapshot = open_snapshot(desired, None if not desired.is_live else choice(**given), with_routes=True)
        report = assumed.answered(snapshot, lambda known: answer.report(source, destination, known, namespace))
    except (ManifestError, EndError) as error:
        raise click.UsageError(str(error)) from None
    click.echo(answer.shown(report, json=output == "json"), nl=False)
    if exit_code and report.verdict is not Verdict.ALLOWED:
        sys.exit(1)


@command.command()
@click.argument("queried", metavar="NAME")
@click.option("--from", "client", required=True, metavar="CLIENT", help="The pod or workload: shop/frontend.")
@source_options
@exit_code_option
@output_option
@answering
def name(queried: str, client: str, output: str, exit_code: bool, **given: Any) -> None:
    """Show what a pod's resolver does with a name: each query, each answer and its object, and what keeps it away.

    The search list and ndots are those of the pod, the answers those of the cluster's DNS with its Corefile. Names that
    the DNS forwards are not looked up. The exit status is 0 whatever is found, with --exit-code 1 where a
    finding is an error, and 2 without an answer.

    \b
    podwire explain name web --from shop/frontend
    podwire explain name api.github.com --from shop/frontend
    podwire explain name web.shop -f examples/shop --from shop/frontend -o json
    """
    from podwire.insight.answer_form import Verdict
    from podwire.insight.name import answer
    from podwire.insight.snapshot.ends import EndError
    from podwire.insight.sources.manifests import ManifestError

    namespace = given["namespace"]
    desired = sources_of(*(given.pop(one) for one in ("files", "kustomize", "recursive", "namespace", "pod_ranges")))
    try:
        report = answer.report(
            queried, client, answer.opened(desired, None if not desired.is_live else choice(**given)), namespace
        )
    except (ManifestError, EndError) as error:
        raise click.UsageError(str(error)) from None
    click.echo(answer.shown(report, json=output == "json"), nl=False)
    if exit_code and report.verdict is not Verdict.ALLOWED:
        sys.exit(1)


@command.command()
@source_options
@click.argument("service", metavar="[NAMESPACE/]NAME")
@click.option("--node", default="", metavar="NODE", help="Explain this node only.")
@click.option("--kernel", is_flag=True, help="Compare with what the kernels of the nodes hold.")
@click.option("--allow-external-ips", is_flag=True, help="The agents of the cluster have this flag; known of a world.")
@exit_code_option
@output_option
@answering
def service(
    service: str, node: str, output: str, kernel: bool, allow_external_ips: bool, exit_code: bool, **given: Any
) -> None:
    """Show the addresses of a Service, which endpoints each node uses and why not the others, and what is wrong.

    It reads the world of --name, else the cluster of kubectl's current context; with --kernel the nodes too; with -f or
    -k no API server at all. The exit status is 0 whatever is found, with --exit-code 1 where a finding is an error, and
    2 without an answer: for a Service or node that does not exist, wrong arguments or files, or without an API server.

    \b
    podwire explain service shop/web
    podwire explain service web -n shop --node node-2
    podwire explain service shop/web --kernel
    podwire explain service shop/backend -f examples/shop -o json
    """
    from podwire.insight import target
    from podwire.insight.answer_form import Verdict
    from podwire.insight.service import answer
    from podwire.insight.sources.manifests import ManifestError
    from podwire.kube.meta import NamespacedName

    sources = sources_of(*(given.pop(one) for one in ("files", "kustomize", "recursive", "namespace", "pod_ranges")))
    if kernel and not sources.is_live:
        raise click.UsageError("--kernel compares nodes that run: leave out -f and -k")
    namespace, _, own = service.rpartition("/")
    name = NamespacedName(namespace or sources.namespace, own)
    question = answer.Question(name, node, kernel, allow_external_ips)
    try:
        if sources.is_live:
            report = answer.answer(question, target.choose(choice(**given)))
        else:
            report = answer.of_files(question, sources)
    except ManifestError as error:
        raise click.UsageError(str(error)) from None
    except answer.ANSWERLESS as error:
        click.echo(f"podwire: {error}", err=True)
        sys.exit(NO_ANSWER)
    click.echo(answer.shown(report, json=output == "json"), nl=False)
    if exit_code and report.verdict is not Verdict.ALLOWED:
        sys.exit(1)


@command.command()
@click.argument("url")
@request_options
@source_options
@exit_code_option
@output_option
@answering
def url(url: str, output: str, exit_code: bool, **given: Any) -> None:
    """Show what becomes of a request: Gateway, listener, each route and why it is not taken, backends, policies.

    `CLIENT URL` is the same as `url URL --from CLIENT`, where CLIENT is any FROM of an explanation. It reads the world
    of --name, else the cluster of kubectl's current context; with -f or -k no API server at all. The exit status is 0
    whatever is found, with --exit-code 1 unless a backend gets the request or the answer is no error, and 2 without an
    answer.

    \b
    podwire explain url https://app.example.com/login --from outside
    podwire explain url http://app.example.com/ --from shop/frontend -H 'X-Version: v2'
    podwire explain url https://app.example.com/ -f examples/gateway -o json
    """
    from podwire.insight import target
    from podwire.insight.answer_form import Verdict
    from podwire.insight.snapshot.ends import EndError
    from podwire.insight.snapshot.names import OUTSIDE
    from podwire.insight.sources.manifests import ManifestError
    from podwire.insight.url import answer

    client, namespace = given["client"], given["namespace"]
    desired = question_of(url, {**given, "client": OUTSIDE})
    given = {name: value for name, value in given.items() if name not in ("client", "gateway", "method", "headers")}
    sources = sources_of(*(given.pop(one) for one in ("files", "kustomize", "recursive", "namespace", "pod_ranges")))
    try:
        objects = answer.of_target(target.choose(choice(**given))) if sources.is_live else answer.of_files(sources)
        report = answer.answer(answer.with_client(desired, client, objects, namespace), objects)
    except (ManifestError, EndError) as error:
        raise click.UsageError(str(error)) from None
    except answer.ANSWERLESS as error:
        click.echo(f"podwire: {error}", err=True)
        sys.exit(NO_ANSWER)
    click.echo(answer.shown(report, json=output == "json"), nl=False)
    if exit_code and report.verdict is not Verdict.ALLOWED:
        sys.exit(1)
