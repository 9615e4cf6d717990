"""graft convert: every model that runs is written again, and gives the same bits.

Real models, and cases of ONNX's backend test suite: all with sequences, optionals, maps, strings,
bodies, ai.onnx.ml and quantization, and some of the others. What is written must pass ONNX's
checker, give the same bits in Graft, and the same numbers as the original in onnxruntime.
"""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys

import numpy
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/python"))

import conformance  # noqa: E402

# The extents of inputs that a model leaves open, in order; others are 1.
EXTENTS = {
    "yunet_s_dynamic": [1, 64, 96],
    "ch_PP-OCRv4_det_infer": [1, 64, 96],
    "ch_PP-OCRv4_rec_infer": [1, 48, 80],
    "ch_ppocr_mobile_v2.0_cls_infer": [2, 48, 192],
    "silero_vad": [1, 512, 1],
    "minilm-int8": [2, 7],
}
NUMBERS = {"sr": 16000, "score_threshold": 0.5}


def opset_of(model):
    return {entry.domain or "": entry.version for entry in model.opset_import}


def inputs_of(path, model):
    """Values for the inputs of a model of tensors, by name."""
    stored = {i.name for i in model.graph.initializer}
    generator = numpy.random.default_rng(1)
    values = {}
    for info in model.graph.input:
        if info.name in stored:
            continue
        tensor = info.type.tensor_type
        kind = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        open_extents = iter(EXTENTS.get(path.stem, EXTENTS.get(path.parent.name, [])))
        shape = [
            d.dim_value if d.dim_value > 0 else next(open_extents, 1) for d in tensor.shape.dim
        ]
        if info.name in NUMBERS:
            values[info.name] = numpy.full(shape, NUMBERS[info.name], kind)
        elif kind.kind == "f":
            values[info.name] = generator.random(shape).astype(kind)
        else:
            values[info.name] = generator.integers(0, 2, shape).astype(kind)
    return values


def write_inputs(folder, values):
    folder.mkdir()
    for position, value in enumerate(values.values()):
        (folder / f"input_{position}.pb").write_bytes(
            numpy_helper.from_array(value).SerializeToString()
        )


# Run in another process, since a crash of onnxruntime must not end the tests: for each line
# {model, inputs, output} the outputs, as files, or the reason why there are none.
ORT = """
import json, os, pickle, sys
sys.path.insert(0, sys.argv[1])
import conformance, numpy, onnx, onnxruntime
onnxruntime.set_default_logger_severity(4)
for line in sys.stdin:
    job = json.loads(line)
    model = onnx.load(job["model"], load_external_data=False)
    stored = {i.name for i in model.graph.initializer}
    try:
        feeds = {}
        declared = [i for i in model.graph.input if i.name not in stored]
        for position, info in enumerate(declared):
            path = os.path.join(job["inputs"], f"input_{position}.pb")
            value = conformance.load_proto(path, info.type)
            feeds[info.name] = value
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(
            job["model"], options, providers=["CPUExecutionProvider"])
        result = session.run(None, feeds)
    except Exception as error:
        result = str(error)[:300]
    with open(job["output"], "wb") as file:
        pickle.dump(result, file)
    print(json.dumps(job["output"]), flush=True)
"""


def run_onnxruntime(jobs):
    """The outputs of models in onnxruntime; a text where there are none."""
    import pickle

    waiting = list(jobs)
    while waiting:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", ORT, str(ROOT / "tools/python")],
            input="\n".join(json.dumps(job) for job in waiting) + "\n",
            capture_output=True,
            text=True,
            timeout=600,
        )
        finished = len([line for line in done.stdout.splitlines() if line.startswith('"')])
        # The one that crashed is left out.
        waiting = waiting[finished + 1 :] if finished < len(waiting) else []
    results = []
    for job in jobs:
        path = pathlib.Path(job["output"])
        results.append(pickle.loads(path.read_bytes()) if path.exists() else "crashed")
    return results


def differences(first, second):
    """How much two values of onnxruntime differ, in words; None if they do not."""
    if isinstance(first, list):
        if not isinstance(second, list) or len(first) != len(second):
            return "sequences of different lengths"
        return next(filter(None, map(differences, first, second)), None)
    if isinstance(first, dict):
        if not isinstance(second, dict) or list(first) != list(second):
            return "maps of different keys"
        return next(filter(None, map(differences, first.values(), second.values())), None)
    if first is None or second is None:
        return None if first is second else "one is empty"
    first, second = numpy.asarray(first), numpy.asarray(second)
    if first.dtype != second.dtype or first.shape != second.shape:
        return f"{first.dtype}{first.shape}, then {second.dtype}{second.shape}"
    if first.dtype.kind in "fc":
        same = numpy.allclose(first, second, rtol=1e-4, atol=1e-5, equal_nan=True)
    else:
        same = numpy.array_equal(first, second)
    return None if same else "other numbers"


