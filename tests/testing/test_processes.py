"""Which processes are seen below another."""

import os
import subprocess

from podwire.testing.processes import descendants, end


def test_a_child_is_seen_until_it_has_ended_and_before_it_is_waited_for() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        assert child.pid in descendants(os.getpid())
        end(child.pid)
        assert child.pid not in descendants(os.getpid())
    assert child.returncode < 0
