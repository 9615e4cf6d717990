"""graft finetune: the folder of a run, resuming it, and errors."""

import io
import json
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import time
import zipfile

import numpy
import onnx
import pytest
from conftest import ROOT

STATE = "graft.run.json.npy"


@pytest.fixture
def trunk(faults):
    return faults / "evaluate-on-trained-pictures"


def finetune(graft, trunk, output, *options, **others):
    return graft(
        "finetune", trunk / "pictures", "--model", trunk / "model.onnx", "--preprocess", "unit",
        "--resize", 16, "--threads", 1, "--output", output, *options, **others,
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory, program, faults):
    """A run of two epochs of a head, which tests copy."""
    folder = tmp_path_factory.mktemp("finished")
    graft = program("graft", folder)
    result = finetune(
        graft, faults / "evaluate-on-trained-pictures", folder / "run", "--epochs", "2,0"
    )
    assert result.status == 0, result.errors
    return folder / "run"


def arrays(path):
    """The arrays of a checkpoint by name; the run's state is JSON in one of them."""
    with zipfile.ZipFile(path) as archive:
        return {name: numpy.load(io.BytesIO(archive.read(name))) for name in archive.namelist()}


def write_arrays(path, values):
    with zipfile.ZipFile(path, "w") as archive:
        for name, value in values.items():
            buffer = io.BytesIO()
            numpy.save(buffer, value)
            archive.writestr(name, buffer.getvalue())


def state(values):
    return json.loads(values[STATE].tobytes())


def test_gradients_of_the_last_group_are_applied(graft, trunk, tmp_path):
    """More steps than an epoch has: each epoch is a group, and the head moves."""
    options = ("--epochs", 2, "--batch-size", 12, "--unfreeze", "none")
    result = finetune(graft, trunk, tmp_path / "a", *options, "--accumulation-steps", 65536)
    assert result.status == 0, result.errors
    first = arrays(tmp_path / "a/initial-head.npz")
    last = arrays(tmp_path / "a/last.npz")
    moved = [name for name in first if not numpy.array_equal(first[name], last[name])]
    assert "head/dense_1/kernel.npy" in moved
    # The group is as long as the epoch if a larger number is given.
    result = finetune(graft, trunk, tmp_path / "b", *options, "--accumulation-steps", 3)
    assert result.status == 0, result.errors
    assert (tmp_path / "a/model.onnx").read_bytes() == (tmp_path / "b/model.onnx").read_bytes()


