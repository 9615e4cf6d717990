"""Measures contenders in turns, so that a change of the machine's speed meets all of them alike."""

import sys
import time

import numpy as np

from benchmark import machine
from benchmark.contenders import Unavailable, median

SETTLE_SECONDS = 0.05
LARGEST_DIFFERENCE = {"f32": 1e-3, "bf16": 5e-2, "int8": 1e-1}
# Work of others during a turn, as a share of a processor, from which the turn is disturbed.
DISTURBANCE = 0.05
REPETITIONS = 2


def _difference(answer, expected):
    expected = expected.astype(np.float64)
    return np.linalg.norm(answer - expected) / np.linalg.norm(expected)


def _start(contenders, missing, precision, absent):
    """Those that start and agree with the first peer; the others go to `absent` with the reason."""
    present, reference = [], None
    for contender in sorted(contenders, key=lambda contender: contender.name == "Graft"):
        try:
            answer = contender.start(missing)
            reference = answer if reference is None else reference
            difference = _difference(answer, reference)
            if not difference <= LARGEST_DIFFERENCE[precision]:
                contender.stop()
                raise Unavailable(f"its answer is off by {difference:.1e}")
            present.append(contender)
        except Unavailable as reason:
            absent[contender.label] = str(reason)
            print(f"  {contender.label}: {reason}", file=sys.stderr)
    return present


def _plans(contenders, seconds):
    """Warm-up and counted runs that take about the given time, for each contender."""
    plans = []
    for contender in contenders:
        runs = int(min(max(seconds * 1e3 / contender.turn(1, 1), 3), 301)) | 1
        plans.append((min(3, max(1, runs // 4)), runs))
    return plans


def _clocks(contender):
    return time.perf_counter(), machine.busy_seconds(), contender.spent


def _turn(contender, plan):
    """A turn's figure, and whether others were at work in it; such a turn is taken again, twice."""
    for _ in range(1 + REPETITIONS):
        time.sleep(SETTLE_SECONDS)
        before = _clocks(contender)
        milliseconds = contender.turn(*plan)
        wall, busy, own = (late - early for early, late in zip(before, _clocks(contender)))
        # Three ticks of the clock are within the error of reading.
        disturbed = busy - own > DISTURBANCE * wall + 0.03
        if not disturbed:
            break
    return milliseconds, disturbed


def measure_groups(groups, missing, rounds, seconds, precision="f32"):
    """What `measure` returns, for several models by name; every round goes through all of them.

    So a slow spell of the machine spoils a round of each model and not all rounds of one.
    """
    results, entries = {}, []
    try:
        for name, contenders in groups.items():
            absent = {}
            present = _start(contenders, missing, precision, absent)
            entries += [(name, contender) for contender in present]
            results[name] = {
                "medians_ms": {},
                "rounds_ms": {contender.label: [] for contender in present},
                "disturbed_ms": {contender.label: [] for contender in present},
                "absent": absent,
                "turns": rounds * len(present),
                "disturbed_turns": 0,
            }
        plans = _plans([contender for _, contender in entries], seconds)
        for index in range(rounds):
            turns = list(zip(entries, plans))
            for (name, contender), plan in turns if index % 2 == 0 else reversed(turns):
                milliseconds, disturbed = _turn(contender, plan)
                results[name]["disturbed_turns"] += disturbed
                kind = "disturbed_ms" if disturbed else "rounds_ms"
                results[name][kind][contender.label].append(milliseconds)
    finally:
        for _, contender in entries:
            contender.stop()
    for (name, contender), (_, runs) in zip(entries, plans):
        results[name].setdefault("runs_a_turn", {})[contender.label] = runs
    for result in results.values():
        for label, times in result["rounds_ms"].items():
            result["medians_ms"][label] = median(times or result["disturbed_ms"][label])
    return results


def measure(contenders, missing, rounds, seconds, precision="f32"):
    """The contenders' medians over all rounds, in ms, and who could not take part.

    A turn takes about the given seconds, at least three runs and at most 301. Disturbed turns count
    only for a contender that had no other.
    """
    return measure_groups({"": contenders}, missing, rounds, seconds, precision)[""]
