"""Exports networks of PyTorch, torchvision, timm and transformers, made here with random weights,
with both of PyTorch's exporters, and compares what Graft computes with PyTorch and onnxruntime.

What an exporter refuses is listed with the reason. Needs the packages of Tests/Interop/torch.txt.
"""

import argparse
import collections
import concurrent.futures
import io
import logging
import multiprocessing
import os
import re
import sys
import tempfile
import time
import traceback
import warnings
import zlib

import numpy as np
import onnx
import onnxruntime
import torch
from torch.utils import _pytree as pytree

import interop
from torch_cases import CASES, DYNAMO, TORCHSCRIPT
import torch_attention  # noqa: F401
import torch_detectors  # noqa: F401
import torch_networks  # noqa: F401
import torch_recurrent  # noqa: F401

EXPORTERS = (TORCHSCRIPT, DYNAMO)


# Exporting


def names_of(sample):
    return [f"input_{index}" for index in range(len(sample))]


def export(case, exporter):
    """The model that an exporter makes of a case."""
    sample = case.samples[0]
    names = names_of(sample)
    options = {"input_names": names, "opset_version": case.opset}
    if exporter == DYNAMO:
        # The networks take a list of inputs.
        is_fixed = case.axes is None or DYNAMO in case.fixed
        shapes = None if is_fixed else (tuple(case.axes),)
        program = torch.onnx.export(
            case.module, sample, dynamo=True, dynamic_shapes=shapes, verbose=False, **options
        )
        return program.model_proto
    axes = None if case.axes is None else dict(zip(names, case.axes))
    file = io.BytesIO()
    torch.onnx.export(case.module, sample, file, dynamo=False, dynamic_axes=axes, **options)
    return onnx.load_from_string(file.getvalue())


def export_once(case, exporter, folder, label):
    """The same, from a folder of earlier exports if there is one."""
    if not folder:
        return export(case, exporter)
    path = os.path.join(folder, label.replace("/", "_"))
    if os.path.exists(f"{path}.txt"):
        with open(f"{path}.txt") as file:
            raise RuntimeError(file.read())
    if not os.path.exists(f"{path}.onnx"):
        try:
            onnx.save(export(case, exporter), f"{path}.onnx")
        except Exception as error:
            with open(f"{path}.txt", "w") as file:
                file.write(one_line(error))
            raise
    return onnx.load(f"{path}.onnx")


def one_line(error):
    # The exporters color and number what they say.
    text = re.sub(r"\x1b\[\d+m", "", str(error))
    _, _, summary = text.partition("## Exception summary")
    return " ".join((summary or text).split())


# Comparing


def flat(outputs):
    """The tensors of whatever a network returns, as arrays."""
    leaves = pytree.tree_leaves(outputs)
    return [leaf.numpy() for leaf in leaves if isinstance(leaf, torch.Tensor)]


def difference(found, expected, tolerance):
    """What is different between two arrays; None if they agree."""
    if found.shape != expected.shape:
        return f"the shape is {list(found.shape)}, not {list(expected.shape)}"
    if found.dtype != expected.dtype:
        return f"the type is {found.dtype}, not {expected.dtype}"
    if expected.dtype.kind != "f":
        count = np.count_nonzero(found != expected)
        return f"{count} of {expected.size} elements differ" if count else None
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    finite = expected[np.isfinite(expected)]
    scale = np.abs(finite).max() if finite.size else 1
    close = np.isclose(found, expected, rtol=0, atol=tolerance * max(scale, 1e-6), equal_nan=True)
    if close.all():
        return None
    worst = np.nanmax(np.where(close, 0, np.abs(found - expected)))
    count = np.count_nonzero(~close)
    return (
        f"{count} of {close.size} elements differ, by up to {worst:.3g} at a scale of {scale:.3g}"
    )


def in_order_of(expected, found, tolerance):
    """Detections, `[N, …]` each, in the order of others: equal scores have no order."""
    counts = {len(array) for array in expected + found}
    if len(counts) != 1:
        return found
    rows = list(range(counts.pop()))
    order = []
    for index in range(len(rows)):

        def distance(row):
            return sum(
                np.abs(a[row].astype(np.float64) - b[index].astype(np.float64)).mean()
                for a, b in zip(found, expected)
            )

        # Only near ones: what is out of order for another reason stays so.
        best = min((row for row in rows[:4]), key=distance)
        rows.remove(best)
        order.append(best)
    return [array[order] for array in found]


def problems(found, expected, case):
    """What is different between two lists of outputs."""
    if len(found) != len(expected):
        return [f"there are {len(found)} outputs, not {len(expected)}"]
    if case.is_detector:
        found = in_order_of(expected, found, case.tolerance)
    compared = [difference(f, e, case.tolerance) for f, e in zip(found, expected)]
    return [f"output {index}: {text}" for index, text in enumerate(compared) if text]


def feeds_of(model, sample):
    given = {name: tensor.numpy() for name, tensor in zip(names_of(sample), sample)}
    # Exporters leave out what a network does not read.
    return {value.name: given[value.name] for value in model.graph.input}


def run_onnxruntime(path, feeds):
    return list(interop.onnxruntime_outputs(path, feeds).values())


def run_graft(path, feeds, outputs):
    values = interop.run_model(path, feeds)
    return [values[name] for name in outputs]


class Report:
    """What a case gave with an exporter."""

    def __init__(self, name, exporter):
        self.label = f"{name} ({exporter})"
        self.problems = []
        self.notes = []
        self.operators = collections.Counter()
        self.is_refused = False


