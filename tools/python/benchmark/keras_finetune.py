"""Repeats runs of `graft finetune` with VGG16 in Keras, and compares the results.

    tools/benchmark keras RUN… --weights WEIGHTS [--steps N] [--json FILE]

RUN is the folder of a run that ended, or of a cross-validation (`graft finetune --cross-validate
5`), which stands for its folds. WEIGHTS are those that the run began with: a Keras HDF5 file, or an
ONNX file that Graft wrote. Images are read where split.csv says: start it where Graft was started,
if that has relative paths.

Keras begins with the same weights, prepares the same images in the same way, and goes through the
phases of the recipe. Printed is how each phase did on the test images beside what Graft came to;
for several runs a table by run, and the mean difference of each phase in points.

`--steps N` compares the losses of each phase's first N steps, too, which takes a run that left
nothing to chance: with `--no-shuffle`, and a head without dropout. The exit code is 1 if one
differs by more than `--tolerance`, relative to Graft's, and 2 if a run cannot be repeated.

`--double` lets Keras compute in double precision, slowly: where Graft and Keras differ, the one
that is nearer to that is right.

With shuffling, Keras draws an order of its own: accuracies can be compared then, not losses of
steps.
"""

import argparse
import json
import sys

import numpy as np

from benchmark.keras_run.graft_run import Unusable, runs_in
from benchmark.keras_run.network import TrunkWeights, keras
from benchmark.keras_run.images import Preparation, PreparedImages
from benchmark.keras_run.training import repeat


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folders of runs")
    parser.add_argument("--weights", required=True, help="of the trunk: HDF5 or ONNX")
    parser.add_argument("--steps", type=int, default=0, help="compare losses of so many steps")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="of these losses (1e-4)")
    parser.add_argument("--double", action="store_true", help="let Keras compute in double")
    parser.add_argument("--json", metavar="FILE", help="write the figures there, too")
    return parser.parse_args()


def compare_steps(run, ours, count):
    """For each phase its losses, and their largest difference, relative to Graft's."""
    comparisons = []
    for number in ours.steps:
        of_graft = np.array(run.steps[number][:count])
        of_keras = np.array(ours.steps[number][:count])
        if len(of_graft) != len(of_keras):
            raise Unusable(f"{run.folder}: phase {number} has {len(run.steps[number])} steps")
        if not len(of_graft):
            continue
        differences = np.abs(of_keras - of_graft) / np.abs(of_graft)
        comparisons.append(
            {
                "phase": number,
                "compared": len(of_graft),
                "largest_relative_difference": float(differences.max()),
                "at_step": int(differences.argmax()) + 1,
                "graft": of_graft.tolist(),
                "keras": of_keras.tolist(),
            }
        )
    return comparisons


def compare_results(run, ours):
    return [
        {
            "phase": number,
            "graft": vars(run.results[number]),
            "keras": vars(result),
            "difference_in_points": 100 * (result.accuracy - run.results[number].accuracy),
        }
        for number, result in ours.results.items()
        if number in run.results
    ]


def print_table(entries):
    """A line for each run and phase, and the mean of each phase below."""
    width = max(len(entry["folder"]) for entry in entries)
    print(f"{'run':{width}}  phase  accuracy: Graft    Keras  difference    loss: Graft     Keras")
    for entry in entries:
        for phase in entry["phases"]:
            of_graft, of_keras = phase["graft"], phase["keras"]
            print(
                f"{entry['folder']:{width}}  {phase['phase']:5}  "
                f"{100 * of_graft['accuracy']:13.2f} % {100 * of_keras['accuracy']:6.2f} % "
                f"{phase['difference_in_points']:+11.2f}  "
                f"{of_graft['loss']:11.6f} {of_keras['loss']:9.6f}"
            )


def phase_means(entries):
    means = []
    for number in sorted({phase["phase"] for entry in entries for phase in entry["phases"]}):
        phases = [
            phase for entry in entries for phase in entry["phases"] if phase["phase"] == number
        ]
        means.append(
            {
                "phase": number,
                "runs": len(phases),
                "graft_accuracy": float(np.mean([phase["graft"]["accuracy"] for phase in phases])),
                "keras_accuracy": float(np.mean([phase["keras"]["accuracy"] for phase in phases])),
                "difference_in_points": float(
                    np.mean([phase["difference_in_points"] for phase in phases])
                ),
            }
        )
    return means


def print_means(means):
    for mean in means:
        print(
            f"phase {mean['phase']}, mean of {mean['runs']} runs: "
            f"Graft {100 * mean['graft_accuracy']:.2f} %, "
            f"Keras {100 * mean['keras_accuracy']:.2f} %, "
            f"difference {mean['difference_in_points']:+.2f} points"
        )


def print_steps(entries):
    for entry in entries:
        for steps in entry["steps"]:
            print(
                f"{entry['folder']}: phase {steps['phase']}, losses of {steps['compared']} steps: "
                f"largest relative difference {steps['largest_relative_difference']:.2e} "
                f"(step {steps['at_step']})"
            )


def check(run, steps):
    if not run.is_finished:
        raise Unusable(f"{run.folder}: the run did not come to its end")
    if steps and (run.shuffles or run.has_dropout):
        chance = "shuffles its images" if run.shuffles else "has dropout in its head"
        raise Unusable(f"{run.folder}: losses of steps cannot be compared: the run {chance}")


def prepare_all(runs, weights):
    """The images of all runs, those that are prepared in the same way together."""
    groups = {}
    for run in runs:
        groups.setdefault(Preparation.of(run.recipe, weights.metadata), []).append(run)
    for preparation, group in groups.items():
        paths = [path for run in group for part in run.parts.values() for path in part[0]]
        images = PreparedImages(preparation, paths)
        print(f"{len(images.numbers)} images: {preparation}", file=sys.stderr)
        for run in group:
            yield run, images


def main():
    arguments = parse()
    runs = runs_in(arguments.runs)
    for run in runs:
        check(run, arguments.steps)
    if arguments.double:
        keras.config.set_floatx("float64")
    weights = TrunkWeights(arguments.weights)
    entries = []
    for run, images in prepare_all(runs, weights):
        ours = repeat(
            run,
            images,
            weights,
            lambda text: print(f"{run.folder}: {text}", file=sys.stderr, flush=True),
        )
        entries.append(
            {
                "folder": str(run.folder),
                "phases": compare_results(run, ours),
                "steps": compare_steps(run, ours, arguments.steps),
            }
        )
    print_table(entries)
    means = phase_means(entries)
    if len(entries) > 1:
        print_means(means)
    print_steps(entries)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"runs": entries, "means": means}, file, indent=1)
    differences = [
        steps["largest_relative_difference"] for entry in entries for steps in entry["steps"]
    ]
    return 1 if max(differences, default=0) > arguments.tolerance else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Unusable as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
