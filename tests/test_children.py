"""What a test starts ends with it, also when it cannot clear away."""

import os
import select
import subprocess
import sys

PARENT = """
import subprocess
from tests.children import ENDS_WITH_PARENT
subprocess.run([*ENDS_WITH_PARENT, "sh", "-c", "echo $$; exec sleep 600"])
"""


def test_a_program_ends_with_the_tests_that_were_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    poll = select.poll()
    poll.register(child, select.POLLIN)
    assert poll.poll(20_000), "the program lives on"
    os.close(child)
