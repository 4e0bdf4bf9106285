"""podwire migrate"""

from __future__ import annotations

import sys

import click


@click.group()
def command() -> None:
    """Show what objects that were written for other programs become here.

    \b
    podwire migrate ingress manifests/
    podwire migrate ingress manifests/ -o gateway
    """


@command.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json", "gateway", "requests"]),
    default="text",
    show_default=True,
    help="The report; objects of Gateway API as YAML, with what they cannot have as comments; or requests that show "
    "each rule, for 'podwire replay'.",
)
@click.option(
    "--gateway-class",
    default="podwire",
    show_default=True,
    metavar="NAME",
    help="The class of the Gateway with -o gateway.",
)
@click.option("--exit-code", is_flag=True, help="Exit with 1 where something is lost.")
def ingress(files: tuple[str, ...], output: str, gateway_class: str, *, exit_code: bool) -> None:
    """Report line by line which annotations and paths of Ingresses behave as with ingress-nginx.

    It reads files and folders, '-' is standard input; no cluster is needed. Each line is same, differs (how is below
    it) or lost (why, and what replaces it). The exit status is 0, and 2 for wrong arguments or files.

    \b
    podwire migrate ingress examples/ingress
    kubectl get ingress -A -o yaml | podwire migrate ingress -
    podwire migrate ingress examples/ingress -o gateway > gateway.yaml
    """
    from podwire.insight.migration import gateway_routes, ingresses, proving_requests, report
    from podwire.insight.sources import reading
    from podwire.insight.sources.manifests import ManifestError

    try:
        objects = reading.read(files)
        found = ingresses.written(objects)
    except ManifestError as error:
        raise click.UsageError(str(error)) from None
    lines = report.report(found)
    if output == "gateway":
        ports = gateway_routes.named_ports(ingresses.services(objects))
        click.echo(gateway_routes.text(gateway_routes.converted(found, gateway_class, ports)), nl=False)
    elif output == "requests":
        namespace = found[0].claim.item.metadata.namespace
        click.echo(proving_requests.text(proving_requests.proving_requests(found), namespace), nl=False)
    else:
        click.echo(report.json(lines) if output == "json" else report.text(lines), nl=False)
    if exit_code and lines.count(report.LOST):
        sys.exit(1)


@command.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json", "objects"]),
    default="text",
    show_default=True,
    help="The report; or objects of this mesh and of Gateway API as YAML, with what they cannot have as comments.",
)
@click.option("--exit-code", is_flag=True, help="Exit with 1 where something is lost.")
def istio(files: tuple[str, ...], output: str, *, exit_code: bool) -> None:
    """Report line by line which fields of Istio's objects behave as with Istio.

    It reads AuthorizationPolicy, RequestAuthentication, PeerAuthentication, VirtualService and DestinationRule from
    files and folders; '-' is standard input; no cluster is needed. Each field is same, differs (how is below it) or
    lost (why, and what replaces it). Access control that cannot be expressed becomes policies that are closed: the
    report has what they are, and the exit status is 1, with and without --exit-code. It is 0 otherwise, and 2 for
    wrong arguments or files. Services and DestinationRules of the files make Services of subsets and of targets known.

    \b
    kubectl get authorizationpolicies.security.istio.io -A -o yaml | podwire migrate istio -
    podwire migrate istio istio/ -o objects > mesh.yaml
    """
    from podwire.insight.migration import istio_objects
    from podwire.insight.sources import reading
    from podwire.insight.sources.manifests import ManifestError

    try:
        found = istio_objects.migration(reading.read(files))
    except ManifestError as error:
        raise click.UsageError(str(error)) from None
    shown = {"text": istio_objects.text, "json": istio_objects.json, "objects": istio_objects.objects}
    click.echo(shown[output](found), nl=False)
    if found.loses_access_control or (exit_code and found.count("lost")):
        sys.exit(1)
