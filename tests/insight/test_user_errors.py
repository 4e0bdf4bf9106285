"""Errors that are shown by their text alone are named, not imported."""

import importlib
import subprocess
import sys

import pytest

from podwire.insight.user_errors import USER_ERRORS, is_user_error
from podwire.lab.host.worlds import WorldError


@pytest.mark.parametrize("name", sorted(USER_ERRORS))
def test_each_name_is_that_of_an_error(name: str) -> None:
    module, _, kind = name.rpartition(".")
    error = getattr(importlib.import_module(module), kind)
    assert issubclass(error, Exception)
    assert is_user_error(error.__new__(error))


def test_kinds_of_an_error_are_errors_of_a_user_and_others_are_not() -> None:
    class NarrowerError(WorldError):
        pass

    assert is_user_error(NarrowerError("x"))
    assert not is_user_error(ValueError("x"))


@pytest.mark.parametrize("module", ["podwire.insight.target", "podwire.insight.user_errors", "podwire.cli.status_verb"])
def test_commands_about_a_world_start_without_an_http_library(module: str) -> None:
    program = f"import sys, {module}; print('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"False\n"