class Trip:
    """A model with inputs, in a folder of its own, and what comes of converting it."""

    def __init__(self, name, model, inputs, folder):
        self.name = name
        self.model = pathlib.Path(model)
        self.inputs = pathlib.Path(inputs)
        self.folder = pathlib.Path(folder)
        self.converted = self.folder / "converted.onnx"
        self.problem = None

    def travel(self, graft):
        before, after = self.folder / "before", self.folder / "after"
        for model, outputs in [(self.model, before), (self.converted, after)]:
            if model == self.converted:
                result = graft("convert", self.model, model)
                if result.status != 0:
                    return f"convert: {result.errors}"
                try:
                    onnx.checker.check_model(str(model), full_check=False)
                except onnx.checker.ValidationError as error:
                    return f"checker: {error}"
            outputs.mkdir()
            result = graft(
                "run",
                model,
                "--input-dir",
                self.inputs,
                "--output-dir",
                outputs,
                "--no-cache",
                timeout=600,
            )
            if result.status != 0:
                return f"run {model.name}: {result.errors}"
        names = sorted(path.name for path in before.iterdir())
        if names != sorted(path.name for path in after.iterdir()) or not names:
            return "other outputs"
        for name in names:
            if (before / name).read_bytes() != (after / name).read_bytes():
                return f"{name} has other bits"
        return None


# What onnxruntime runs as the suite has it, but not as Graft writes it, which the checker accepts.
REFUSED_AGAIN = {
    "test_max_float64",  # It has no Max of doubles before opset 8.
}


def check(graft, trips):
    """Converts models and compares; onnxruntime compares those that it runs."""

    def travel(trip):
        trip.problem = trip.travel(graft)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(travel, trips))
    good = [trip for trip in trips if trip.problem is None]
    jobs = [
        {"model": str(model), "inputs": str(trip.inputs), "output": f"{model}.{number}.outputs"}
        for number, trip in enumerate(good)
        for model in (trip.model, trip.converted)
    ]
    for job in jobs:
        job["output"] = str(pathlib.Path(job["inputs"]).parent / (pathlib.Path(job["output"]).name))
    results = run_onnxruntime(jobs)
    compared = 0
    for trip, first, second in zip(good, results[::2], results[1::2]):
        if isinstance(first, str):
            continue
        compared += 1
        if trip.name in REFUSED_AGAIN and isinstance(second, str):
            continue
        difference = second if isinstance(second, str) else differences(first, second)
        if difference:
            trip.problem = f"onnxruntime: {difference}"
    problems = [f"{trip.name}: {trip.problem}" for trip in trips if trip.problem]
    assert not problems, "\n".join(problems)
    return compared


def real_models():
    folders = []
    if data := os.environ.get("GRAFT_TEST_DATA"):
        folders.append(pathlib.Path(data) / "onnx")
    if packages := os.environ.get("GRAFT_MODEL_PACKAGES"):
        folders.append(pathlib.Path(packages))
    return sorted(path for folder in folders for path in folder.rglob("*.onnx"))


def test_real_models(graft, tmp_path):
    paths = real_models()
    if not paths:
        pytest.skip("neither GRAFT_TEST_DATA nor GRAFT_MODEL_PACKAGES is set")
    trips = []
    for number, path in enumerate(paths):
        folder = tmp_path / str(number)
        folder.mkdir()
        model = onnx.load(path, load_external_data=False)
        write_inputs(folder / "inputs", inputs_of(path, model))
        trips.append(Trip(f"{path.parent.name}/{path.name}", path, folder / "inputs", folder))
    assert check(graft, trips) > len(trips) // 2


SPECIAL = {"If", "Loop", "Scan", "SequenceMap"}
QUANTIZED = {"ConvInteger", "DequantizeLinear", "DynamicQuantizeLinear", "MatMulInteger",
             "QLinearConv", "QLinearMatMul", "QuantizeLinear"}  # fmt: skip
# Without a seed, each run draws other numbers.
RANDOM = {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform",
          "RandomUniformLike"}  # fmt: skip


def is_special(case):
    """Whether a case has values or operators of a kind that few models have."""
    graph = case.model.graph
    kinds = [info.type for info in [*graph.input, *graph.output]]
    if any(kind.WhichOneof("value") != "tensor_type" for kind in kinds):
        return True
    if any(kind.tensor_type.elem_type == TensorProto.STRING for kind in kinds):
        return True
    names = conformance.operators(case)
    return bool(names & (SPECIAL | QUANTIZED)) or any("." in name for name in names)


