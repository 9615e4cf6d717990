"""tools/infer: its messages before and during a build."""

import os
import shutil
import subprocess

import pytest

from conftest import ROOT


@pytest.fixture
def tool(tmp_path):
    """tools/infer of a checkout in which nothing was built; `swift` is a script of the test."""
    (tmp_path / "tools").mkdir()
    for name in ["infer", "setup.bash"]:
        shutil.copy(ROOT / "tools" / name, tmp_path / "tools" / name)
    programs = tmp_path / "programs"
    programs.mkdir()

    def tool(*words, swift):
        for name, script in {"swift": swift, "dpkg-query": "echo 'install ok installed'"}.items():
            (programs / name).write_text(f"#!/bin/sh\n{script}\n")
            (programs / name).chmod(0o755)
        return subprocess.run(
            [tmp_path / "tools/infer", *words],
            cwd=tmp_path,
            env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return tool


@pytest.mark.parametrize(
    "words, status, part",
    [
        (["nosuch.png"], 66, "nosuch.png: cannot be opened"),
        (["--model", "vgg16", "nosuch.png"], 66, "nosuch.png: cannot be opened"),
        (["tools/infer", "nosuch.png", "--json"], 66, "nosuch.png: cannot be opened"),
        ([], 64, "Usage:"),
        (["--model", "tools/infer"], 64, "Usage:"),
    ],
)
def test_wrong_words_are_found_before_anything_is_built(tool, tmp_path, words, status, part):
    done = tool(*words, swift=f"touch {tmp_path}/built")
    assert done.returncode == status
    assert part in done.stderr
    assert not (tmp_path / "built").exists()


def test_building_shows_how_far_it_is(tool, tmp_path):
    program = tmp_path / ".build/release/infer"
    swift = f"""
        echo '[1/20] Compiling A a.swift'; sleep 3; echo '[12/20] Compiling B b.swift'
        mkdir -p {program.parent}
        printf '#!/bin/sh\\necho answer "$@"' >{program}; chmod +x {program}
    """
    done = tool("-", "--json", swift=swift)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "answer - --json\n"
    assert "Building Graft: step 12 of 20" in done.stderr


def test_a_failed_build_shows_its_log(tool):
    done = tool("-", swift="echo '[1/20] Compiling A'; echo 'a.swift:1:1: error: wrong'; exit 1")
    assert done.returncode == 70
    assert done.stderr.endswith("a.swift:1:1: error: wrong\n")
