"""podwire image"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from podwire.cli.options import output_option

if TYPE_CHECKING:
    import io


@click.group()
def command() -> None:
    """Load container images from archives; all worlds of this user run them, also those that run already.

    \b
    docker save web:v1 | podwire image load -
    podwire image ls
    podwire image rm web:v1
    """


@command.command()
@click.argument("file", type=click.File("rb"))
@click.option("-t", "--tag", "tags", multiple=True, help="Name it so, whatever the archive calls it; repeatable.")
@output_option
def load(file: io.BufferedReader, tags: tuple[str, ...], output: str) -> None:
    """Load the images of FILE: an OCI archive or what 'docker save' writes, plain or with gzip; '-' is standard input.

    \b
    podwire image load web.tar
    podwire image load build.tar --tag web:dev
    """
    import msgspec

    from podwire.lab.host import image_store
    from podwire.lab.images import listing

    loaded = image_store.load(file, getattr(file, "name", "-"), tags)
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(loaded)).decode())
        return
    for one in loaded:
        click.echo(listing.loaded_text(one))


@command.command()
@output_option
def ls(output: str) -> None:
    """List the images, a line for each name."""
    import msgspec

    from podwire.lab.base import paths
    from podwire.lab.images import listing, store

    images = listing.entries(store.Store(paths.images()))
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(images)).decode())
    else:
        click.echo(listing.text(images))


@command.command()
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
def rm(images: tuple[str, ...]) -> None:
    """Remove names of images; with its last name, or by its id, an image goes with its files.

    \b
    podwire image rm web:v1
    podwire image rm 4f53cda18c2b
    """
    from podwire.lab.host import image_store
    from podwire.lab.images import listing

    for image in images:
        click.echo(listing.removed_text(image_store.remove(image)))
