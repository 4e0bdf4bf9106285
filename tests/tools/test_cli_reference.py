from tools import cli_reference


def test_the_page_says_what_the_programs_say() -> None:
    shown = cli_reference.TARGET.read_text()
    assert shown == cli_reference.page(), "run: python -m tools.cli_reference"
