"""What commands that read, answer and end have in common."""

from __future__ import annotations

import functools
import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import click

CommandT = TypeVar("CommandT", bound=Callable[..., Any])
NO_ANSWER = 2
"""Exit status where nothing was found out; 1 is for an answer that is no. click has it for wrong arguments, too."""


def answering(command: CommandT) -> CommandT:
    """Exit with NO_ANSWER and one message where there is no API server or no world to answer from."""

    @functools.wraps(command)
    def run(*arguments: Any, **given: Any) -> None:
        try:
            command(*arguments, **given)
        except Exception as error:
            from podwire.insight.user_errors import is_user_error

            if not is_user_error(error):
                raise
            click.echo(f"podwire: {error}", err=True)
            sys.exit(NO_ANSWER)

    return cast("CommandT", run)


@contextmanager
def without_collection() -> Iterator[None]:
    """Leave the cyclic garbage collector out: an answer has no cycles, and all of its objects live until it is shown.

    Of a cluster of 100,000 pods it took half of the time of `podwire reach`.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
