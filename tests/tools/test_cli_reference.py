import subprocess
import sys


def test_the_page_has_the_programs_help() -> None:
    # In a process of its own: click keeps a command's help option with the names of its first run.
    made = subprocess.run([sys.executable, "-m", "tools.cli_reference", "--check"], check=False)
    assert made.returncode == 0, "run: python -m tools.cli_reference"
