"""The rows of the report: the measurement of each, and its target.

A row's result has `lines` for the table (`work`, `graft`, `beside`, `value`, `limit`, `unit`,
`reached`, or a `note` instead of the value), and what was measured to get there.
"""

import math
import os
import re
import shutil
import subprocess

from benchmark import accuracy, machine, models, sequence_models, startup
from benchmark.contenders import Graft, Peer
from benchmark.interleave import measure, measure_groups

ROWS = {}


def row(function):
    ROWS[function.__name__.replace("_", "-")] = function
    return function


class Setting:
    """The context of a row: the program, the folder to work in, how long to measure."""

    def __init__(self, graft, root, folder, missing, rounds, quick):
        self.graft, self.root, self.folder, self.missing = graft, root, folder, missing
        self.rounds, self.quick = rounds, quick
        self.seconds = 0.3 if quick else 1.0

    def models(self):
        """The folder of models that later runs use, too."""
        return os.path.join(os.path.dirname(self.folder), "models")

    def vgg16(self):
        return models.vgg16(self.models())

    def measure(self, contenders, precision="f32"):
        return measure(contenders, self.missing, self.rounds, self.seconds, precision)

    def supports(self, command, option):
        text = subprocess.run([self.graft, command, "--help"], capture_output=True, text=True)
        return option in text.stdout


def line(work, value=None, limit=None, at_least=False, **others):
    """A line of the table; without a value it says why in `note`."""
    reached = None
    if value is not None and limit is not None:
        reached = value >= limit if at_least else value <= limit
    return {
        "work": work, "value": value, "limit": limit, "at_least": at_least, "reached": reached,
        **others,
    }  # fmt: skip


def beside(work, result, peer, limit, own="Graft"):
    """The line of a ratio of two medians of one run."""
    medians = result["medians_ms"]
    for name in (own, peer):
        if name not in medians:
            return line(work, limit=limit, of=peer, note=f"{name}: {result['absent'][name]}")
    return line(
        work, medians[own] / medians[peer], limit, of=peer,
        graft=f"{medians[own]:.4g} ms", beside=f"{medians[peer]:.4g} ms",
    )  # fmt: skip


def _vgg16(setting, work, names, limits, batch=1, threads=2):
    """VGG16 beside peers, in ms an image."""
    model = setting.vgg16()
    contenders = [Graft(setting.graft, model, batch, threads)]
    contenders += [Peer(name, model, batch, threads) for name in names]
    result = setting.measure(contenders)
    for label in result["medians_ms"]:
        result["medians_ms"][label] /= batch
        for kind in ("rounds_ms", "disturbed_ms"):
            result[kind][label] = [time / batch for time in result[kind][label]]
    result["lines"] = [beside(work, result, peer, limit) for peer, limit in limits.items()]
    return result


@row
def vgg16(setting):
    names = ("onnxruntime", "ncnn", "OpenVINO", "PyTorch", "Keras")
    return _vgg16(setting, "VGG16, batch 1", names, {"onnxruntime": 0.42, "ncnn": 0.60})


@row
def vgg16_batch16(setting):
    names = ("onnxruntime", "OpenVINO", "PyTorch", "Keras")
    return _vgg16(setting, "VGG16, batch 16", names, {"onnxruntime": 0.27}, batch=16)


@row
def vgg16_thread1(setting):
    names = ("onnxruntime", "ncnn", "OpenVINO", "PyTorch", "Keras")
    limits = {"onnxruntime": 0.42}
    return _vgg16(setting, "VGG16, 1 thread", names, limits, threads=1)


@row
def threads(setting):
    work, model = "VGG16, 2 threads against 1", setting.vgg16()
    if len(machine.cores(2)) < 2:
        note = "only one processor here"
        return {"lines": [line(work, limit=1.85, at_least=True, note=note)]}
    one, two = (
        Graft(setting.graft, model, threads=count, label=label)
        for count, label in ((1, "Graft, 1 thread"), (2, "Graft, 2 threads"))
    )
    result = setting.measure([one, two])
    medians = result["medians_ms"]
    figures = [medians[label] for label in (one.label, two.label)]
    result["lines"] = [
        line(
            work, figures[0] / figures[1], 1.85, at_least=True, unit=" times",
            graft=f"{figures[1]:.4g} ms", beside=f"{figures[0]:.4g} ms", of="1 thread",
        )
    ]  # fmt: skip
    return result


@row
def light(setting):
    """All models twice: with the best instructions, and with Graft held to AVX2."""
    limited, groups = "Graft, AVX2", {}
    for name in models.LIGHT:
        path = models.light(name)
        groups[name] = [
            Graft(setting.graft, path),
            Graft(setting.graft, path, isa="avx2", label=limited),
            Peer("onnxruntime", path),
        ]
    measured = measure_groups(groups, setting.missing, setting.rounds, setting.seconds / 2)
    result = {"models": measured, "lines": []}
    for key in ("turns", "disturbed_turns"):
        result[key] = sum(part[key] for part in measured.values())
    for own, title, limit in (("Graft", "9 light models", 0.75), (limited, "the same, AVX2", 1.3)):
        ratios = {}
        for name, part in measured.items():
            medians = part["medians_ms"]
            if own in medians and "onnxruntime" in medians:
                ratios[name] = medians[own] / medians["onnxruntime"]
        if len(ratios) < len(models.LIGHT):
            absent = ", ".join(name for name in models.LIGHT if name not in ratios)
            result["lines"].append(line(title, limit=limit, note=f"not measured: {absent}"))
            continue
        mean = math.exp(sum(map(math.log, ratios.values())) / len(ratios))
        work = f"{title}, geometric mean"
        result["lines"].append(line(work, mean, limit, of="onnxruntime"))
        if own == "Graft":
            worst = max(ratios, key=ratios.get)
            work = f"{title}, the slowest ({worst})"
            result["lines"].append(line(work, ratios[worst], 1.0, of="onnxruntime"))
    return result


