"""Measures this build of Graft beside another one, in turns, to see how a change affects its speed.

Usage: tools/benchmark versions --before PROGRAM [--graft PROGRAM] [--rounds 5] [--quick]

VGG16 with two threads and one, the nine light models, and the four rows of `tools/benchmark
training`. A ratio above 1 means that this build takes longer. The spread is that of the turns of
each build, over its median.
"""

import argparse
import math
import os
import sys
import tempfile

from benchmark import machine, models, training
from benchmark.contenders import Graft, median
from benchmark.interleave import measure_groups

LABELS = ("before", "now")


def line(work, *turns):
    """A line of the table, and the ratio in it; `turns` are those of both builds, in ms."""
    before, now = medians = [median(times) for times in turns]
    figures = " | ".join(f"{middle:,.4g} ms" for middle in medians)
    spreads = " | ".join(
        f"{min(times) / middle:.2f} – {max(times) / middle:.2f}"
        for times, middle in zip(turns, medians)
    )
    return f"| {work} | {figures} | {now / before:.3f} | {spreads} |", now / before


def inference(programs, folder, rounds, seconds):
    vgg16 = models.vgg16(os.path.join(folder, "models"))
    works = {"VGG16": (vgg16, 2), "VGG16, 1 thread": (vgg16, 1)}
    works |= {name: (models.light(name), 2) for name in models.LIGHT}
    groups = {
        work: [
            Graft(program, model, threads=threads, label=label)
            for label, program in zip(LABELS, programs)
        ]
        for work, (model, threads) in works.items()
    }
    measured = measure_groups(groups, {}, rounds, seconds)
    lines, light = [], []
    for work, result in measured.items():
        times = [result["rounds_ms"][label] or result["disturbed_ms"][label] for label in LABELS]
        text, ratio = line(work, *times)
        lines.append(text)
        if work in models.LIGHT:
            light.append(ratio)
    mean = math.exp(sum(map(math.log, light)) / len(light))
    return lines + [f"| the {len(light)} light models, geometric mean | | | {mean:.3f} | | |"]


def trained(programs, folder, rounds):
    turns = {row: {label: [] for label in LABELS} for row in training.ROWS}

    def take(label, row, index):
        program = programs[LABELS.index(label)]
        return training.graft_turn(program, folder, row, f"{label}-{index}")

    training.take_turns(
        rounds, turns, lambda row: f"{row[0]}, {row[1]}x{row[1]}", take, required=LABELS
    )
    lines = []
    for (mode, size, batch, _), found in turns.items():
        kinds = {"later": "all layers"}
        if mode == "frozen":
            kinds = {"first": "frozen, first epoch", "later": "frozen, later epochs"}
        for key, kind in kinds.items():
            times = [[1e3 / turn[key] for turn in found[label]] for label in LABELS]
            lines.append(line(f"training, {kind}, {size}x{size}, batch {batch}", *times)[0])
    return lines


def main():
    root = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
    parser = argparse.ArgumentParser(prog="tools/benchmark versions", description=__doc__)
    parser.add_argument("--before", required=True, help="the other build's program graft")
    parser.add_argument("--graft", default=os.path.join(root, ".build", "release", "graft"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="short turns, two rounds")
    options = parser.parse_args()
    rounds = 2 if options.quick else max(1, options.rounds)
    programs = [os.path.abspath(program) for program in (options.before, options.graft)]
    build = os.path.join(root, ".build", "benchmark")
    os.makedirs(build, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build) as folder:
        os.environ["GRAFT_HOME"] = os.path.join(folder, "home")
        # What is measured is printed at once: the rest takes a while, and can fail.
        print(training.heading(machine.describe(), rounds))
        print("\n| work | before | now | ratio | spread before | spread now |")
        print("| --- | ---: | ---: | ---: | ---: | ---: |", flush=True)
        lines = inference(programs, build, rounds, 0.2 if options.quick else 0.5)
        print("\n".join(lines), flush=True)
        print("\n".join(trained(programs, folder, rounds)))


if __name__ == "__main__":
    sys.exit(main())
