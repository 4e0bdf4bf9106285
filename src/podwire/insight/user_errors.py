"""Errors that a user can do something about; the command line shows their text alone."""

from __future__ import annotations

from podwire.insight.operations.programs import ClusterError
from podwire.insight.target import UnreachableError
from podwire.kube.remote_command import RemoteCommandError
from podwire.lab.host import user_errors

USER_ERRORS = (*user_errors.USER_ERRORS, ClusterError, RemoteCommandError, UnreachableError)