def test_losses_without_bounds_are_drawn(graft, trunk, tmp_path):
    run = tmp_path / "run"
    assert finetune(graft, trunk, run, "--epochs", "3,0").status == 0
    values = arrays(run / "last.npz")
    text = state(values)
    for record, loss in zip(text["state"]["history"], [1e308, -1e308, 0.0]):
        record["loss"] = loss
    values[STATE] = numpy.frombuffer(json.dumps(text).encode(), "u1")
    write_arrays(run / "last.npz", values)
    (run / "report.html").unlink()
    result = graft("finetune", trunk / "pictures", "--output", run, "--resume")
    assert result.status == 0, result.errors
    assert (run / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_weights_that_are_no_numbers_are_damage(graft, trunk, tmp_path):
    run = tmp_path / "run"
    assert finetune(graft, trunk, run, "--epochs", 2, "--early-stopping", 5).status == 0
    values = arrays(run / "last.npz")
    name = next(n for n in values if n.startswith("best/") and values[n].dtype.kind == "f")
    values[name] = numpy.full_like(values[name], numpy.nan)
    write_arrays(run / "last.npz", values)
    (run / "report.html").unlink()
    result = graft("finetune", trunk / "pictures", "--output", run, "--resume")
    assert result.status == 65 and "not finite" in result.errors, result.errors


@pytest.mark.parametrize("name", ["log.csv", "log.jsonl", "steps.csv", "events.out.tfevents.graft"])
@pytest.mark.parametrize("kind", ["symbolic", "dangling", "hard", "pipe", "folder"])
def test_logs_are_files_of_their_own(graft, trunk, finished, tmp_path, name, kind):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    victim = tmp_path / "victim.txt"
    victim.write_bytes(b"precious\n" * 1000)
    (run / name).unlink()
    if kind == "symbolic":
        (run / name).symlink_to(victim)
    elif kind == "dangling":
        (run / name).symlink_to(tmp_path / "new.txt")
    elif kind == "hard":
        os.link(victim, run / name)
    elif kind == "pipe":
        os.mkfifo(run / name)
    else:
        (run / name).mkdir()
    result = graft("finetune", trunk / "pictures", "--output", run, "--resume", timeout=60)
    assert result.status == 73 and "not a regular file" in result.errors, result.errors
    assert victim.read_bytes() == b"precious\n" * 1000
    assert not (tmp_path / "new.txt").exists()


@pytest.mark.parametrize("link", [os.symlink, os.link], ids=["symbolic", "hard"])
def test_links_in_a_run_are_read_and_replaced(graft, trunk, finished, tmp_path, link):
    run, kept = tmp_path / "run", tmp_path / "kept"
    shutil.copytree(finished, run)
    kept.mkdir()
    names = ["last.npz", "best.npz", "recipe.yaml", "split.csv", "model.onnx"]
    for name in names:
        (run / name).rename(kept / name)
        link(kept / name, run / name)
    words = ["finetune", trunk / "pictures", "--output", run, "--resume"]
    result = graft(*words, "--epochs", "3,0")
    assert result.status == 0, result.errors
    for name in names:
        assert (kept / name).read_bytes() == (finished / name).read_bytes()
    assert not (run / "last.npz").is_symlink()
    assert (run / "last.npz").read_bytes() != (kept / "last.npz").read_bytes()


def moved_to_training(text):
    return text.replace("validation,", "training,", 1)


def without_contents(text):
    header, *rows = text.splitlines()
    return "\n".join([header] + [row[: row.rindex(",") + 1] for row in rows]) + "\n"


@pytest.mark.parametrize(
    "name, change",
    [
        ("split.csv", moved_to_training),
        ("split.csv", without_contents),
        ("split.csv", lambda text: text.replace("pictures/", "elsewhere/", 1)),
        ("recipe.yaml", lambda text: text.replace("seed: 1", "seed: 2")),
        ("recipe.yaml", lambda text: text.replace("learning_rate: 0.001", "learning_rate: 0.1")),
        # Runs that could not even start.
        ("recipe.yaml", lambda text: text.replace("batch_size: 29", "batch_size: 1000")),
        ("recipe.yaml", lambda text: text.replace("split: 80,20", "split: 80,30")),
        ("recipe.yaml", lambda text: text.replace("model: ", "model: /nowhere", 1)),
    ],
)
def test_changed_files_of_a_run_are_noticed(graft, trunk, finished, tmp_path, name, change):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    text = (run / name).read_text()
    assert change(text) != text
    (run / name).write_text(change(text))
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    result = graft(
        "finetune", trunk / "pictures", "--output", run, "--resume", "--epochs", "3,0")  # fmt: skip
    assert result.status == 65 and str(run / name) in result.errors, result.errors
    assert "--output" in result.errors
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before
    (run / name).write_text(text)
    result = graft("finetune", trunk / "pictures", "--output", run, "--resume")
    assert result.status == 0, result.errors


def add_one(model, name):
    (tensor,) = [t for t in model.graph.initializer if t.name == name]
    values = onnx.numpy_helper.to_array(tensor).copy()
    values.flat[0] += 1
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))


def exchange_weights(model):
    """The scale of a normalization and its variance."""
    normalization = model.graph.node[1]
    normalization.input[1], normalization.input[4] = normalization.input[4], normalization.input[1]


def change_strides(model):
    (strides,) = [a for a in model.graph.node[3].attribute if a.name == "strides"]
    strides.ints[:] = [1, 1]


def change_operator(model):
    model.graph.node[2].op_type = "Sigmoid"


@pytest.mark.parametrize(
    "change",
    [
        lambda model: add_one(model, "w0"),
        lambda model: add_one(model, "v0"),
        exchange_weights,
        change_strides,
        change_operator,
    ],
    ids=["weights", "statistics", "exchange", "attribute", "operator"],
)
def test_a_run_goes_on_with_the_network_that_it_began_with(graft, trunk, tmp_path, change):
    """Frozen weights are in no checkpoint."""
    path = tmp_path / "model.onnx"
    shutil.copy(trunk / "model.onnx", path)
    words = ["finetune", trunk / "pictures", "--output", tmp_path / "run"]
    first = graft(
        *words, "--model", path, "--preprocess", "unit", "--resize", 16, "--epochs", "1,0"
    )
    assert first.status == 0, first.errors
    model = onnx.load(path)
    change(model)
    onnx.save(model, path)
    result = graft(*words, "--resume", "--epochs", "2,0")
    assert result.status == 65 and str(path) in result.errors, result.errors
    assert "not the network that the run started with" in result.errors
    # Settings that do not affect the results may change.
    model = onnx.load(trunk / "model.onnx")
    model.doc_string = "the same"
    for node in model.graph.node:
        node.name = f"renamed {node.name}"
    onnx.save(model, path)
    result = graft(*words, "--resume", "--epochs", "2,0")
    assert result.status == 0, result.errors


