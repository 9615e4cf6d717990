"""What the commands for one kind of work share: options, turns, and a line a work."""

import argparse
import os
import tempfile

from benchmark import machine, training
from benchmark.interleave import measure_groups


def compare(command, description, groups, precision="f32"):
    """Measures `groups(folder, program)`, which is two contenders by work, and prints a ratio each.

    The second contender is Graft, the first what it is measured beside. Returns an exit code.
    """
    root = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
    parser = argparse.ArgumentParser(prog=f"tools/benchmark {command}", description=description)
    parser.add_argument("--graft", default=os.path.join(root, ".build", "release", "graft"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="short turns, two rounds")
    options = parser.parse_args()
    rounds = 2 if options.quick else max(1, options.rounds)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GRAFT_HOME"] = os.path.join(folder, "home")
        seconds = 0.2 if options.quick else 0.5
        works = groups(folder, os.path.abspath(options.graft))
        results = measure_groups(works, {}, rounds, seconds, precision)
    print(training.heading(machine.describe(), rounds) + "\n")
    absent = 0
    for work, result in results.items():
        for label, reason in result["absent"].items():
            print(f"{work}: {label}: {reason}")
            absent += 1
        times = result["medians_ms"]
        if not result["absent"]:
            first, second = (times[contender.label] for contender in works[work])
            figures = ", ".join(f"{label} {time:.3g} ms" for label, time in times.items())
            print(f"{work}: {figures}, ratio {second / first:.2f}")
    return int(bool(absent))
