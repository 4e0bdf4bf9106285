"""Libraries that a program needs, and the file without what no loader reads: with real programs of this machine."""

import ctypes
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tools.image.elf import missing_libraries, needed, without_symbols
from tools.image.tree import File, Link, Tree

SOURCE = '#include <stdio.h>\nint answer(void) { return puts("a") < 0 ? 0 : 42; }\n'


@pytest.fixture
def library(tmp_path: Path) -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("this machine has no C compiler")
    (tmp_path / "answer.c").write_text(SOURCE)
    target = tmp_path / "libanswer.so"
    subprocess.run([compiler, "-g3", "-shared", "-fPIC", tmp_path / "answer.c", "-o", target], check=True)
    return target


def test_a_library_without_symbols_is_smaller_and_loads(library: Path) -> None:
    content = library.read_bytes()
    kept = without_symbols(content)
    assert len(kept) < len(content)
    assert b".symtab" in content
    assert b".symtab" not in kept
    library.with_name("small.so").write_bytes(kept)
    assert ctypes.CDLL(str(library.with_name("small.so"))).answer() == 42
    assert needed(kept) == needed(content)


def test_what_is_no_program_stays_as_it_is() -> None:
    assert without_symbols(b"#!/bin/sh\n") == b"#!/bin/sh\n"


def test_libraries_that_no_tree_has_are_named(library: Path) -> None:
    assert "libc.so.6" in needed(library.read_bytes())
    tree, other = Tree(), Tree()
    tree["usr/lib/libanswer.so"] = File(library.read_bytes())
    assert missing_libraries(tree, other) == ["usr/lib/libanswer.so needs libc.so.6"]
    other["usr/lib/libc.so.6"] = Link("libc-2.36.so")
    assert missing_libraries(tree, other) == []


def test_this_python_needs_what_its_loader_found() -> None:
    names = needed(Path(os.path.realpath("/proc/self/exe")).read_bytes())
    mapped = Path("/proc/self/maps").read_text()
    assert "libc.so.6" in names
    assert all(name in mapped for name in names if name.startswith(("libc.", "libm.")))
