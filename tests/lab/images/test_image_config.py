"""What an image configures, and what the pod changes of it."""

from __future__ import annotations

import signal

import pytest

from podwire.lab.images.environment import ConfigurationError
from podwire.lab.images.image_config import ImageUser, arguments, by_number, environment, image_user, stop_signal
from podwire.lab.images.manifest import RunConfig
from podwire.lab.images.store import StoredImage

PASSWD = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/www:/bin/sh\nbroken\nodd:x:a:b::/:/bin/sh\n"
PASSWD += f"long:x:{'9' * 5000}:0::/:/bin/sh\n"
GROUP = "root:x:0:\nweb:x:34:\nstaff:x:50:other,web\nodd:x:z:web\n"


def image(user: str = "") -> StoredImage:
    return StoredImage(
        id="sha256:" + "0" * 64,
        architecture="amd64",
        format="oci",
        size=0,
        layers=0,
        loaded="",
        config=RunConfig(user=user),
        passwd=PASSWD,
        group=GROUP,
    )


@pytest.mark.parametrize(
    ("command", "args", "runs"),
    [
        ((), (), ("entry", "one", "cmd")),
        ((), ("arg",), ("entry", "one", "arg")),
        (("command",), (), ("command",)),
        (("command",), ("arg",), ("command", "arg")),
    ],
)
def test_command_and_args_over_entrypoint_and_cmd(
    command: tuple[str, ...], args: tuple[str, ...], runs: tuple[str, ...]
) -> None:
    assert arguments(RunConfig(entrypoint=("entry", "one"), cmd=("cmd",)), command, args) == runs


def test_an_image_with_half_or_none_of_them() -> None:
    assert arguments(RunConfig(cmd=("sh",)), (), ()) == ("sh",)
    assert arguments(RunConfig(cmd=("sh",)), (), ("ls",)) == ("ls",)
    assert arguments(RunConfig(entrypoint=("e",)), (), ()) == ("e",)
    assert arguments(RunConfig(), (), ()) == ()


def test_variables() -> None:
    assert environment(RunConfig(env=("A=1", "B=x=y", "EMPTY=", "broken"))) == {"A": "1", "B": "x=y", "EMPTY": ""}
    assert environment(RunConfig()) == {}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("", 15),
        ("SIGQUIT", 3),
        ("quit", 3),
        ("9", 9),
        ("SIGRTMIN", signal.SIGRTMIN),
        ("SIGRTMIN+3", signal.SIGRTMIN + 3),
        ("rtmax-14", signal.SIGRTMAX - 14),
        (str(signal.SIGRTMIN + 3), signal.SIGRTMIN + 3),
        ("SIGRTMIN+99", 15),
        ("SIGRTMAX+1", 15),
        ("SIGNONE", 15),
        ("4096", 15),
    ],
)
def test_stop_signals(text: str, number: int) -> None:
    assert stop_signal(RunConfig(stop_signal=text)) == number


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", ImageUser(0, 0, ())),
        ("web", ImageUser(33, 34, (50,), "web")),
        ("33", ImageUser(33, 34, (50,))),
        ("1234", ImageUser(1234, 0, ())),
        ("web:staff", ImageUser(33, 50, (50,), "web")),
        ("33:7", ImageUser(33, 7, (50,))),
        ("1234:staff", ImageUser(1234, 50, ())),
    ],
)
def test_users(user: str, expected: ImageUser) -> None:
    assert image_user(image(user)) == expected


@pytest.mark.parametrize("user", ["nobody", "odd", "long", "9" * 5000, "web:nothing", "web:odd"])
def test_a_user_or_group_that_the_image_lacks(user: str) -> None:
    with pytest.raises(ConfigurationError, match="unable to find"):
        image_user(image(user))


def test_a_user_that_the_pod_chose_has_the_groups_of_the_images_files() -> None:
    assert by_number(image(), 33) == ImageUser(33, 34, (50,))
    assert by_number(image(), 99) == ImageUser(99, 0, ())
