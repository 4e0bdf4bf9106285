"""podwire replay"""

from __future__ import annotations

import sys
from typing import Any

import click

from podwire.cli.options import output_option


@click.command()
@click.argument("requests", metavar="FILE")
@click.option(
    "--old", required=True, metavar="URL", help="The server that is to be replaced, such as http://127.0.0.1:8081."
)
@click.option("--new", required=True, metavar="URL", help="The server that replaces it.")
@click.option(
    "--host", default="", metavar="NAME", help="The Host of requests that name none, as those of access logs."
)
@click.option(
    "--ignore-header", multiple=True, metavar="NAME", help="A header of answers that is not compared; repeatable."
)
@click.option(
    "--ignore-line",
    multiple=True,
    metavar="REGEX",
    help="Lines of bodies that contain this are not compared, such as those with a time; repeatable.",
)
@click.option(
    "--cert",
    default="",
    metavar="FILE",
    help="The client's certificate towards both servers, in PEM, with its chain; sent over https where a server "
    "requests one.",
)
@click.option("--key", default="", metavar="FILE", help="The private key of --cert.  [default: in the file of --cert]")
@click.option("--timeout", type=click.FloatRange(min=0.1), default=30.0, show_default=True, metavar="SECONDS")
@click.option("--exit-code", is_flag=True, help="Exit with 1 where answers differ.")
@output_option
def command(requests: str, old: str, new: str, host: str, ignore_header: tuple[str, ...], **given: Any) -> None:
    """Send the same requests to two servers, and show what their answers differ in: status, headers, body.

    FILE is YAML (a list of path, host, method, headers, body, or a ConfigMap with such a list, as 'podwire migrate
    ingress -o requests' makes it), an HTTP Archive (.har) or an access log of nginx, whose requests with a body are
    left out. Redirects are not followed, certificates are not verified. Of a world's stand-ins the lines that name
    the pod and the connection are not compared.

    \b
    podwire replay --old http://127.0.0.1:8081 --new http://127.0.0.1:8080 examples/ingress/requests.yaml
    podwire replay --old https://old.example.com --new https://172.18.254.1 --host shop.example.com access.log
    podwire replay --old https://old.example.com --new https://172.18.254.1 --cert ann.crt --key ann.key requests.yaml
    """
    import asyncio
    import re

    import msgspec

    from podwire.insight.replay import client_tls, differences, exchange
    from podwire.insight.replay import requests as files

    for name, url in (("--old", old), ("--new", new)):
        if not url.startswith(("http://", "https://")):
            raise click.UsageError(f"{name} {url}: a URL that begins with http:// or https:// is expected")
    _refuse_useless(given["cert"], given["key"], (old, new))
    try:
        lines = [re.compile(one.encode()) for one in given["ignore_line"]]
    except re.error as error:
        raise click.UsageError(f"--ignore-line: {error}") from None
    try:
        found = files.read(requests, host)
        tls = client_tls.context(given["cert"], given["key"])
    except files.RequestsError as error:
        raise click.UsageError(str(error)) from None
    except client_tls.ClientCertificateError as error:
        raise click.UsageError(f"--cert: {error}") from None
    answers = asyncio.run(exchange.exchange(old, new, found, given["timeout"], tls))
    for name, url, of_one in (("--old", old, 0), ("--new", new, 1)):
        if fault := differences.silence(pair[of_one] for pair in answers):
            raise click.UsageError(f"{name} {url}: no request is answered: {fault}")
    outcomes = differences.outcomes(found, answers, ignore_header, lines)
    if given["output"] == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(outcomes)).decode())
    else:
        click.echo(differences.text(outcomes), nl=False)
    if given["exit_code"] and any(one.differences for one in outcomes):
        sys.exit(1)


def _refuse_useless(certificate: str, key: str, urls: tuple[str, str]) -> None:
    """Raise UsageError for a key without a certificate, and for a certificate that no server can get."""
    if key and not certificate:
        raise click.UsageError(f"--key {key}: add --cert, the certificate of this key")
    if certificate and not any(url.startswith("https://") for url in urls):
        raise click.UsageError(f"--cert {certificate}: --old or --new must begin with https://")
