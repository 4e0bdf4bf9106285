"""Objects in files: where each is, and what is wrong with a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from podwire.insight.sources import reading
from podwire.insight.sources.manifests import ManifestError

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n"


def written(folder: Path, text: str, name: str = "a.yaml") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


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
