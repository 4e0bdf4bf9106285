"""Do work on the host as the root of a user namespace with the ids of a world, so that files get the owners it sees.

The work runs in a forked child that ends with its caller; its result is returned as JSON.
"""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import msgspec

from podwire.kernel import namespaces
from podwire.lab.host import userns

AnswerT = TypeVar("AnswerT")


class _Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The host does not allow the user namespace."""

    number: int


class _Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The work failed; `expected` distinguishes an error for the user from a fault of podwire."""

    message: str
    expected: bool


class _Done(msgspec.Struct, frozen=True, tag="done"):
    """The work's answer."""

    answer: msgspec.Raw


_Word = _Refused | _Failed | _Done


def run(work: Callable[[], AnswerT], answer: type[AnswerT], expected: type[Exception]) -> AnswerT:
    """Run `work` to its end and give back its answer, which must be JSON-like.

    An `expected` exception is raised here again with its text. Raises UserNamespaceError where the host forbids it.
    """
    reader, writer = os.pipe()
    made_reader, made_writer = os.pipe()
    go_reader, go_writer = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        for descriptor in (reader, made_reader, go_writer):
            os.close(descriptor)
        _child(work, expected, (writer, made_writer, go_reader), parent)
    for descriptor in (writer, made_writer, go_reader):
        os.close(descriptor)
    with os.fdopen(reader, "rb") as answers:
        try:
            _release(child, made_reader, go_writer)
            word = answers.read()
        except BaseException:
            os.kill(child, signal.SIGKILL)
            raise
        finally:
            os.waitpid(child, 0)
    return _result(word, answer, expected)


def _release(child: int, made: int, go: int) -> None:
    """Write the child's maps, which only a process outside may, and let it go on."""
    try:
        if os.read(made, 1):
            userns.write_maps(child, userns.available_map())
            os.write(go, b"g")
    except OSError as error:
        raise userns.refusal(error.errno or 1) from error
    finally:
        os.close(made)
        os.close(go)


def _result(word: bytes, answer: type[AnswerT], expected: type[Exception]) -> AnswerT:
    outcome: _Word = msgspec.json.decode(word, type=_Word) if word else _Failed("the work was ended", expected=False)
    match outcome:
        case _Done(raw):
            return msgspec.json.decode(raw, type=answer)
        case _Refused(number):
            raise userns.refusal(number)
        case _Failed(message, is_expected):
            raise expected(message) if is_expected else RuntimeError(message)


def _child(
    work: Callable[[], Any], expected: type[Exception], descriptors: tuple[int, int, int], parent: int
) -> NoReturn:
    """Never returns into the frames of its caller."""
    writer, made, go = descriptors
    word: _Word
    try:
        namespaces.prctl(namespaces.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        word = _work(work, expected, made, go)
    except BaseException:
        word = _Failed(traceback.format_exc(), expected=False)
    try:
        with os.fdopen(writer, "wb") as answers:
            answers.write(msgspec.json.encode(word))
    finally:
        os._exit(0)


def _work(work: Callable[[], Any], expected: type[Exception], made: int, go: int) -> _Word:
    try:
        namespaces.unshare(namespaces.CLONE_NEWUSER)
    except OSError as error:
        return _Refused(error.errno or 1)
    os.write(made, b"m")
    os.close(made)
    if not os.read(go, 1):
        os._exit(1)
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    # Changing ids resets what the caller's death sends.
    namespaces.prctl(namespaces.PR_SET_PDEATHSIG, signal.SIGKILL)
    os.umask(0o022)
    try:
        return _Done(msgspec.Raw(msgspec.json.encode(work())))
    except expected as error:
        return _Failed(str(error), expected=True)