def _beside_onnxruntime(setting, works):
    """Models by what they do, each with its path and target, in rounds beside onnxruntime."""
    groups = {
        work: [Graft(setting.graft, path), Peer("onnxruntime", path)]
        for work, (path, _) in works.items()
    }
    measured = measure_groups(groups, setting.missing, setting.rounds, setting.seconds / 2)
    result = {"models": measured, "lines": []}
    for key in ("turns", "disturbed_turns"):
        result[key] = sum(part[key] for part in measured.values())
    for work, (_, limit) in works.items():
        result["lines"].append(beside(work, measured[work], "onnxruntime", limit))
    return result


@row
def recurrent(setting):
    folder = setting.models()
    works = {
        f"{cell} of {sequence_models.UNITS} units, {sequence_models.STEPS} steps, batch {batch}": (
            sequence_models.recurrent(folder, cell, batch),
            0.8,
        )
        for cell in ("LSTM", "GRU")
        for batch in (1, 32)
    }
    works["voice activity, one frame"] = sequence_models.voice_activity(folder), 0.7
    return _beside_onnxruntime(setting, works)


@row
def transformers(setting):
    works = {
        f"{name}'s encoder, sequence {sequence_models.SEQUENCE}": (
            sequence_models.encoder(setting.models(), name),
            0.9,
        )
        for name in sequence_models.ENCODERS
    }
    return _beside_onnxruntime(setting, works)


@row
def bf16(setting):
    work, of = "VGG16, bf16", "OpenVINO"
    amx = "amx_bf16" in machine.cpu_flags()
    work += " with AMX" if amx else " (no AMX here)"
    if not setting.supports("benchmark", "--precision"):
        return {"lines": [line(work, limit=0.95, of=of, note="Graft does not offer it yet")]}
    model = setting.vgg16()
    own = Graft(setting.graft, model, arguments=["--precision", "bf16"])
    result = setting.measure([own, Peer(of, model, precision="bf16")], precision="bf16")
    result["lines"] = [beside(work, result, of, 0.95)]
    return result


@row
def infer(setting):
    result = startup.measure(setting)
    second, first = result["graft"]["second"], result["graft"]["first"]
    script = result["onnxruntime"]
    peak = max(first["megabytes"], second["megabytes"])
    result["lines"] = [
        line(
            "`infer`, VGG16, second start", second["seconds"],
            0.40, unit=" s", graft=f"{second['seconds']:.2f} s (first {first['seconds']:.2f} s)",
            beside=f"{script['seconds']:.2f} s", of="script",
        ),
        line(
            "its peak memory, any start", peak, 700, unit=" MB",
            graft=f"{second['megabytes']:.0f} MB (first {first['megabytes']:.0f} MB)",
            beside=f"{script['megabytes']:.0f} MB", of="script",
        ),
    ]  # fmt: skip
    return result


@row
def precision(setting):
    result = accuracy.measure(setting)
    layers = result["graft"]["layers"]
    worst = max(layers, key=layers.get)
    of, peer = "onnxruntime", result["onnxruntime"]
    result["lines"] = [
        line(
            "error: logits", result["graft"]["logits"], 1e-5, of=of,
            graft=f"{result['graft']['logits']:.2e}", beside=f"{peer['logits']:.2e}",
        ),
        line(
            f"error: worst layer ({worst})", layers[worst], 5e-6, of=of,
            graft=f"{layers[worst]:.2e}", beside=f"{peer['layers'][worst]:.2e}",
        ),
    ]  # fmt: skip
    if "graft_bf16" in result:
        error = result["graft_bf16"]["logits"]
        result["lines"].append(line("error: logits in bf16", error, graft=f"{error:.2e}"))
    return result


@row
def steady(setting):
    """From tests: nothing is allocated, and memory does not grow."""
    names = []
    if shutil.which("swift"):
        # Tests are built with other flags, so in a folder of their own.
        scratch = os.path.join(setting.root, ".build", "benchmark", "tests")
        command = ["swift", "test", "-c", "release", "--package-path", setting.root]
        command += ["--scratch-path", scratch]
        finished = subprocess.run(
            [*command, "--filter", "steadyState"], capture_output=True, text=True
        )
        pattern = (
            r"^([✔✘]) Test (steadyState\w+)\(.*?\)(?: with \d+ test cases?)? (?:passed|failed) "
        )
        names = re.findall(pattern, finished.stdout, re.MULTILINE)
    lines = []
    for work, word in (("no allocation", "Allocat"), ("memory does not grow", "Grow")):
        found = [mark == "✔" for mark, name in names if word in name]
        note = f"{sum(found)} of {len(found)} tests passed" if found else "no test was run"
        work = f"{work} (tests `steadyState…{word}…`)"
        lines.append({**line(work, note=note), "reached": all(found) if found else None})
    return {"lines": lines, "tests": names}
