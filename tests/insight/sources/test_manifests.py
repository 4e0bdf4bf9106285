"""Objects in files: where each is, and what is wrong with a file."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest

from podwire.insight.sources import reading, texts, yaml_values
from podwire.insight.sources.manifests import ManifestError, NothingThereError

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n"


def written(folder: Path, text: str, name: str = "a.yaml") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


@pytest.mark.parametrize("head", ["kind: List", "metadata: {resourceVersion: '1'}\nkind: NetworkPolicyList"])
@pytest.mark.parametrize("items", ["[]", "null"])
def test_nothing_but_an_empty_list_is_no_object(tmp_path: Path, head: str, items: str) -> None:
    text = f"apiVersion: v1\n{head}\nitems: {items}\n"
    assert reading.read([written(tmp_path, text)]) == ()
    with pytest.raises(NothingThereError):  # a file of expectations may be such a list for kubectl
        reading.read([written(tmp_path, f"{text}expectations: []\n")])


@pytest.mark.parametrize("items", ["[]", "null"])
def test_a_list_may_be_empty(tmp_path: Path, items: str) -> None:
    name = written(tmp_path, f"{POD}---\napiVersion: v1\nkind: List\nitems: {items}\n")
    assert [one.kind[1] for one in reading.read([name])] == ["Pod"]
    name = written(tmp_path, f"apiVersion: v1\nkind: List\nmetadata: {{name: web}}\nspec: {items}\n")
    assert [one.kind[1] for one in reading.read([name])] == ["List"]


def test_each_object_has_its_place_and_items_of_a_list_are_objects(tmp_path: Path) -> None:
    name = written(tmp_path, f"---\n{POD}---\n# nothing\n---\napiVersion: v1\nkind: PodList\nitems: [{{kind: Pod}}]\n")
    found = reading.read([name])
    assert [(one.place, one.kind) for one in found] == [(f"{name}:2", ("", "Pod")), (f"{name}:10", ("", "Pod"))]


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.json", "notes.txt"):
        written(tmp_path, '{"apiVersion": "apps/v1", "kind": "Deployment"}', name)
    found = reading.read([str(tmp_path)])
    assert [Path(one.place).name for one in found] == ["a.json:1", "b.yaml:1"]
    assert found[0].kind == ("apps", "Deployment")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a: 1\nb: c: d\n", ":2: no YAML: "),
        ("kind: Pod\n", ":1: an object needs apiVersion and kind: add them"),
        ("- 1\n", ":1: an object needs apiVersion and kind"),
        ("name: {{ .Values.name }}\n", "this is a template, not YAML: render it first"),
        ("", "there is no object: name files that end in"),
    ],
)
def test_the_error_has_file_and_line(tmp_path: Path, text: str, error: str) -> None:
    name = written(tmp_path, text)
    with pytest.raises(ManifestError) as raised:
        reading.read([name])
    assert str(raised.value).startswith((name, f"-f {name}"))
    assert error in str(raised.value)


def test_a_file_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no such file or folder"):
        reading.read([str(tmp_path / "absent")])


def test_files_that_are_too_large_together_are_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.yaml", "b.yaml"):
        written(tmp_path, POD, name)
    monkeypatch.setattr(texts, "MOST_BYTES", len(POD) * 2)
    assert len(reading.read([str(tmp_path)])) == 2
    monkeypatch.setattr(texts, "MOST_BYTES", len(POD) * 2 - 1)
    with pytest.raises(ManifestError, match="all files together are larger than"):
        reading.read([str(tmp_path)])


def test_a_file_of_100_mb_is_not_read_where_the_limit_is_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "huge.yaml").open("wb") as huge:
        huge.truncate(100 << 20)
    monkeypatch.setattr(texts, "MOST_BYTES", 99 << 20)
    with pytest.raises(ManifestError, match=r"huge\.yaml: all files together"):
        reading.read([str(tmp_path)])


def test_yaml_of_too_many_values_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = written(tmp_path, POD + "---\n" + POD)
    monkeypatch.setattr(yaml_values, "MOST_NODES", 9)
    with pytest.raises(ManifestError, match=r"a\.yaml:7: more than 9 values, aliases included: name fewer"):
        reading.read([name])


def test_expectations_of_verify_and_folders_below_are_no_objects(tmp_path: Path) -> None:
    written(tmp_path, "expectations: []\n", "reach.yaml")
    written(tmp_path, POD, "pod.yaml")
    (tmp_path / "below").mkdir()
    written(tmp_path / "below", POD, "other.yaml")
    assert len(reading.read([str(tmp_path)])) == 1
    assert len(reading.read([str(tmp_path)], is_recursive=True)) == 2


def test_a_list_of_json_has_lines_too(tmp_path: Path) -> None:
    name = written(
        tmp_path, '{"apiVersion": "v1",\n "kind": "List",\n "items": [\n  {"apiVersion": "v1", "kind": "Pod"}]}'
    )
    assert [one.place for one in reading.read([name])] == [f"{name}:4"]


def test_a_chart_and_empty_input_name_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, "apiVersion: v2\nname: web\nversion: 0.1.0\n", "Chart.yaml")
    with pytest.raises(ManifestError, match=r"Chart\.yaml:1: this is a Helm chart: render it first"):
        reading.read([str(tmp_path)])
    monkeypatch.setattr("sys.stdin", StringIO(""))
    with pytest.raises(ManifestError, match=r"standard input: there is no object"):
        reading.read(["-"])
