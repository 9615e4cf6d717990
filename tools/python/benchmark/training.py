"""Measures training beside Keras and PyTorch, in turns, and writes the table into
docs/performance.md.

Usage: tools/benchmark training [--rounds 3] [--quick] [--graft PROGRAM] [--no-write]

VGG16's trunk with the default head, two threads. Graft trains on an NPZ file of random images; its
figures are those of its log: the first epoch of a frozen trunk computes features, later ones train
the head on them. Each turn is a process of its own.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

import numpy as np

from benchmark import machine, models
from benchmark.report import filled

THREADS = 2
HEAD = "gmp,dropout(0.3),dense(128,relu,l2=1e-5),dense(classes)"
# Mode, extent of images, batch, images of a turn.
ROWS = [
    ("frozen", 64, 64, 1024),
    ("frozen", 32, 128, 2048),
    ("all", 64, 64, 256),
    ("all", 32, 128, 768),
]
BEGIN = "<!-- Written by tools/benchmark training from here … -->"
END = "<!-- … to here (training) -->"


def write_images(path, size, count):
    generator = np.random.default_rng(1)
    images = generator.integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    np.savez(path, x=images, y=np.arange(count, dtype=np.uint8) % 2)


def peak_megabytes(command, **options):
    """Runs a command; returns what it printed and its peak memory. A small process stands between,
    as a child begins with its parent's figure.
    """
    script = (
        "import json, os, subprocess, sys\n"
        "process = subprocess.Popen(sys.argv[1:], stdout=sys.stderr)\n"
        "_, status, usage = os.wait4(process.pid, 0)\n"
        "print(json.dumps([status, usage.ru_maxrss / 1024]))\n"
    )
    result = subprocess.run(
        [sys.executable, "-S", "-c", script, *command], capture_output=True, text=True, **options
    )
    status, peak = json.loads(result.stdout)
    if status != 0:
        raise RuntimeError(f"{command[0]} failed: {result.stderr[-2000:]}")
    return peak


def graft_turn(program, folder, row, turn):
    mode, size, batch, count = row
    images = os.path.join(folder, f"images{size}x{count}.npz")
    if not os.path.exists(images):
        write_images(images, size, count)
    output = os.path.join(folder, f"run-{mode}-{size}-{turn}")
    peak = peak_megabytes(
        [
            program,
            "finetune",
            images,
            "--model",
            models.vgg16_trunk(folder),
            "--cut",
            "block5_pool",
            "--image-size",
            str(size),
            "--preprocess",
            "unit",
            "--head",
            HEAD,
            "--split",
            "100,0",
            "--batch-size",
            str(batch),
            "--epochs",
            "3" if mode == "frozen" else "2",
            "--unfreeze",
            "none" if mode == "frozen" else "all",
            "--learning-rate",
            "1e-6",
            "--threads",
            str(THREADS),
            "--no-cache",
            "--output",
            output,
        ]
    )
    with open(os.path.join(output, "log.jsonl")) as log:
        speeds = [speed(json.loads(line)) for line in log]
    return {"first": speeds[0], "later": speeds[-1], "peak_mb": peak}


def speed(epoch):
    """Images a second of an epoch; older builds, which `versions` measures, name them otherwise."""
    return next(value for key, value in epoch.items() if key.endswith("_per_second"))


def peer_turn(peer, row):
    command = [sys.executable, "-W", "ignore", "-m", "benchmark.training_peers", peer, row[0]]
    result = subprocess.run(
        command + [str(value) for value in (*row[1:], THREADS)], capture_output=True, text=True
    )
    if result.returncode != 0:
        raise RuntimeError(result.stderr.strip().splitlines()[-1])
    figures = json.loads(result.stdout.strip().splitlines()[-1])
    return {"later": figures["images_per_second"], "peak_mb": figures["peak_mb"]}


def take_turns(rounds, turns, describe, take, required=("Graft",)):
    """Fills `turns`, for each row a list for each contender, who change places from round to round.
    What a peer cannot do is told and left out.
    """
    for index in range(rounds):
        for row in turns if index % 2 == 0 else reversed(turns):
            contenders = list(turns[row])
            for name in contenders if index % 2 == 0 else reversed(contenders):
                print(f"round {index + 1}, {describe(row)}: {name} …", file=sys.stderr, flush=True)
                try:
                    turns[row][name].append(take(name, row, index))
                except RuntimeError as reason:
                    print(f"  {name}: {reason}", file=sys.stderr)
                    if name in required:
                        raise


def measure(program, folder, rounds):
    """The contenders, and for each row the figures of all their turns."""
    columns = ["Graft", "Keras", "PyTorch"]
    turns = {row: {name: [] for name in columns} for row in ROWS}

    def take(name, row, index):
        return (
            graft_turn(program, folder, row, index)
            if name == "Graft"
            else peer_turn(name.lower(), row)
        )

    take_turns(rounds, turns, lambda row: f"{row[0]}, {row[1]}x{row[1]}", take)
    return columns, turns


def median(turns, key):
    return statistics.median(turn[key] for turn in turns) if turns else None


def heading(description, rounds):
    rounds_text = "one round" if rounds == 1 else f"medians of {rounds} rounds"
    return filled(
        f"{description['processors']} processors of {description['processor']} (family, model, "
        f"stepping {description['family_model_stepping']}), {THREADS} threads, {rounds_text}, "
        f"measured on {description['date']}."
    )


def table(columns, turns, description, rounds):
    lines = [
        heading(description, rounds),
        "",
        f"| VGG16's trunk and the default head | {' | '.join(columns)} "
        "| to the better peer | to reach |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]

    def cell(value, unit):
        return "–" if value is None else f"{value:,.0f} {unit}"

    for row, found in turns.items():
        mode, size, batch, _ = row
        peers = [median(found[name], "later") for name in ("Keras", "PyTorch")]
        best = max([peer for peer in peers if peer is not None], default=None)
        name = f"{size}x{size}, batch {batch}"
        cells = [cell(peer, "/s") for peer in peers]
        kinds = (
            [
                ("frozen, first epoch", "first", "2.5 times"),
                ("frozen, later epochs", "later", "50 times"),
            ]
            if mode == "frozen"
            else [("all layers", "later", "2 times")]
        )
        for kind, key, aim in kinds:
            own = median(found["Graft"], key)
            ratio = "–" if best is None else f"{own / best:,.2f} times"
            lines.append(
                f"| {kind}, {name} | {cell(own, '/s')} | {' | '.join(cells)} | {ratio} | {aim} |"
            )
        memory = [median(found[name], "peak_mb") for name in ("Graft", "Keras", "PyTorch")]
        least = min([peer for peer in memory[1:] if peer is not None], default=None)
        if mode == "all":
            ratio = "–" if least is None else f"{memory[0] / least:.2f} times"
            lines.append(
                f"| its peak memory | {' | '.join(cell(value, 'MB') for value in memory)} "
                f"| {ratio} | 1 |"
            )
    return "\n".join(lines) + "\n"


def write_page(path, text, begin, end):
    with open(path, encoding="utf-8") as page:
        content = page.read()
    before, after = content.split(begin)[0], content.split(end)[1]
    with open(path + ".new", "w", encoding="utf-8") as page:
        page.write(f"{before}{begin}\n\n{text}\n{end}{after}")
    os.rename(path + ".new", path)


def run(description, command, measure, table, begin, end):
    """Measures as the command line says; the table goes into docs/performance.md, between two
    marks.
    """
    root = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
    parser = argparse.ArgumentParser(prog=command, description=description)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--graft", default=os.path.join(root, ".build", "release", "graft"))
    parser.add_argument("--no-write", action="store_true", help="leave docs/performance.md alone")
    options = parser.parse_args()
    rounds = 1 if options.quick else max(1, options.rounds)
    build = os.path.join(root, ".build", "benchmark")
    os.makedirs(build, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build) as folder:
        columns, turns = measure(os.path.abspath(options.graft), folder, rounds)
    text = table(columns, turns, machine.describe(), rounds)
    print(text, end="")
    if not options.no_write:
        write_page(os.path.join(root, "docs", "performance.md"), text, begin, end)


if __name__ == "__main__":
    run(__doc__, "tools/benchmark training", measure, table, BEGIN, END)
