"""Errors that a user can do something about; the command line shows their text alone."""

from __future__ import annotations

from podwire.kernel.nftables import NftablesMissingError
from podwire.lab.images.errors import ImageError
from podwire.lab.kubeconfig import KubeconfigError
from podwire.lab.launch import LaunchError
from podwire.lab.supervisor.power import PowerError
from podwire.lab.userns import UserNamespaceError
from podwire.lab.worlds import WorldError

USER_ERRORS = (
    ImageError,
    KubeconfigError,
    LaunchError,
    NftablesMissingError,
    PowerError,
    UserNamespaceError,
    WorldError,
)
