import pytest
from tools.cluster.arguments import parser


@pytest.mark.parametrize("name", ["", "..", "a/b", "-a", "a b", "$(id)", "a" * 41])
def test_a_name_that_is_no_folder_of_its_own_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser("").parse_args(["down", f"--name={name}"])
    assert "argument --name" in capsys.readouterr().err


def test_names_of_clusters() -> None:
    assert [parser("").parse_args(["down", f"--name={name}"]).name for name in ("a", "cluster-2")] == ["a", "cluster-2"]