def expect_refusals(model, sample, report, folder):
    """Neither runtime takes a model that is not valid."""
    path = os.path.join(folder, "model.onnx")
    onnx.save(model, path)
    for name, run in (("onnxruntime", interop.onnxruntime_outputs), ("Graft", interop.run_model)):
        if name == "Graft" and not interop.GRAFT:
            continue
        try:
            run(path, feeds_of(model, sample))
            report.problems.append(f"{name} runs what is no valid model")
        except Exception:
            pass


def compare(case, exporter, model, report, folder):
    """Runs a model on all samples."""
    path = os.path.join(folder, "model.onnx")
    onnx.save(model, path)
    names = [output.name for output in model.graph.output]
    samples = case.samples[:1] if exporter in case.fixed else case.samples
    for index, sample in enumerate(samples):
        with torch.no_grad():
            expected = flat(case.module(*sample))
        feeds = feeds_of(model, sample)
        where = f"sample {index + 1}"
        peer = None
        try:
            peer = run_onnxruntime(path, feeds)
            wrong = problems(peer, expected, case)
        except Exception as error:
            wrong = [one_line(error)[:300]]
        if wrong:
            report.notes.append(f"{where}: onnxruntime and PyTorch: {'; '.join(wrong[:2])}")
        if not interop.GRAFT:
            continue
        try:
            found = run_graft(path, feeds, names)
        except Exception as error:
            # Without the command.
            text = one_line(error).partition("exited ")[2] or one_line(error)
            report.problems.append(f"{where}: Graft exits with {text[:300]}")
            continue
        if exporter not in case.differences:
            report.problems += [
                f"{where}, PyTorch: {text}" for text in problems(found, expected, case)[:3]
            ]
        if peer is not None and "onnxruntime" not in case.differences:
            report.problems += [
                f"{where}, onnxruntime: {text}" for text in problems(found, peer, case)[:3]
            ]


def start(graft):
    """Prepares a process that works; what PyTorch prints is not ours."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    interop.GRAFT = graft
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    onnxruntime.set_default_logger_severity(4)
    logging.disable(logging.CRITICAL)


def check(name, exporter, exports):
    """Exports and runs one case; returns its report."""
    report = Report(name, exporter)
    try:
        torch.manual_seed(zlib.crc32(name.encode()))
        case = CASES[name]()
        case.module.eval()
        refusal = case.refusals.get(exporter)
        try:
            model = export_once(case, exporter, exports, report.label)
        except Exception as error:
            text = one_line(error)
            report.is_refused = True
            if refusal is None or refusal not in text:
                report.problems.append(f"is not exported: {text[:700]}")
            else:
                report.notes.append(f"not exported: {text[:200]}")
            return report
        if refusal is not None:
            # What an exporter refuses depends on the packages around it.
            report.notes.append(f"is exported here, elsewhere refused: {refusal}")
        report.operators.update(node.op_type for node in model.graph.node)
        if exporter in case.fixed:
            report.notes.append(f"takes only what was exported: {case.fixed[exporter]}")
        for peer, reason in case.differences.items():
            if peer in (exporter, "onnxruntime"):
                report.notes.append(f"not compared with {peer}: {reason}")
        with tempfile.TemporaryDirectory(prefix="graft-torch-") as folder:
            if exporter in case.invalid:
                report.notes.append(f"not valid: {case.invalid[exporter]}")
                expect_refusals(model, case.samples[0], report, folder)
            else:
                compare(case, exporter, model, report, folder)
    except Exception:
        report.problems.append(traceback.format_exc(limit=-3))
    return report


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graft", help="the graft command; without it only onnxruntime runs")
    parser.add_argument("--operators", action="store_true", help="list the operators of each case")
    parser.add_argument("--exporter", choices=EXPORTERS, action="append")
    parser.add_argument("--jobs", type=int, default=2, help="how many processes work (2)")
    parser.add_argument("--exports", help="a folder that keeps exports for the next time")
    parser.add_argument("names", nargs="*", help="only cases whose names contain one of these")
    arguments = parser.parse_args()
    started = time.time()
    graft = os.path.abspath(arguments.graft) if arguments.graft else ""
    chosen = [
        (name, exporter)
        for name in CASES
        for exporter in arguments.exporter or EXPORTERS
        if not arguments.names or any(part in name for part in arguments.names)
    ]
    passed = failed = refused = 0

    def processes(count, **options):
        context = multiprocessing.get_context("spawn")
        return concurrent.futures.ProcessPoolExecutor(count, context, start, (graft,), **options)

    with (
        interop.private_home(),
        processes(arguments.jobs) as pool,
        processes(1, max_tasks_per_child=1) as fresh,
    ):
        tasks = [pool.submit(check, *each, arguments.exports) for each in chosen]
        for each, task in zip(chosen, tasks):
            report = task.result()
            if report.is_refused and report.problems:
                # What one export leaves behind in PyTorch can stop another.
                report = fresh.submit(check, *each, None).result()
                report.notes.append("exported again, in a process of its own")
            if arguments.operators and report.operators:
                counts = ", ".join(f"{n} {name}" for name, n in sorted(report.operators.items()))
                print(f"{report.label}: {counts}")
            for line in report.notes + report.problems:
                print(f"{report.label}: {line}")
            failed += bool(report.problems)
            refused += report.is_refused and not report.problems
            passed += not report.problems and not report.is_refused
            sys.stdout.flush()
    print(f"({time.time() - started:.0f} s)")
    print(f"{refused} cases are not exported, for the reasons above.")
    print(f"PyTorch interop: {passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
