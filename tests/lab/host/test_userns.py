import errno
from pathlib import Path

import pytest

from podwire.lab.host import userns


def test_root_or_a_user_with_ranges_gets_a_full_map() -> None:
    id_map = userns.choose_map(1000, 1000, (100000, 200000))
    assert id_map.full
    assert id_map.users == ((0, 1000, 1), (1, 100000, 65535))
    assert id_map.groups == ((0, 1000, 1), (1, 200000, 65535))


def test_without_a_range_for_both_there_is_root_only() -> None:
    assert not userns.choose_map(1000, 1000, (100000, None)).full


def test_ranges_are_found_by_name_and_by_number_and_must_be_large_enough() -> None:
    subuid = "eve:100000:65536\nadam:200000:1000\n1001:300000:65536\nbroken line\nnoah:x:y\n"
    assert userns.subordinate_ranges("eve", 1000, subuid, "") == (100000, None)
    assert userns.subordinate_ranges("adam", 999, subuid, subuid) == (None, None)
    assert userns.subordinate_ranges("noah", 1001, subuid, subuid) == (300000, 300000)


def test_each_refusal_names_a_remedy() -> None:
    assert "max_user_namespaces" in str(userns.refusal(errno.ENOSPC))
    assert "apparmor" in str(userns.refusal(errno.EPERM))
    assert "apparmor" in str(userns.refusal(errno.EACCES))
    assert "user_namespaces" in str(userns.refusal(errno.ENOMEM))


def test_a_refusing_newuidmap_is_named_with_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "newuidmap"
    program.write_text("#!/bin/sh\necho 'write to uid_map failed' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(userns.UserNamespaceError, match=r"newuidmap: write to uid_map failed; .*uidmap package"):
        userns.write_maps(0, userns.choose_map(1000, 1000, (100000, 100000)))
