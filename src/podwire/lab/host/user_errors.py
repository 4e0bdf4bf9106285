"""Errors that a user can do something about; the command line shows their text alone."""

from __future__ import annotations

from podwire.kernel.nftables import NftablesMissingError
from podwire.kube.credentials import CredentialsError
from podwire.lab.host.kubeconfig import KubeconfigError
from podwire.lab.host.launch import LaunchError
from podwire.lab.host.userns import UserNamespaceError
from podwire.lab.host.worlds import WorldError
from podwire.lab.images.errors import ImageError
from podwire.lab.supervisor.power import PowerError

USER_ERRORS = (
    CredentialsError,
    ImageError,
    KubeconfigError,
    LaunchError,
    NftablesMissingError,
    PowerError,
    UserNamespaceError,
    WorldError,
)
