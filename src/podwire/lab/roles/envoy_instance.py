"""An Envoy of a Gateway, as the program of a pod. Without gRPC, so that it costs a world little."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from podwire.edge.instance import process
from podwire.edge.instance.configuration import Instance
from podwire.lab.roles.builtin_images import ENVOY_PROGRAM


def envoy(arguments: Mapping[str, str]) -> None:
    """An Envoy of a Gateway. Raises SystemExit with Envoy's status."""
    raise SystemExit(process.main(envoy_instance(arguments)))


def envoy_instance(arguments: Mapping[str, str]) -> Instance:
    """Read the options, which are the fields of Instance. Raises SystemExit for one that is not known or missing."""
    given = {name.replace("-", "_"): value for name, value in arguments.items()}
    defaults = {"program": ENVOY_PROGRAM, "address": process.listening_address()}
    try:
        return msgspec.convert({**defaults, **given}, Instance, strict=False)
    except msgspec.ValidationError as error:
        raise SystemExit(f"args: {error}") from None