def test_a_run_goes_on_with_the_preparation_that_it_began_with(graft, trunk, tmp_path):
    """The recipe leaves it open; the network says it."""
    path = tmp_path / "model.onnx"

    def save(scheme):
        model = onnx.load(trunk / "model.onnx")
        onnx.helper.set_model_props(model, {"graft.preprocessing.name": scheme})
        onnx.save(model, path)

    save("unit")
    words = ["finetune", trunk / "pictures", "--output", tmp_path / "run"]
    first = graft(*words, "--model", path, "--resize", 16, "--epochs", "1,0")
    assert first.status == 0, first.errors
    assert "preprocess" not in (tmp_path / "run/recipe.yaml").read_text()
    save("torch")
    result = graft(*words, "--resume", "--epochs", "2,0")
    assert result.status == 65 and str(path) in result.errors, result.errors
    assert "'graft.preprocessing.name' is 'torch', but was 'unit'" in result.errors
    save("unit")
    result = graft(*words, "--resume", "--epochs", "2,0")
    assert result.status == 0, result.errors


@pytest.mark.parametrize(
    "name, kind, status",
    [
        ("best.npz", "garbage", 65),
        ("best.npz", "another", 65),
        ("best.npz", "pipe", 66),
        ("model.onnx", "pipe", 73),
        ("model.onnx", "folder", 73),
        ("evaluation.json", "folder", 73),
        ("report.html", "pipe", 73),
        ("report.html", "folder", 73),
    ],
)
def test_what_the_end_needs_is_checked_in_the_beginning(
    graft, trunk, finished, tmp_path, name, kind, status
):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    (run / name).unlink()
    if kind == "pipe":
        os.mkfifo(run / name)
    elif kind == "folder":
        (run / name).mkdir()
    elif kind == "garbage":
        (run / name).write_bytes(b"garbage" * 100)
    else:
        values = arrays(finished / name)
        text = state(values)
        text["state"]["history"][0]["val_loss"] += 1
        values[STATE] = numpy.frombuffer(json.dumps(text).encode(), "u1")
        write_arrays(run / name, values)
    names = ["last.npz", "recipe.yaml", "log.csv", "steps.csv"]
    words = ["finetune", trunk / "pictures", "--output", run, "--resume", "--epochs", "3,0"]
    result = graft(*words, timeout=60)
    assert result.status == status and str(run / name) in result.errors, result.errors
    assert "emove it" in result.errors
    for other in names:
        assert (run / other).read_bytes() == (finished / other).read_bytes()
    # As the message suggests.
    if (run / name).is_dir():
        (run / name).rmdir()
    else:
        (run / name).unlink()
    result = graft(*words)
    assert result.status == 0, result.errors


@pytest.mark.parametrize("kind", ["missing", "dangling", "unfinished"])
def test_a_run_without_its_checkpoint_is_not_trained_again(graft, trunk, finished, tmp_path, kind):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    (run / "last.npz").unlink()
    if kind == "dangling":
        (run / "last.npz").symlink_to(tmp_path / "nowhere")
    elif kind == "unfinished":
        (run / "model.onnx").unlink()
    names = sorted(path.name for path in run.iterdir() if path.name != "last.npz")
    before = [(run / name).read_bytes() for name in names]
    words = ["finetune", trunk / "pictures", "--output", run, "--resume"]
    result = graft(*words)
    assert result.status == 65 and "last.npz: is missing" in result.errors, result.errors
    assert "a copy of best.npz" in result.errors and "--output" in result.errors
    assert [(run / name).read_bytes() for name in names] == before
    (run / "last.npz").unlink(missing_ok=True)
    shutil.copy(run / "best.npz", run / "last.npz")
    assert graft(*words).status == 0


@pytest.mark.parametrize("name", ["recipe.yaml", "last.npz", "split.csv"])
def test_pipes_in_a_run_are_not_waited_for(graft, trunk, finished, tmp_path, name):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    (run / name).unlink()
    os.mkfifo(run / name)
    result = graft("finetune", trunk / "pictures", "--output", run, "--resume", timeout=60)
    assert result.status == 66 and "not a regular file" in result.errors, result.errors


