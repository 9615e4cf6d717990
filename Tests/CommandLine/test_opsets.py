"""graft convert --opset: a model of an opset is written at it, and at every later one.

For each operator cases of ONNX's backend test suite are written at every opset that has a form of
its own. What comes of them must pass ONNX's checker, give the cases' outputs, and be readable and
writable at its own opset. Cases of one opset are written together, as most of the time goes into
starting processes.
"""

import collections
import dataclasses
import functools
import importlib
import pkgutil
import warnings

import numpy
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, checker, compose, defs, helper, numpy_helper
from onnx.backend.test.case import node as node_cases

NEWEST = 28


@functools.cache
def all_versions():
    """The opsets that changed each operator."""
    found = collections.defaultdict(set)
    for schema in defs.get_all_schemas_with_history():
        if schema.domain == "" and schema.since_version <= NEWEST:
            found[schema.name].add(schema.since_version)
    return {operator: sorted(opsets) for operator, opsets in found.items()}


def versions(operator):
    return all_versions().get(operator, [])


# The modules of ONNX's cases; importing one computes its cases, which is slow for some.
MODULES = {
    module.name.replace("_", ""): module.name
    for module in pkgutil.iter_modules(node_cases.__path__)
}
MODULES["range"] = "rangeop"


@functools.cache
def cases(operator):
    """A few cases of an operator: those with the fewest and the most attributes, and inputs."""
    with warnings.catch_warnings():
        # The cases compute with infinities and the like.
        warnings.simplefilter("ignore")
        importlib.import_module(f"{node_cases.__name__}.{MODULES[operator.lower()]}")
    found = []
    for case in node_cases._NodeTestCases:
        graph = case.model.graph
        if len(graph.node) != 1 or graph.node[0].op_type != operator or graph.node[0].domain:
            continue
        if not case.data_sets:
            continue
        inputs, outputs = case.data_sets[0]
        arrays = [*inputs, *outputs]
        if len(graph.input) != len(inputs) or not all(isinstance(a, numpy.ndarray) for a in arrays):
            continue
        if any(a.dtype.kind not in "fiub" or a.dtype.itemsize > 8 for a in arrays):
            continue
        if any(i.type.tensor_type.elem_type > TensorProto.UINT64 for i in graph.input):
            continue
        found.append(case)
    found.sort(
        key=lambda c: (len(c.model.graph.node[0].attribute), len(c.model.graph.input), c.name)
    )
    return [found[place] for place in sorted({0, len(found) // 2, len(found) - 1})] if found else []


@dataclasses.dataclass(eq=False)
class Sample:
    """A model of a few nodes, its inputs by name, its outputs in order, and the opsets to write it
    at.
    """

    name: str
    model: onnx.ModelProto
    feeds: dict
    outputs: list
    opsets: list

    @property
    def imported(self):
        return opset_of(self.model)


def opset_of(model):
    (version,) = [entry.version for entry in model.opset_import if not entry.domain]
    return version


def place(sample, name):
    """The name of a sample's value in a model of several samples."""
    return f"{sample.name}/{name}" if name else ""


def together(samples):
    """One model of several, beside each other: a process writes them all."""
    model = onnx.ModelProto()
    model.CopyFrom(samples[0].model)
    model.graph.Clear()
    model.graph.name = "samples"
    for sample in samples:
        graph = compose.add_prefix_graph(sample.model.graph, f"{sample.name}/")
        for field in ("node", "input", "output", "initializer", "value_info"):
            getattr(model.graph, field).extend(getattr(graph, field))
    return model


def part(model, sample):
    """A sample's part of a model of several."""
    graph = model.graph
    written = onnx.ModelProto()
    written.CopyFrom(model)
    written.graph.Clear()
    written.graph.name = sample.name
    needed = {place(sample, output.name) for output in sample.model.graph.output}
    written.graph.output.extend(o for o in graph.output if o.name in needed)
    nodes = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            nodes.append(node)
            needed.update(node.input)
    written.graph.node.extend(reversed(nodes))
    mine = {place(sample, name) for name in sample.feeds}
    written.graph.input.extend(i for i in graph.input if i.name in mine)
    written.graph.initializer.extend(i for i in graph.initializer if i.name in needed)
    return written


def outputs_of(graft, path, samples, folder):
    """onnxruntime's outputs for each sample; Graft's where it has no kernel."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    model = onnx.load(path)
    results, left = {}, []
    for sample in samples:
        names = [place(sample, output.name) for output in sample.model.graph.output]
        feeds = {place(sample, name): value for name, value in sample.feeds.items()}
        try:
            text = part(model, sample).SerializeToString()
            session = onnxruntime.InferenceSession(
                text, options, providers=["CPUExecutionProvider"]
            )
            results[sample] = session.run(names, feeds)
        except Exception:
            left.append((sample, names, feeds))
    if left:
        arguments = []
        # All inputs of the model must be given.
        for sample in samples:
            for name, value in sample.feeds.items():
                file = folder / f"feed{len(arguments)}.npy"
                numpy.save(file, value)
                arguments += ["--input", f"{place(sample, name)}={file}"]
        result = graft("run", path, *arguments, "--output", folder / "outputs.npz")
        assert result.status == 0, result.errors
        with numpy.load(folder / "outputs.npz") as outputs:
            for sample, names, _ in left:
                results[sample] = [outputs[name] for name in names]
    return results


def write(graft, samples, opset, folder):
    """Writes samples of one opset at another and looks at what comes of them; returns those that
    took it.

    Only what cannot be written together is written by itself.
    """
    source, path, again = (folder / f"{name}.onnx" for name in ("source", "written", "again"))
    onnx.save(together(samples), source)
    result = graft("convert", source, path, "--opset", opset)
    if result.status != 0 and len(samples) > 1:
        half = len(samples) // 2
        halves = samples[:half], samples[half:]
        return [sample for some in halves for sample in write(graft, some, opset, folder)]
    names = ", ".join(sample.name for sample in samples)
    if result.status != 0:
        # Scan of opset 8 has a batch axis, and is read as nodes of opset 9.
        lowest = 9 if "Scan" in result.errors else samples[0].imported
        assert opset < lowest, f"{names} at opset {opset}: {result.errors}"
        assert result.status in (64, 69), f"{names} at opset {opset}: {result.errors}"
        return []
    written = onnx.load(path)
    assert opset_of(written) == opset
    # The function that ONNX has for this one does not hold at the opsets that have the operator.
    infers = all(
        n.op_type != "MeanVarianceNormalization" for s in samples for n in s.model.graph.node
    )
    checker.check_model(written, full_check=infers)
    results = outputs_of(graft, path, samples, folder)
    for sample in samples:
        message = f"{sample.name} at opset {opset}"
        for value, right in zip(results[sample], sample.outputs, strict=True):
            assert value.dtype == right.dtype and value.shape == right.shape, message
            numpy.testing.assert_allclose(value, right, rtol=2e-3, atol=5e-4, err_msg=message)
    # And back: the written model is read, and written at the same opset.
    result = graft("convert", path, again, "--opset", opset)
    assert result.status == 0, f"{names} again at opset {opset}: {result.errors}"
    checker.check_model(onnx.load(again), full_check=infers)
    return samples


def write_at_all(graft, samples, folder):
    """Writes samples of one opset at their opsets, lowest last; returns the opsets of each."""
    taken = {sample: [] for sample in samples}
    for opset in sorted({opset for sample in samples for opset in sample.opsets}, reverse=True):
        wanted = [sample for sample in samples if opset in sample.opsets]
        for sample in write(graft, wanted, opset, folder):
            taken[sample].append(opset)
    return taken


def cannot_be_compared(case):
    """Whether two runs of a case give different outputs (random operators, and Dropout in training
    where it drops something), or onnxruntime is wrong: it ignores MaxUnpool's output shape.
    """
    if case.name.startswith("test_training_dropout"):
        return "zero_ratio" not in case.name
    return case.name.startswith(("test_bernoulli", "test_maxunpool_export_with_output_shape"))


def samples_of(operator):
    for case in cases(operator):
        if cannot_be_compared(case):
            continue
        inputs, outputs = case.data_sets[0]
        feeds = dict(zip((i.name for i in case.model.graph.input), inputs))
        opsets = {*versions(operator), opset_of(case.model), NEWEST}
        yield Sample(case.name, case.model, feeds, outputs, [o for o in opsets if o >= 5])


def write_lowest(graft, samples, folder):
    """Writes samples without an opset; returns those whose operators Graft knows."""
    onnx.save(together(samples), folder / "model.onnx")
    result = graft("convert", folder / "model.onnx", folder / "lowest.onnx")
    assert result.status == 0, result.errors
    if "does not know" not in result.errors:
        return samples
    half = len(samples) // 2
    halves = (samples[:half], samples[half:]) if half > 0 else ()
    return [sample for some in halves for sample in write_lowest(graft, some, folder)]


def portions(count):
    """The operators in portions, those that changed at the same opsets beside each other."""
    operators = [operator for operator in all_versions() if operator.lower() in MODULES]
    operators.sort(key=lambda operator: (versions(operator)[::-1], operator))
    return [operators[start : start + count] for start in range(0, len(operators), count)]


@pytest.mark.parametrize("operators", portions(8), ids=lambda names: f"{names[0]}-{names[-1]}")
def test_every_operator_at_its_opsets(graft, tmp_path, operators):
    by_opset = collections.defaultdict(list)
    for operator in operators:
        for sample in samples_of(operator):
            by_opset[sample.imported].append(sample)
    unknown = set()
    for samples in by_opset.values():
        known = write_lowest(graft, samples, tmp_path)
        unknown |= {s.model.graph.node[0].op_type for s in samples if s not in known}
        write_at_all(graft, known, tmp_path)
    if unknown:
        warnings.warn(f"Graft does not have {', '.join(sorted(unknown))}")


# MARK: Forms that only old opsets have


def model(opset, nodes, inputs, outputs, initializers=()):
    """A model of named arrays; outputs have open shapes of the given rank."""
    graph = helper.make_graph(
        nodes,
        "old",
        [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
            for n, a in inputs.items()
        ],
        [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
            for n, a in outputs.items()
        ],
        [numpy_helper.from_array(a, n) for n, a in initializers],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=4, producer_name="test"
    )


def node(operator, inputs, outputs, **attributes):
    return helper.make_node(operator, inputs.split(), outputs.split(), **attributes)


X = numpy.linspace(-2, 2, 48, dtype=numpy.float32).reshape(2, 3, 2, 4)
C = numpy.array([1, -2, 3], numpy.float32)


def softmax_rows(x, axis):
    rows = numpy.exp(x.reshape(int(numpy.prod(x.shape[:axis])), -1))
    return (rows / rows.sum(axis=1, keepdims=True)).reshape(x.shape)


def old_forms():
    """Name, opset, nodes, inputs, outputs, initializers."""

    def one(opset, operator, attributes, expected, initializers=(), x=X, inputs=None):
        name = f"{operator}-{opset}-" + "-".join(attributes)
        reads = " ".join(["x", *(n for n, _ in initializers)]) if inputs is None else inputs
        return pytest.param(
            opset,
            [node(operator, reads, "y", **attributes)],
            {"x": x},
            {"y": expected},
            initializers,
            id=name,
        )

    c4 = C.reshape(1, 3, 1, 1)
    half = numpy.float32(0.5)
    mean = X.mean(axis=(2, 3), keepdims=True)
    yield one(6, "Add", {"broadcast": 1, "axis": 1}, X + c4, [("c", C)])
    yield one(6, "Sub", {"broadcast": 1, "axis": 1}, X - c4, [("c", C)])
    yield one(1, "Mul", {"broadcast": 1, "axis": 1}, X * c4, [("c", C)])
    yield one(6, "Div", {"broadcast": 1}, X / 2, [("c", numpy.float32([2]))])
    yield one(6, "Add", {"broadcast": 1}, X + X[0, 0], [("c", X[0, 0].copy())])
    yield one(6, "Add", {}, X + X, [("c", X)])
    yield one(6, "Less", {"broadcast": 1, "axis": 1}, X < c4, [("c", C)])
    yield one(6, "Pow", {"broadcast": 1}, X**2, [("c", numpy.float32([2]))])
    yield one(6, "PRelu", {}, numpy.where(X < 0, X * c4, X), [("c", C)])
    yield one(1, "PRelu", {}, numpy.where(X < 0, X / 2, X), [("c", numpy.float32([0.5]))])
    yield one(1, "Reshape", {"shape": [2, 24]}, X.reshape(2, 24))
    yield one(5, "Reshape", {}, X.reshape(2, 24), [("s", numpy.int64([0, -1]))])
    yield one(1, "Cast", {"to": "INT32"}, X.astype(numpy.int32))
    yield one(6, "Cast", {"to": 6}, X.astype(numpy.int32))
    yield one(
        1,
        "Tile",
        {},
        numpy.tile(X, (1, 2, 1, 1)),
        [("t", numpy.float32(2)), ("a", numpy.float32(1))],
    )
    yield one(6, "Tile", {}, numpy.tile(X, (2, 1, 1, 3)), [("r", numpy.int64([2, 1, 1, 3]))])
    yield one(
        1,
        "Pad",
        {"paddings": [0, 0, 1, 0, 0, 0, 0, 2], "value": 1.5},
        numpy.pad(X, ((0, 0), (0, 0), (1, 0), (0, 2)), constant_values=1.5),
    )
    yield one(
        2,
        "Pad",
        {"pads": [0, 0, 0, 1, 0, 0, 0, 1], "mode": "reflect"},
        numpy.pad(X, ((0, 0), (0, 0), (0, 0), (1, 1)), mode="reflect"),
    )
    yield one(
        10,
        "Pad",
        {"pads": [0, 0, 0, 1, 0, 0, 0, 1], "mode": "edge"},
        numpy.pad(X, ((0, 0), (0, 0), (0, 0), (1, 1)), mode="edge"),
    )
    yield one(6, "Clip", {"min": -0.5, "max": 1.0}, X.clip(-0.5, 1))
    yield one(6, "Clip", {}, X)
    yield one(9, "Clip", {"max": 0.25}, numpy.minimum(X, numpy.float32(0.25)))
    yield one(1, "Slice", {"starts": [1, -3], "ends": [9, -1], "axes": [1, 3]}, X[:, 1:, :, -3:-1])
    yield one(9, "Slice", {"starts": [0, 1], "ends": [1, 3]}, X[0:1, 1:3])
    yield one(
        10,
        "Slice",
        {},
        X[:, :, :, 0:4:2],
        [
            ("s", numpy.int64([0])),
            ("e", numpy.int64([4])),
            ("a", numpy.int64([3])),
            ("t", numpy.int64([2])),
        ],
    )
    yield one(1, "Squeeze", {"axes": [1]}, X[:, 0], x=X[:, :1].copy())
    yield one(11, "Squeeze", {"axes": [-3]}, X[:, 0], x=X[:, :1].copy())
    yield one(1, "Unsqueeze", {"axes": [0, 3]}, X[None].reshape(1, 2, 3, 1, 2, 4))
    for operator, function in [
        ("ReduceMean", numpy.mean),
        ("ReduceSum", numpy.sum),
        ("ReduceMax", numpy.max),
    ]:
        yield one(1, operator, {"axes": [1, 3]}, function(X, axis=(1, 3), keepdims=True))
        yield one(11, operator, {"axes": [-1], "keepdims": 0}, function(X, axis=3))
        yield one(
            13 if operator != "ReduceSum" else 12,
            operator,
            {},
            function(X, axis=(0, 1, 2, 3), keepdims=True),
        )
    yield one(1, "Softmax", {}, softmax_rows(X, 1))
    yield one(11, "Softmax", {"axis": 2}, softmax_rows(X, 2))
    yield one(12, "Softmax", {"axis": -1}, softmax_rows(X, 3))
    yield one(12, "Softmax", {"axis": 0}, softmax_rows(X, 0))
    yield one(11, "LogSoftmax", {"axis": 1}, numpy.log(softmax_rows(X, 1)))
    yield one(
        7,
        "AveragePool",
        {"kernel_shape": [2, 2]},
        (X[:, :, :1, :-1] + X[:, :, :1, 1:] + X[:, :, 1:, :-1] + X[:, :, 1:, 1:]) / 4,
    )
    yield one(1, "MaxPool", {"kernel_shape": [2, 2]}, X[:, :, 1:, 1:])
    yield one(8, "MaxPool", {"kernel_shape": [1, 2], "strides": [1, 2]}, X[:, :, :, 1::2])
    yield one(1, "LpPool", {"kernel_shape": [1, 1], "p": 2.0}, abs(X))
    yield one(2, "LpPool", {"kernel_shape": [1, 1], "p": 1}, abs(X))
    yield one(1, "GlobalLpPool", {"p": 1.0}, abs(X).sum(axis=(2, 3), keepdims=True))
    yield one(1, "GlobalAveragePool", {}, mean)
    normal = [("s", C), ("b", C), ("m", C), ("v", abs(C))]
    right = c4 * (X - c4) / numpy.sqrt(abs(c4) + numpy.float32(1e-5)) + c4
    yield one(7, "BatchNormalization", {}, right, normal)
    yield one(9, "BatchNormalization", {"momentum": 0.5}, right, normal)
    yield one(6, "BatchNormalization", {"is_test": 1}, right, normal)
    yield one(
        1, "BatchNormalization", {"is_test": 1, "consumed_inputs": [0, 0, 0, 1, 1]}, right, normal
    )
    spatial = [(n, numpy.broadcast_to(a.reshape(3, 1, 1), (3, 2, 4)).copy()) for n, a in normal]
    yield one(7, "BatchNormalization", {"spatial": 0}, right, spatial)
    yield one(6, "BatchNormalization", {"spatial": 0, "is_test": 1}, right, spatial)
    yield one(6, "Dropout", {"is_test": 1, "ratio": 0.3}, X)
    yield one(7, "Dropout", {"ratio": 0.3}, X)
    yield one(10, "Dropout", {}, X)
    yield one(1, "Concat", {}, numpy.concatenate([X, X], axis=1), [("c", X)])
    yield one(4, "Concat", {"axis": 3}, numpy.concatenate([X, X], axis=3), [("c", X)])
    yield one(11, "Concat", {"axis": -1}, numpy.concatenate([X, X], axis=3), [("c", X)])
    yield one(1, "Gather", {"axis": 1}, X[:, [0, 2]], [("i", numpy.int64([0, 2]))])
    yield one(
        9,
        "Scatter",
        {"axis": 3},
        numpy.concatenate([X[..., :1] * 0 + half, X[..., 1:]], axis=3),
        [("i", numpy.zeros((2, 3, 2, 1), numpy.int64)), ("u", numpy.full((2, 3, 2, 1), half))],
    )
    yield one(
        7, "Upsample", {"scales": [1.0, 1.0, 2.0, 3.0]}, X.repeat(2, axis=2).repeat(3, axis=3)
    )
    yield one(9, "Upsample", {}, X.repeat(2, axis=2), [("s", numpy.float32([1, 1, 2, 1]))])
    yield one(1, "Upsample", {"height_scale": 2.0, "width_scale": 1.0}, X.repeat(2, axis=2))
    yield one(10, "Resize", {}, X.repeat(2, axis=2), [("s", numpy.float32([1, 1, 2, 1]))])
    yield one(
        11,
        "Resize",
        {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
        X.repeat(2, axis=2),
        [("r", numpy.float32([])), ("s", numpy.float32([1, 1, 2, 1]))],
    )
    yield one(1, "ArgMax", {"axis": 3}, X.argmax(axis=3)[..., None])
    yield one(11, "ArgMax", {"axis": -1, "keepdims": 0}, X.argmax(axis=3))
    yield one(1, "Flatten", {"axis": 2}, X.reshape(6, 8))
    yield one(
        1,
        "Selu",
        {},
        numpy.where(X > 0, 1.0507 * X, 1.0507 * (1.6732 * numpy.exp(X) - 1.6732)).astype(
            numpy.float32
        ),
    )
    yield one(6, "Sum", {}, X + X, [("c", X)])
    yield one(6, "Max", {}, numpy.maximum(X, -X), [("c", -X)])
    yield one(
        1,
        "InstanceNormalization",
        {"epsilon": 1e-5},
        c4 * (X - mean) / numpy.sqrt(X.var(axis=(2, 3), keepdims=True) + numpy.float32(1e-5)) + c4,
        [("s", C), ("b", C)],
    )
    m = X.reshape(6, 8)
    w = numpy.linspace(-1, 1, 24, dtype=numpy.float32).reshape(8, 3)
    yield one(6, "Gemm", {"broadcast": 1}, m @ w + C, [("w", w), ("c", C)], x=m)
    yield one(7, "Gemm", {"beta": 0.5}, m @ w + C / 2, [("w", w), ("c", C)], x=m)
    yield one(11, "Gemm", {}, m @ w, [("w", w)], x=m)
    yield one(1, "MatMul", {}, m @ w, [("w", w)], x=m)
    yield one(
        9,
        "OneHot",
        {},
        numpy.eye(3, dtype=numpy.float32)[[0, 2]],
        [("d", numpy.int64(3)), ("v", numpy.float32([0, 1]))],
        x=numpy.int64([0, 2]),
    )
    yield one(1, "DepthToSpace", {"blocksize": 1}, X)
    yield one(1, "Shape", {}, numpy.int64(X.shape))
    yield one(1, "Size", {}, numpy.int64(X.size))
    yield one(
        16,
        "GridSample",
        {"mode": "bilinear"},
        X[:, :, :1, :1] * 0
        + (X[:, :, :1, 1:2] + X[:, :, :1, 2:3] + X[:, :, 1:, 1:2] + X[:, :, 1:, 2:3]) / 4,
        [("g", numpy.zeros((2, 1, 1, 2), numpy.float32))],
    )
    groups = X.reshape(2, 1, -1)
    normalized = (
        (groups - groups.mean(axis=2, keepdims=True))
        / numpy.sqrt(groups.var(axis=2, keepdims=True) + numpy.float32(1e-5))
    ).reshape(X.shape)
    yield one(
        18,
        "GroupNormalization",
        {"num_groups": 1},
        normalized * 2 + 3,
        [("s", numpy.float32([2])), ("b", numpy.float32([3]))],
    )
    yield one(
        21, "GroupNormalization", {"num_groups": 1}, normalized * c4 + c4, [("s", C), ("b", C)]
    )
    parts = [X[:, :1], X[:, 1:]]
    for opset, attributes, initializers in [
        (2, {"axis": 1, "split": [1, 2]}, []),
        (11, {"axis": -3, "split": [1, 2]}, []),
        (13, {"axis": 1}, [("p", numpy.int64([1, 2]))]),
    ]:
        reads = " ".join(["x", *(n for n, _ in initializers)])
        yield pytest.param(
            opset,
            [node("Split", reads, "a b", **attributes)],
            {"x": X},
            {"a": parts[0], "b": parts[1]},
            initializers,
            id=f"Split-{opset}",
        )
    yield pytest.param(
        2,
        [node("Split", "x", "a b", axis=3)],
        {"x": X},
        {"a": X[..., :2], "b": X[..., 2:]},
        (),
        id="Split-2-equal",
    )
    top = numpy.sort(X, axis=3)[..., ::-1][..., :2]
    places = numpy.argsort(-X, axis=3, kind="stable")[..., :2]
    for opset, attributes, initializers in [(1, {"k": 2}, []), (10, {}, [("k", numpy.int64([2]))])]:
        reads = " ".join(["x", *(n for n, _ in initializers)])
        yield pytest.param(
            opset,
            [node("TopK", reads, "v i", axis=3, **attributes)],
            {"x": X},
            {"v": top, "i": places},
            initializers,
            id=f"TopK-{opset}",
        )


def old_samples():
    """The old forms by their opset."""
    by_opset = collections.defaultdict(list)
    for number, form in enumerate(old_forms()):
        opset, nodes, inputs, outputs, initializers = form.values
        changed = {version for n in nodes for version in versions(n.op_type) if version > opset}
        # All other upgraded forms changed at these opsets.
        opsets = {opset, *changed, 7, 11, 13, 18, NEWEST} - set(range(1, opset))
        source = model(opset, nodes, inputs, outputs, initializers)
        by_opset[opset].append(
            Sample(f"{form.id}-{number}", source, inputs, list(outputs.values()), opsets)
        )
    return by_opset


@pytest.mark.parametrize("opset", sorted(old_samples()))
def test_old_forms_at_their_opset_and_later_ones(graft, tmp_path, opset):
    samples = old_samples()[opset]
    for sample, taken in write_at_all(graft, samples, tmp_path).items():
        assert sorted(taken) == sorted(sample.opsets), sample.name
    # The lowest opset from 7 on is at most the one that the model came with, but for
    # GroupNormalization: its old scales of groups would need several nodes.
    operators = {node.op_type for sample in samples for node in sample.model.graph.node}
    highest = 21 if "GroupNormalization" in operators else max(7, opset)
    onnx.save(together(samples), tmp_path / "source.onnx")
    result = graft("convert", tmp_path / "source.onnx", tmp_path / "lowest.onnx")
    assert result.status == 0, result.errors
    assert 7 <= opset_of(onnx.load(tmp_path / "lowest.onnx")) <= highest
