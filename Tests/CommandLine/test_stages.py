"""tools/test: its stages, and the message for an unknown one."""

import subprocess

from conftest import ROOT


def run(*arguments):
    return subprocess.run(
        [ROOT / "tools/test", *arguments], capture_output=True, text=True, timeout=60
    )


def test_unknown_stages_are_refused_with_the_list():
    done = run("unit", "units")
    assert done.returncode == 64
    assert done.stdout == ""
    assert "unknown stage: units" in done.stderr
    for stage in (ROOT / "tools/stages").iterdir():
        assert f"  {stage.name} " in done.stderr


def test_every_stage_is_documented():
    stages = sorted(stage.name for stage in (ROOT / "tools/stages").iterdir())
    listed = [line.split()[0] for line in run("--help").stdout.splitlines() if line[:2] == "  "]
    assert sorted(listed) == stages
    text = (ROOT / "docs/tests.md").read_text()
    for stage in stages:
        assert f"| `{stage}` |" in text


def test_tests_are_counted(tmp_path):
    log = tmp_path / "log"
    log.write_text(
        "✔ Test a() passed after 0.1 seconds.\n"
        "✘ Test b() failed after 0.1 seconds with 1 issue.\n"
        "✘ Test run with 2 tests in 1 suite failed after 0.2 seconds with 1 issue.\n"
        "✔ Test run with 12 tests in 3 suites passed after 0.2 seconds.\n"
        "Conformance: 5 passed, 2 failed\n"
        "Interop: 7 passed, 3 failed\n"
        "2 failed, 12 passed, 1 skipped in 0.80s\n"
    )
    script = ROOT / "tools/python/count_tests.py"
    done = subprocess.run(["python3", script, log], capture_output=True, text=True)
    assert done.stdout == f"{12 + 5 + 7 + 12} {1 + 3 + 2}\n"