def test_a_fold_that_is_a_link_is_refused(graft, trunk, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run/fold1").symlink_to(elsewhere)
    result = finetune(graft, trunk, tmp_path / "run", "--epochs", "1,0", "--cross-validate", 2)
    assert result.status == 73 and "fold1" in result.errors
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("name", ["model.onnx", "log.csv", "split.csv"])
def test_new_runs_replace_nothing(graft, trunk, tmp_path, name):
    run = tmp_path / "run7"
    run.mkdir()
    (run / name).write_text("mine")
    result = finetune(graft, trunk, run, "--epochs", "1,0")
    assert result.status == 73 and name in result.errors and "run8" in result.errors
    assert [p.name for p in run.iterdir()] == [name] and (run / name).read_text() == "mine"


def test_the_next_folder_is_suggested(graft, trunk, tmp_path):
    for name in ["run", "run2"]:
        assert finetune(graft, trunk, tmp_path / name, "--epochs", "1,0").status == 0
    result = finetune(graft, trunk, tmp_path / "run", "--epochs", "1,0")
    assert result.status == 73 and "--resume" in result.errors
    assert str(tmp_path / "run3") in result.errors


def losses(run):
    rows = (run / "log.csv").read_text().splitlines()
    return [row.split(",")[:7] for row in rows], (run / "steps.csv").read_text()


@pytest.mark.parametrize("options", [(), ("--early-stopping", 50), ("--accumulation-steps", 2)])
def test_a_finished_run_gets_more_epochs(graft, trunk, tmp_path, options):
    # A schedule over a whole phase would have other rates in one of more epochs.
    options = ("--batch-size", 12, "--unfreeze", "none;all", "--split", "60,20,20",
               "--schedule", "constant", *options)  # fmt: skip
    assert finetune(graft, trunk, tmp_path / "whole", "--epochs", "3,5", *options).status == 0
    assert finetune(graft, trunk, tmp_path / "run", "--epochs", "3,2", *options).status == 0
    again = ("--output", tmp_path / "run", "--resume")
    result = graft("finetune", trunk / "pictures", *again, "--epochs", "3,5")
    assert result.status == 0, result.errors
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")
    for name in ["model.onnx", "evaluation.json", "recipe.yaml"]:
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    results = [state(arrays(tmp_path / n / "last.npz"))["state"]["phaseResults"]
               for n in ["run", "whole"]]  # fmt: skip
    assert results[0] == results[1] and len(results[0]) == 2
    # Another phase; a phase that is over keeps its epochs.
    result = graft("finetune", trunk / "pictures", *again, "--epochs", "4,5")
    assert result.status == 64 and "phase 1 already has 3 epochs and is finished" in result.errors
    result = graft("finetune", trunk / "pictures", *again, "--epochs", "3,4")
    assert result.status == 64 and "phase 2 already has 5 epochs" in result.errors
    result = graft("finetune", trunk / "pictures", *again, "--epochs", "3,5,1")
    assert result.status == 0, result.errors
    assert len(losses(tmp_path / "run")[0]) == 1 + 9


def test_a_run_that_was_killed_before_its_report_is_exported(graft, trunk, finished, tmp_path):
    """A run that goes on has no report of the end before, so that it is exported even if nothing is
    left to train.
    """
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    words = ["finetune", trunk / "pictures", "--output", run, "--resume"]
    process = start(graft, *words, "--epochs", "1000000,0")
    wait_for(run / "log.csv", "1,4,")
    process.kill()
    process.communicate(timeout=60)
    assert (run / "model.onnx").read_bytes() == (finished / "model.onnx").read_bytes()
    assert not (run / "report.html").exists()
    done = state(arrays(run / "last.npz"))["state"]["epoch"]
    result = graft(*words, "--epochs", f"{done},0")
    assert result.status == 0, result.errors
    assert (run / "model.onnx").read_bytes() != (finished / "model.onnx").read_bytes()
    assert (run / "report.html").exists()


def test_a_run_that_came_to_its_end_is_left_as_it_is(graft, trunk, finished, tmp_path):
    """With any times of its files: copies have others."""
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    os.utime(run / "report.html", (0, 0))
    names = ["model.onnx", "evaluation.json", "report.html", "recipe.yaml", "last.npz"]
    before = [(run / name).stat() for name in names]
    words = ["finetune", trunk / "pictures", "--output", run, "--resume"]
    result = graft(*words)
    assert result.status == 0, result.errors
    assert "is already finished" in result.output
    continuation = " ".join(map(str, words)) + " --epochs 2,5"
    assert f"For more epochs: graft {continuation}\n" in result.output
    after = [(run / name).stat() for name in names]
    assert [(s.st_ino, s.st_mtime_ns) for s in after] == [(s.st_ino, s.st_mtime_ns) for s in before]
    result = graft(*continuation.split())
    assert result.status == 0 and "already finished" not in result.output, result.errors


def test_the_form_of_a_run_that_fails_at_its_end_is_kept(graft, trunk, finished, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    words = ["finetune", trunk / "pictures", "--output", run, "--resume"]
    result = graft(
        *words, "--export-type", "float16",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024)),
    )  # fmt: skip
    assert result.status == 74 and "File too large" in result.errors, result.errors
    assert (run / "model.onnx").read_bytes() == (finished / "model.onnx").read_bytes()
    result = graft(*words)
    assert result.status == 0 and "model.onnx (float16)" in result.output, result.errors
    assert weight_types(run / "model.onnx") == {onnx.TensorProto.FLOAT16}


def weight_types(path):
    model = onnx.load(path)
    return {t.data_type for t in model.graph.initializer if t.data_type != onnx.TensorProto.INT64}


