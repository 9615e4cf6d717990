"""Machines that give no more threads, as containers with a pids limit do."""

import os
import pathlib
import resource
import shutil
import tempfile

import pytest

USER = 54321


@pytest.fixture
def place():
    """A folder of a user who may have a single thread."""
    if os.geteuid() != 0:
        pytest.skip("limiting another user's threads takes root")
    folder = pathlib.Path(tempfile.mkdtemp())
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def confined(graft, place, faults):
    (place / "home").mkdir()
    for name in ["a", "b"]:
        (place / "data" / name).mkdir(parents=True)
        for number in range(8):
            shutil.copy(
                faults / "no-proc-arguments/picture.png", place / f"data/{name}/{number}.png"
            )
    for path in [place, *place.rglob("*")]:
        os.chown(path, USER, USER)
    program = place / "graft"
    shutil.copy(graft.path, program)
    graft.path = program

    def limit():
        os.setgroups([])
        os.setgid(USER)
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
        os.setuid(USER)

    def confined(*words):
        return graft(
            *words,
            environment={"GRAFT_HOME": str(place / "home"), "HOME": str(place)},
            cwd=place,
            preexec_fn=limit,
            timeout=100,
        )

    return confined


def test_one_thread_is_enough_to_infer(confined):
    result = confined("infer", "data/a/0.png", "--threads", "4")
    assert result.status == 0, result.errors


def test_one_thread_is_enough_to_evaluate(confined):
    result = confined("evaluate", "cifar10", "data", "--threads", "4", "--json")
    # Its classes differ; the test is that the images were read.
    assert result.status == 65, result.errors
    assert "does not know the class" in result.errors


def test_one_thread_is_enough_to_train(confined):
    result = confined(
        "finetune",
        "data",
        "--model",
        "cifar10",
        "--epochs",
        "1,0",
        "--threads",
        "4",
        "--output",
        "run",
    )
    assert result.status == 0, result.errors
