"""Errors that a user can do something about; the command line shows their text alone."""

from __future__ import annotations

USER_ERRORS = frozenset(
    {
        "podwire.insight.operations.programs.ClusterError",
        "podwire.insight.target.UnreachableError",
        "podwire.kernel.nftables.NftablesMissingError",
        "podwire.kube.credentials.CredentialsError",
        "podwire.kube.remote_command.RemoteCommandError",
        "podwire.lab.host.kubeconfig.KubeconfigError",
        "podwire.lab.host.launch.LaunchError",
        "podwire.lab.host.userns.UserNamespaceError",
        "podwire.lab.host.worlds.WorldError",
        "podwire.lab.images.errors.ImageError",
        "podwire.lab.supervisor.power.PowerError",
    }
)
"""By name: an error comes from a module that is imported already, and to import all of them takes half a second."""


def is_user_error(error: Exception) -> bool:
    """Whether an error is one of these, or a kind of one."""
    return any(f"{kind.__module__}.{kind.__qualname__}" in USER_ERRORS for kind in type(error).__mro__)