def test_cases_of_the_suite(graft, tmp_path):
    cases = [case for case in conformance.load_model_tests(kind="node") if case.model is not None]
    cases = [case for case in cases if not conformance.operators(case) & RANDOM]
    chosen = [case for number, case in enumerate(cases) if is_special(case) or number % 25 == 0]
    trips = []
    for case in chosen:
        folder = tmp_path / case.name
        folder.mkdir()
        conformance.write_node_case(case, str(folder))
        inputs = folder / "test_data_set_0"
        if inputs.is_dir():
            trips.append(Trip(case.name, folder / "model.onnx", inputs, folder))
    assert len(trips) > 200
    assert check(graft, trips) > len(trips) // 3


def test_external_data_in_several_files(graft, tmp_path):
    """Weights in two files in subfolders and in the model, and a constant of a body."""
    generator = numpy.random.default_rng(1)
    weights = {name: generator.standard_normal((64, 64)).astype(numpy.float32) for name in "abc"}
    body = helper.make_graph(
        [helper.make_node("MatMul", ["y", "inner"], ["r"])],
        "b",
        [],
        [helper.make_tensor_value_info("r", TensorProto.FLOAT, [1, 64])],
        [numpy_helper.from_array(weights["c"], "inner")],
    )
    other = helper.make_graph(
        [helper.make_node("Identity", ["y"], ["s"])],
        "o",
        [],
        [helper.make_tensor_value_info("s", TensorProto.FLOAT, [1, 64])],
    )
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "a"], ["t"]),
            helper.make_node("MatMul", ["t", "b"], ["y"]),
            helper.make_node("If", ["c"], ["z"], then_branch=body, else_branch=other),
        ],
        "g",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 64]),
            helper.make_tensor_value_info("c", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, 64])],
        [numpy_helper.from_array(weights[name], name) for name in "ab"],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (then_branch,) = (a.g for a in model.graph.node[2].attribute if a.name == "then_branch")
    for tensor, location in [
        (model.graph.initializer[0], "first.bin"),
        (model.graph.initializer[1], "sub/second.bin"),
        (then_branch.initializer[0], "sub/third.bin"),
    ]:
        (source / location).write_bytes(tensor.raw_data)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)
    onnx.save(model, source / "model.onnx")
    x = generator.standard_normal((1, 64)).astype(numpy.float32)
    numpy.save(tmp_path / "x.npy", x)
    for condition in (True, False):
        numpy.save(tmp_path / "c.npy", numpy.array(condition))
        expected = x @ weights["a"] @ weights["b"] @ (weights["c"] if condition else numpy.eye(64))
        for arguments in ([], ["--external-data"]):
            out = tmp_path / f"out{len(arguments)}" / "model.onnx"
            out.parent.mkdir(exist_ok=True)
            result = graft("convert", source / "model.onnx", out, *arguments)
            assert result.status == 0, result.errors
            onnx.checker.check_model(str(out))
            for path in (source / "model.onnx", out):
                result = graft(
                    "run", path, "--input", f"x={tmp_path}/x.npy", "--input",
                    f"c={tmp_path}/c.npy", "--output", tmp_path / "z.npz",
                )  # fmt: skip
                assert result.status == 0, result.errors
                found = numpy.load(tmp_path / "z.npz")["z"]
                numpy.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_inputs_that_are_sequences(graft, tmp_path):
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> '
        "g (seq(float[N]) s, optional(seq(int64[K])) o) => (float[M] y, seq(int64[K]) z) "
        "{ y = ConcatFromSequence<axis = 0>(s)  z = OptionalGetElement(o) }"
    )
    onnx.save(model, tmp_path / "model.onnx")
    assert graft("convert", tmp_path / "model.onnx", tmp_path / "out.onnx").status == 0
    written = onnx.load(tmp_path / "out.onnx")
    onnx.checker.check_model(written, full_check=True)
    assert [i.type for i in written.graph.input] == [i.type for i in model.graph.input]
    assert opset_of(written)[""] == 15
    (tmp_path / "s.json").write_text('{"s": [[1, 2], [3]], "o": [[4], [5]]}')
    for name in ("model", "out"):
        result = graft(
            "run", tmp_path / f"{name}.onnx", "--input", f"s={tmp_path / 's.json'}", "--input",
            f"o={tmp_path / 's.json'}", "--output", tmp_path / f"{name}.json",
        )  # fmt: skip
        assert result.status == 0, result.errors
    outputs = json.loads((tmp_path / "out.json").read_text())
    assert outputs == json.loads((tmp_path / "model.json").read_text())
    assert outputs == {"y": [1, 2, 3], "z": [[4], [5]]}