def test_a_run_keeps_the_form_of_its_network(graft, trunk, finished, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    half, single = {onnx.TensorProto.FLOAT16}, {onnx.TensorProto.FLOAT}
    assert weight_types(run / "model.onnx") == single

    def resume(*options):
        result = graft("finetune", trunk / "pictures", "--output", run, "--resume", *options)
        assert result.status == 0, result.errors
        return result.output

    output = resume("--export-type", "float16", "--export-training-checkpoint")
    assert "model.onnx (float16)" in output and "training.onnx" in output
    assert weight_types(run / "model.onnx") == half
    # For any reason to write them again.
    (run / "report.html").unlink()
    output = resume()
    assert "model.onnx (float16)" in output and "training.onnx" in output
    assert weight_types(run / "model.onnx") == half
    (run / "training.onnx").unlink()
    assert "model.onnx (float16)" in resume("--epochs", "2,1")
    assert weight_types(run / "model.onnx") == half and (run / "training.onnx").exists()
    # Until it is told otherwise; a training.onnx of older weights does not stay.
    output = resume("--export-type", "float32", "--no-export-training-checkpoint")
    assert "float16" not in output and "training.onnx" not in output
    assert weight_types(run / "model.onnx") == single
    assert not (run / "training.onnx").exists()
    assert "export_type: float32" in (run / "recipe.yaml").read_text()


@pytest.mark.parametrize("form", ["float32", "float16"])
def test_what_is_said_of_the_input_is_kept(graft, trunk, tmp_path, form):
    model = onnx.load(trunk / "model.onnx")
    (value,) = model.graph.input
    value.doc_string = "red, green, blue"
    value.type.denotation = "IMAGE"
    axes = ["DATA_BATCH", "DATA_CHANNEL", "DATA_FEATURE", "DATA_FEATURE"]
    for dimension, axis in zip(value.type.tensor_type.shape.dim, axes, strict=True):
        dimension.denotation = axis
    onnx.save(model, tmp_path / "model.onnx")
    result = graft(
        "finetune", trunk / "pictures", "--model", tmp_path / "model.onnx", "--preprocess", "unit",
        "--resize", 16, "--epochs", "1,0", "--output", tmp_path / "run", "--export-type", form,
    )  # fmt: skip
    assert result.status == 0, result.errors
    written = onnx.load(tmp_path / "run/model.onnx").graph
    assert [v.name for v in written.input] == [value.name]
    assert written.input[0].doc_string == value.doc_string
    assert written.input[0].type.denotation == "IMAGE"
    assert [d.denotation for d in written.input[0].type.tensor_type.shape.dim] == axes
    assert all(not v.doc_string and not v.type.denotation for v in written.value_info)


def test_commands_that_are_suggested_can_be_pasted(graft, trunk, tmp_path):
    run = tmp_path / "o 1; rm x"
    result = finetune(graft, trunk, run, "--epochs", "1,0", "--export-training-checkpoint")
    assert result.status == 0, result.errors
    training, inference = result.output.splitlines()[-2:]
    words = shlex.split(training.removeprefix(f"{run}/training.onnx: "))
    assert words == [
        "graft",
        "finetune",
        "IMAGES",
        "--model",
        f"{run}/training.onnx",
        "--head",
        "keep",
    ]
    words = shlex.split(inference.removeprefix(f"{run}/model.onnx: "))
    assert words == ["infer", "IMAGE", "--model", f"{run}/model.onnx"]
    # A file name does not break its line of text.
    run = tmp_path / "a\nb"
    result = finetune(graft, trunk, run, "--epochs", "1,0")
    assert result.status == 0, result.errors
    last = result.output[result.output.rindex(": infer") + 2 :]
    assert shlex.split(last) == ["infer", "IMAGE", "--model", f"{run}/model.onnx"]


def test_schedules_over_a_whole_phase_are_named(graft, trunk, tmp_path):
    run = tmp_path / "run"
    assert finetune(graft, trunk, run, "--epochs", "2", "--schedule", "cosine").status == 0
    result = graft(
        "finetune", trunk / "pictures", "--output", run, "--resume", "--epochs", "4")  # fmt: skip
    assert result.status == 0 and "cosine" in result.errors, result.errors


def test_a_phase_that_stopped_early_is_over(graft, trunk, tmp_path):
    run = tmp_path / "run"
    options = ("--epochs", "30", "--early-stopping", 1, "--learning-rate", 3)
    assert finetune(graft, trunk, run, *options).status == 0
    model = (run / "model.onnx").read_bytes()
    assert len((run / "log.csv").read_text().splitlines()) < 30
    result = graft(
        "finetune", trunk / "pictures", "--output", run, "--resume", "--epochs", "40")  # fmt: skip
    assert result.status == 0 and "change nothing" in result.errors, result.errors
    assert (run / "model.onnx").read_bytes() == model


def test_the_model_is_that_of_the_best_epoch(graft, trunk, tmp_path):
    """The best epoch is in the first phase; the second one, with a huge rate, makes it worse."""
    run = tmp_path / "run"
    result = finetune(
        graft,
        trunk,
        run,
        "--epochs",
        "4,3",
        "--learning-rate",
        "1e-3,50",
        "--unfreeze",
        "none;all",
        "--optimizer",
        "sgd",
        "--gradient-clipping",
        "norm(1)",
    )
    assert result.status == 0, result.errors
    history = state(arrays(run / "last.npz"))["state"]["history"]
    best = min(history, key=lambda record: record["val_loss"])
    assert best["phase"] == 1
    place = f"epoch {best['epoch']} of phase 1"
    assert place in result.output and place in (run / "report.html").read_text()
    evaluation = json.loads((run / "evaluation.json").read_text())
    assert evaluation["accuracy"] == pytest.approx(best["val_accuracy"])
    # The same weights as a run that ends there, those of the trunk among them.
    other = finetune(
        graft, trunk, tmp_path / "short", "--epochs", best["epoch"], "--learning-rate", "1e-3",
        "--unfreeze", "none", "--optimizer", "sgd", "--gradient-clipping", "norm(1)",
    )  # fmt: skip
    assert other.status == 0, other.errors
    assert (tmp_path / "short/model.onnx").read_bytes() == (run / "model.onnx").read_bytes()


def test_cross_validation_is_summed_up(graft, trunk, tmp_path):
    result = finetune(graft, trunk, tmp_path / "run", "--epochs", "2,1", "--cross-validate", 3)
    assert result.status == 0, result.errors
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    accuracies = [[phase["accuracy"] for phase in fold] for fold in summary["folds"]]
    assert numpy.shape(accuracies) == (3, 2)
    for index, phase in enumerate(summary["phases"]):
        values = [fold[index] for fold in accuracies]
        assert phase["accuracy"]["mean"] == pytest.approx(numpy.mean(values))
        deviation = phase["accuracy"]["standard_deviation"]
        assert deviation == pytest.approx(numpy.std(values, ddof=1))
        assert f"{numpy.mean(values) * 100:.2f} ± {deviation * 100:.2f} %" in result.output
    page = (tmp_path / "run/summary.html").read_text()
    assert "fold3/report.html" in page
    # Notes about all folds appear once.
    assert result.errors.count("the head reads") == 1
    assert result.output.count("fold 2 of 3") == 1
    again = graft(
        "finetune", trunk / "pictures", "--output", tmp_path / "run", "--resume",
        "--cross-validate", 3,
    )  # fmt: skip
    assert again.status == 0
    assert json.loads((tmp_path / "run/summary.json").read_text()) == summary
    # It continues as it started.
    words = ["finetune", trunk / "pictures", "--output", tmp_path / "run", "--resume"]
    for folds in [2, 4]:
        again = graft(*words, "--cross-validate", folds)
        assert again.status == 64 and f"has 3 folds, not {folds}" in again.errors, again.errors
    again = graft(*words)
    assert again.status == 66 and "the folds of --cross-validate" in again.errors, again.errors
    shutil.rmtree(tmp_path / "run/fold3")
    (tmp_path / "run/summary.json").unlink()
    again = graft(*words, "--cross-validate", 4)
    assert again.status == 64 and "the same number of folds" in again.errors, again.errors


@pytest.mark.parametrize("change", ["fewer", "class"])
def test_a_run_goes_on_with_the_images_that_it_began_with(graft, trunk, finished, tmp_path, change):
    """One image fewer than a batch has; and one class fewer."""
    data = tmp_path / "data"
    shutil.copytree(trunk / "pictures", data)
    folders = sorted(data.iterdir())
    for folder in [data, *folders]:
        folder.chmod(0o755)
    if change == "fewer":
        sorted(folders[0].iterdir())[0].unlink()
    else:
        shutil.rmtree(folders[0])
    result = graft("finetune", data, "--output", finished, "--resume")
    assert result.status == 64, result.errors
    assert "the images are not those that the run" in result.errors
    assert "--batch-size" not in result.errors


def test_a_run_without_folds_is_named(graft, trunk, finished):
    words = ["finetune", trunk / "pictures", "--output", finished, "--resume"]
    result = graft(*words, "--cross-validate", 3)
    assert result.status == 66 and "has no run with folds" in result.errors, result.errors
    assert "omit --cross-validate" in result.errors


def start(graft, *arguments):
    return subprocess.Popen(
        [graft.path, *map(str, arguments)], env=graft.environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for(path, text=""):
    for _ in range(600):
        if path.exists() and text in path.read_text():
            return
        time.sleep(0.05)
    pytest.fail(f"{path} does not come")


def test_interruptions_are_acknowledged_and_saved(graft, trunk, tmp_path):
    run = tmp_path / "run"
    arguments = (
        "finetune", trunk / "pictures", "--model", trunk / "model.onnx", "--preprocess", "unit",
        "--resize", 16, "--threads", 1, "--output", run, "--epochs", 1000000, "--unfreeze", "none",
    )  # fmt: skip
    process = start(graft, *arguments)
    wait_for(run / "log.csv", "1,3,")
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopping after this step" in errors and "--resume" in output
    assert state(arrays(run / "last.npz"))["state"]["epoch"] >= 3


def test_a_second_interruption_stops_at_once(graft, trunk, tmp_path):
    """The process is halted, so that both signals come before its next step."""
    run = tmp_path / "run"
    arguments = (
        "finetune", trunk / "pictures", "--model", trunk / "model.onnx", "--preprocess", "unit",
        "--resize", 16, "--threads", 1, "--output", run, "--epochs", 1000000, "--unfreeze", "none",
        "--batch-size", 1,
    )  # fmt: skip
    process = start(graft, *arguments)
    wait_for(run / "log.csv", "1,2,")
    for _ in range(200):
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGINT)
        time.sleep(0.001)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "stopping after this step" in errors


def test_epochs_are_told_without_noise(graft, trunk, tmp_path):
    result = finetune(graft, trunk, tmp_path / "run", "--epochs", "200,0", "--batch-size", 29)
    assert result.status == 0, result.errors
    lines = [line for line in result.output.splitlines() if line.startswith("  epoch")]
    assert "epoch   1/200" in lines[0] and "epoch 200/200" in lines[-1]
    assert len(lines) < 150
    assert len((tmp_path / "run/log.csv").read_text().splitlines()) == 201
    assert ": 0 epochs" not in result.output and "phase 2" not in result.output
    # Nor does a phase of no epochs have results of its own.
    split = ("--epochs", "2,0", "--split", "60,20,20", "--batch-size", 8)
    result = finetune(graft, trunk, tmp_path / "tested", *split)
    assert "test after phase 1" in result.output and "phase 2" not in result.output
    result = finetune(graft, trunk, tmp_path / "one", "--epochs", "1,0")
    assert "phase 1 of 1: 1 epoch," in result.output and "1 epochs" not in result.output


def test_steps_that_do_not_fit_are_refused(graft, trunk, tmp_path):
    options = ("--epochs", "1,1", "--unfreeze", "none;all", "--batch-size", 28)
    result = finetune(graft, trunk, tmp_path / "run", *options, "--max-memory", 1)
    assert result.status == 71, result.errors
    assert "MB of memory with batches of 28" in result.errors
    assert "--batch-size" in result.errors or "--image-size" in result.errors
    assert not (tmp_path / "run").exists()
    # Free memory and limits change nothing of the results.
    for name, limit in [("a", 500), ("b", 4000)]:
        result = finetune(graft, trunk, tmp_path / name, *options, "--max-memory", limit)
        assert result.status == 0, result.errors
    assert (tmp_path / "a/model.onnx").read_bytes() == (tmp_path / "b/model.onnx").read_bytes()


def test_what_the_end_takes_is_known_in_the_beginning(graft, trunk, tmp_path):
    """The steps of this network use less than 7 MB, the report and its images more."""
    options = ("--epochs", "1,0", "--max-memory")
    result = finetune(graft, trunk, tmp_path / "run", *options, 7)
    assert result.status == 71, result.errors
    assert "evaluating and writing the trained network needs" in result.errors
    assert "the limit is 7 MB" in result.errors
    assert not (tmp_path / "run").exists()
    assert finetune(graft, trunk, tmp_path / "run", *options, 20).status == 0
    # A finished run is not evaluated and written again.
    again = ("finetune", trunk / "pictures", "--output", tmp_path / "run", "--resume")
    result = graft(*again, "--max-memory", 7)
    assert result.status == 0, result.errors
    (tmp_path / "run/report.html").unlink()
    result = graft(*again, "--max-memory", 7)
    assert result.status == 71 and "evaluating and writing" in result.errors, result.errors


@pytest.mark.parametrize(
    "options, hint",
    [
        (("--unfreeze", "none"), '--unfreeze "none;all"'),
        (("--unfreeze", "all"), '--unfreeze "none;all"'),
        (("--freeze", "all"), '--freeze "all;none"'),
        (("--unfreeze", "none", "--epochs", "2,1"), None),
        (("--unfreeze", "none;all"), None),
        (("--unfreeze", "none", "--learning-rate", "1e-3,1e-4"), None),
        ((), None),
    ],
)
def test_phases_that_train_the_same_are_named(graft, trunk, tmp_path, options, hint):
    """Nothing is trained: errors in phases are reported before images are drawn."""
    sheet = ("--augment", "flip", "--preview", tmp_path / "sheet.png")
    result = finetune(graft, trunk, tmp_path / "run", *options, *sheet)
    assert result.status == 0, result.errors
    text = "both phases train the same weights"
    assert result.errors.count(text) == (1 if hint else 0), result.errors
    if hint:
        assert hint in result.errors and "--epochs 30 makes it one phase" in result.errors


def test_what_losses_are_is_said(graft, trunk, tmp_path):
    """Penalties are not part of the validation loss: as they grow with the weights, they would make
    early epochs the best.
    """
    evaluations = "the loss of the evaluation is the mean of -log"
    penalties = "include the penalties on weights in training"

    def run(name, *options):
        result = finetune(
            graft, trunk, tmp_path / name, "--epochs", "4,0", "--learning-rate", 0.1, *options
        )
        assert result.status == 0, result.errors
        page = (tmp_path / name / "report.html").read_text()
        history = state(arrays(tmp_path / name / "last.npz"))["state"]["history"]
        loss = json.loads((tmp_path / name / "evaluation.json").read_text())["loss"]
        return result.errors, page, min(record["val_loss"] for record in history) - loss

    errors, page, difference = run("penalized")
    assert errors.count(penalties) == 1 and penalties in page and abs(difference) < 1e-5
    assert "class weights" not in errors
    plain = ("--head", "gap,dense(classes)")
    errors, page, difference = run("plain", *plain)
    assert evaluations not in errors and evaluations not in page and abs(difference) < 1e-5
    # The default by its name; and with targets that others have a part of.
    errors, page, difference = run("named", *plain, "--loss", "softmax_cross_entropy")
    assert evaluations not in errors and evaluations not in page and abs(difference) < 1e-5
    smoothed = "softmax_cross_entropy(label_smoothing=0.1)"
    errors, page, difference = run("smoothed", *plain, "--loss", smoothed)
    assert f"are those of {smoothed}" in errors and smoothed in page and difference > 1e-3
    errors, page, _ = run("weighted", *plain, "--class-weights", "balanced")
    assert "class weights in training only" in errors and "class weights" in page
    assert penalties not in errors


def test_weights_of_0_for_all_classes_are_refused(graft, trunk, tmp_path):
    result = finetune(graft, trunk, tmp_path / "run", "--class-weights", "red=0,green=0,blue=0")
    assert result.status == 64 and "the weights of all classes are 0" in result.errors
    assert not (tmp_path / "run").exists()


def test_the_default_batch_is_32(graft, trunk, tmp_path):
    """The data have 29 images to train on, so that the recipe says 29, and which default it was."""
    result = finetune(graft, trunk, tmp_path / "run", "--epochs", "1,0")
    assert result.status == 0 and "29 " in result.errors
    shutil.copytree(trunk / "pictures", tmp_path / "more")
    for path in list((tmp_path / "more").rglob("*.png")):
        shutil.copy(path, path.with_name("again-" + path.name))
    result = graft(
        "finetune", tmp_path / "more", "--model", trunk / "model.onnx", "--preprocess", "unit",
        "--resize", 16, "--epochs", "1,0", "--output", tmp_path / "large",
    )  # fmt: skip
    assert result.status == 0, result.errors
    assert "batch_size: 32\n" in (tmp_path / "large/recipe.yaml").read_text()


def test_an_empty_name_is_no_folder_of_a_run(graft, tmp_path):
    """`--output "$RUN"` of an unset variable would write to the root of the file system."""
    for command in ["train", "finetune"]:
        result = graft(command, tmp_path, "--output", "", cwd=tmp_path)
        assert result.status == 64 and "--output must name a folder" in result.errors


def test_a_recipe_leaves_out_what_is_the_commands_default(graft, trunk, tmp_path):
    (tmp_path / "recipe.yaml").write_text("model: resnet9\nphases: [{epochs: 0}]\n")
    result = graft(
        "train", trunk / "pictures", "--recipe", tmp_path / "recipe.yaml", "--image-size", 32,
        "--threads", 1, "--output", tmp_path / "run",
    )  # fmt: skip
    assert result.status == 0, result.errors
    assert "a batch has all 29 training images" in result.errors
    recipe = (tmp_path / "run/recipe.yaml").read_text()
    for line in ["from_scratch: true", "- unfreeze: all", "  learning_rate: 0.001",
                 "head: gmp,dropout(0.3),dense(128,relu,l2=1e-05),dense(classes)"]:  # fmt: skip
        assert line in recipe.splitlines()


def test_the_documents_say_what_each_file_is(finished):
    table = (
        (ROOT / "docs/commands.md").read_text().split("The run is a folder:")[1].split("\n\n")[1]
    )
    named = {
        name for row in table.splitlines() for name in re.findall("`(.*?)`", row.split("|")[1])
    }
    written = {re.sub(r"^events\..*", "events…", path.name) for path in finished.iterdir()}
    assert named == written
