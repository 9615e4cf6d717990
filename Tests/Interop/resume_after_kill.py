"""Kills `graft finetune` with SIGKILL again and again, resumes it, and expects the bits of a run
that nobody killed.

Usage: resume_after_kill.py --graft PROGRAM [--points 50] [--seed 1]

Not only the model has to be the same, but also the best checkpoint, and all logs but for the times
in them.

Each run is killed at a seeded point of the time that a whole run takes, and goes on with --resume,
which is killed, too, until all points are used up; the steps are short and checkpoints frequent, so
that many points lie in the writing of files.
"""

import argparse
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def write_trunk(path):
    """Two convolutions with a pool between them: [N, 3, 16, 16] to [N, 12, 8, 8], and a dense layer
    to cut off.
    """
    generator = numpy.random.default_rng(3)

    def weights(name, *shape):
        values = generator.normal(0, 0.3, shape).astype(numpy.float32)
        return numpy_helper.from_array(values, name)

    nodes = [
        helper.make_node("Conv", ["image", "block1/kernel"], ["sum1"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["sum1"], ["block1"]),
        helper.make_node("MaxPool", ["block1"], ["pool"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["pool", "block2/kernel"], ["sum2"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["sum2"], ["block2"]),
        helper.make_node("GlobalAveragePool", ["block2"], ["means"]),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("MatMul", ["flat", "top"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "trunk",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 16, 16])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 5])],
        [
            weights("block1/kernel", 8, 3, 3, 3),
            weights("block2/kernel", 12, 8, 3, 3),
            weights("top", 12, 5),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)


def write_images(path):
    """Noise that is brighter in one class than in the other."""
    generator = numpy.random.default_rng(5)
    labels = numpy.arange(48, dtype=numpy.uint8) % 2
    images = generator.integers(0, 160, (48, 16, 16, 3)) + labels[:, None, None, None] * 40
    numpy.savez(path, x=images.astype(numpy.uint8), y=labels)


def command(arguments, folder, output, resume):
    return [
        arguments.graft,
        "finetune",
        str(folder / "images.npz"),
        "--output",
        str(output),
        "--threads",
        "2",
    ] + (
        ["--resume"]
        if resume
        else [
            "--model",
            str(folder / "trunk.onnx"),
            "--cut",
            "block2",
            "--preprocess",
            "unit",
            "--augment",
            "flip,crop(2)",
            "--cached-augmentations",
            "3",
            "--head",
            "gap,dropout(0.2),dense(8,relu,l2=1e-4),dense(classes)",
            "--batch-size",
            "8",
            "--epochs",
            "40,6",
            "--early-stopping",
            "3",
            "--unfreeze",
            "none;block2",
            "--learning-rate",
            "0.03,0.001",
            "--schedule",
            "cosine",
            "--split",
            "60,20,20",
            "--seed",
            "9",
        ]
    )


TIMES = {"seconds", "images_per_second"}


def outcome(output):
    """The files in a run's folder, by name, without those that depend on time."""
    parts = {"model": (output / "model.onnx").read_bytes()}
    parts["steps"] = (output / "steps.csv").read_text()
    records = map(json.loads, (output / "log.jsonl").read_text().splitlines())
    parts["epochs"] = [
        {key: value for key, value in record.items() if key not in TIMES} for record in records
    ]
    parts["lines"] = [line.split(",")[:7] for line in (output / "log.csv").read_text().splitlines()]
    for name in ["best", "last"]:
        with numpy.load(output / f"{name}.npz") as arrays:
            parts[name] = {
                key: arrays[key].tobytes() for key in arrays.files if key != "graft.run.json"
            }
    events = EventAccumulator(str(output), size_guidance={"scalars": 0}).Reload()
    tags = set(events.Tags()["scalars"]) - TIMES
    parts["events"] = {
        tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in tags
    }
    return parts


def run_to_end(arguments, folder, output, resume):
    result = subprocess.run(
        command(arguments, folder, output, resume), capture_output=True, text=True
    )
    if result.returncode != 0:
        raise RuntimeError(f"exit {result.returncode}: {result.stderr}{result.stdout}")


def killed_after(arguments, folder, output, seconds):
    """Starts or resumes a run and kills it; False if it was done before."""
    process = subprocess.Popen(
        command(arguments, folder, output, (output / "recipe.yaml").exists()),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True
    if process.returncode != 0:
        raise RuntimeError(f"exit {process.returncode}: {process.stderr.read()}")
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graft", required=True)
    parser.add_argument("--points", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    generator = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        os.environ.update(GRAFT_HOME=str(folder / "home"), GRAFT_OFFLINE="1")
        write_trunk(folder / "trunk.onnx")
        write_images(folder / "images.npz")
        start = time.monotonic()
        run_to_end(arguments, folder, folder / "whole", resume=False)
        duration = time.monotonic() - start
        expected = outcome(folder / "whole")
        first = [record for record in expected["epochs"] if record["phase"] == 1]
        if len(first) == 40 or len(expected["events"]["loss/step"]) < 50:
            raise RuntimeError(f"the first phase, of {len(first)} epochs, should end early")
        kills = runs = failures = 0
        while kills < arguments.points:
            output = folder / f"run{runs}"
            runs += 1
            for _ in range(4):
                if kills == arguments.points:
                    break
                if not killed_after(arguments, folder, output, generator.uniform(0, duration)):
                    break
                kills += 1
            run_to_end(arguments, folder, output, resume=(output / "recipe.yaml").exists())
            found = outcome(output)
            for name, part in expected.items():
                if found[name] != part:
                    failures += 1
                    print(f"run {runs}: {name} is not that of a run that nobody killed")
            leftovers = [path.name for path in output.iterdir() if ".part" in path.name]
            if leftovers:
                failures += 1
                print(f"run {runs}: leaves {leftovers}")
    print(f"killed {kills} times in {runs} runs of {duration:.2f} s")
    print(f"Resume: {max(0, kills - failures)} passed, {failures} failed")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
