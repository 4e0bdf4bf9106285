import stat
import threading
from pathlib import Path

import pytest
import yaml

from podwire.lab.host import kubeconfig
from podwire.lab.host.access import Access
from podwire.lab.host.kubeconfig import KubeconfigError

ACCESS = Access("podwire-a", "https://127.0.0.1:1234", b"ca", b"cert", b"key")
OTHER = {
    "clusters": [{"name": "prod", "cluster": {"server": "https://prod"}}],
    "users": [{"name": "prod", "user": {"token": "t"}}],
    "contexts": [{"name": "prod", "context": {"cluster": "prod", "user": "prod"}}],
    "current-context": "prod",
}


def test_other_entries_stay_and_the_world_becomes_current() -> None:
    result = kubeconfig.merged(OTHER, ACCESS)
    assert [c["name"] for c in result["clusters"]] == ["prod", "podwire-a"]
    assert result["current-context"] == "podwire-a"


def test_a_second_world_of_the_same_name_replaces_the_first() -> None:
    again = Access("podwire-a", "https://127.0.0.1:99", b"", b"", b"")
    result = kubeconfig.merged(kubeconfig.merged({}, ACCESS), again)
    assert [c["cluster"]["server"] for c in result["clusters"]] == ["https://127.0.0.1:99"]


def test_removal_leaves_the_rest_and_unsets_only_its_own_context() -> None:
    with_world = kubeconfig.merged(OTHER, ACCESS)
    result = kubeconfig.without(with_world, "podwire-a")
    assert result["clusters"] == OTHER["clusters"]
    assert result["current-context"] == ""
    assert kubeconfig.without({**with_world, "current-context": "prod"}, "podwire-a")["current-context"] == "prod"


def test_files_are_private_and_locks_are_respected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubeconfig, "LOCK_SECONDS", 0.05)
    path = tmp_path / "deep" / "config"
    kubeconfig.add(path, ACCESS)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert yaml.safe_load(path.read_text())["users"][0]["user"]["client-key-data"] == "a2V5"
    lock = path.with_name("config.lock")
    lock.touch()
    with pytest.raises(KubeconfigError, match="another program holds"):
        kubeconfig.remove(path, "podwire-a")
    lock.unlink()
    kubeconfig.remove(path, "podwire-a")
    assert yaml.safe_load(path.read_text())["clusters"] == []


def test_a_lock_that_is_given_back_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "config"
    lock = path.with_name("config.lock")
    lock.touch()
    other = threading.Timer(0.05, lock.unlink)
    other.start()
    kubeconfig.add(path, ACCESS)
    other.join()
    assert "podwire-a" in path.read_text()


def test_a_write_that_is_cut_short_leaves_no_second_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        kubeconfig.add(tmp_path / "config", ACCESS)
    assert list(tmp_path.iterdir()) == []


def test_a_link_to_the_file_stays_one(tmp_path: Path) -> None:
    path, target = tmp_path / "config", tmp_path / "elsewhere"
    target.write_text(yaml.safe_dump(OTHER))
    path.symlink_to(target)
    kubeconfig.add(path, ACCESS)
    assert path.is_symlink()
    assert "podwire-a" in target.read_text()


@pytest.mark.parametrize("text", ["[1, 2]", "a: [", "just words"])
def test_a_broken_file_is_named_and_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(KubeconfigError, match=str(path)):
        kubeconfig.add(path, ACCESS)
    assert path.read_text() == text


def test_a_context_is_chosen_only_where_none_is_current(tmp_path: Path) -> None:
    path = tmp_path / "config"
    assert not kubeconfig.choose(path, "podwire-a"), "there is no file"
    for name in ("podwire-a", "podwire-b"):
        kubeconfig.add(path, Access(name, "https://127.0.0.1:1", b"", b"", b""))
    assert not kubeconfig.choose(path, "podwire-a"), "the other is current"
    assert kubeconfig.remove(path, "podwire-b")
    assert not kubeconfig.choose(path, "podwire-b"), "it is not there"
    assert kubeconfig.choose(path, "podwire-a")
    assert yaml.safe_load(path.read_text())["current-context"] == "podwire-a"


def test_the_current_context_is_that_of_the_first_file_that_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/absent:{tmp_path}/without:{tmp_path}/first:{tmp_path}/second")
    (tmp_path / "without").write_text("kind: Config\n")
    assert kubeconfig.current() == ""
    (tmp_path / "first").write_text("current-context: podwire-a\n")
    (tmp_path / "second").write_text("current-context: podwire-b\n")
    assert kubeconfig.current() == "podwire-a"
