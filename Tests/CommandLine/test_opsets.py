"""graft convert --opset: what was read at an opset is written at it, and at every later one.

For each operator a case of ONNX's backend test suite is written at every opset that has a form of its own. What
comes of it must pass ONNX's checker, give the case's outputs, and be readable and writable at its own opset.
"""

import collections
import functools

import numpy
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, checker, defs, helper, numpy_helper
from onnx.backend.test.loader import load_model_tests

NEWEST = 28


@functools.cache
def versions(operator):
    """The opsets that changed an operator."""
    found = {
        schema.since_version
        for schema in defs.get_all_schemas_with_history()
        if schema.name == operator and schema.domain == "" and schema.since_version <= NEWEST
    }
    return sorted(found)


@functools.cache
def cases():
    """A few cases of each operator: those with the fewest and the most attributes, and inputs."""
    by_operator = collections.defaultdict(list)
    for case in load_model_tests(kind="node"):
        graph = case.model.graph
        if len(graph.node) != 1 or not case.data_sets or graph.node[0].domain:
            continue
        inputs, outputs = case.data_sets[0]
        arrays = [*inputs, *outputs]
        if len(graph.input) != len(inputs) or not all(isinstance(a, numpy.ndarray) for a in arrays):
            continue
        if any(a.dtype.kind not in "fiub" or a.dtype.itemsize > 8 for a in arrays):
            continue
        if any(i.type.tensor_type.elem_type > TensorProto.UINT64 for i in graph.input):
            continue
        by_operator[graph.node[0].op_type].append(case)
    chosen = {}
    for operator, found in by_operator.items():
        found.sort(key=lambda c: (len(c.model.graph.node[0].attribute), len(c.model.graph.input), c.name))
        places = sorted({0, len(found) // 2, len(found) - 1})
        chosen[operator] = [found[place] for place in places]
    return chosen


def outputs_of(graft, path, feeds, names, tmp_path):
    """What onnxruntime computes; where it has no kernel, what Graft does."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return session.run(names, feeds)
    except Exception:
        arguments = []
        for index, (name, value) in enumerate(feeds.items()):
            numpy.save(tmp_path / f"feed{index}.npy", value)
            arguments += ["--input", f"{name}={tmp_path}/feed{index}.npy"]
        result = graft("run", path, *arguments, "--output", tmp_path / "outputs.npz")
        assert result.status == 0, result.errors
        with numpy.load(tmp_path / "outputs.npz") as outputs:
            return [outputs[name] for name in names]


def check(graft, model, feeds, expected, opsets, tmp_path):
    """Writes a model at opsets, lowest last, and looks at what comes of it; returns those that took it."""
    source = tmp_path / "source.onnx"
    onnx.save(model, source)
    names = [output.name for output in model.graph.output]
    imported = next(entry.version for entry in model.opset_import if not entry.domain)
    # The function that ONNX has for this one does not hold at the opsets that have the operator.
    infers = all(n.op_type != "MeanVarianceNormalization" for n in model.graph.node)
    taken = []
    for opset in opsets:
        path = tmp_path / f"opset{opset}.onnx"
        result = graft("convert", source, path, "--opset", opset)
        if result.status != 0:
            assert opset < imported, f"opset {opset}: {result.errors}"
            assert result.status in (64, 69), result.errors
            continue
        taken.append(opset)
        written = onnx.load(path)
        assert [e.version for e in written.opset_import if not e.domain] == [opset]
        checker.check_model(written, full_check=infers)
        for value, right in zip(outputs_of(graft, path, feeds, names, tmp_path), expected):
            assert value.dtype == right.dtype and value.shape == right.shape, f"opset {opset}"
            numpy.testing.assert_allclose(value, right, rtol=2e-3, atol=1e-4, err_msg=f"opset {opset}")
        # And back: what was written is read, and written at the same opset.
        again = tmp_path / "again.onnx"
        result = graft("convert", path, again, "--opset", opset)
        assert result.status == 0, f"again at opset {opset}: {result.errors}"
        checker.check_model(onnx.load(again), full_check=infers)
    return taken


def is_random(case):
    """Whether two runs of a case give different outputs: Dropout in training, where it drops something."""
    return case.name.startswith("test_training_dropout") and "zero_ratio" not in case.name


@pytest.mark.parametrize("operator", sorted(cases()))
def test_every_operator_at_its_opsets(graft, tmp_path, operator):
    for number, case in enumerate(cases()[operator]):
        if is_random(case):
            continue
        graph = case.model.graph
        feeds = dict(zip((i.name for i in graph.input), case.data_sets[0][0]))
        folder = tmp_path / str(number)
        folder.mkdir()
        imported = next(e.version for e in case.model.opset_import if not e.domain)
        opsets = sorted({*versions(operator), imported, NEWEST}, reverse=True)
        opsets = [opset for opset in opsets if opset >= 5]
        expected = case.data_sets[0][1]
        onnx.save(case.model, folder / "case.onnx")
        result = graft("convert", folder / "case.onnx", folder / "lowest.onnx")
        assert result.status == 0, result.errors
        if "does not know" in result.errors:
            pytest.skip("Graft does not have the operator")
        check(graft, case.model, feeds, expected, opsets, folder)


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
            opset, [node(operator, reads, "y", **attributes)], {"x": x}, {"y": expected}, initializers, id=name)

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
    yield one(1, "Tile", {}, numpy.tile(X, (1, 2, 1, 1)), [("t", numpy.float32(2)), ("a", numpy.float32(1))])
    yield one(6, "Tile", {}, numpy.tile(X, (2, 1, 1, 3)), [("r", numpy.int64([2, 1, 1, 3]))])
    yield one(1, "Pad", {"paddings": [0, 0, 1, 0, 0, 0, 0, 2], "value": 1.5},
              numpy.pad(X, ((0, 0), (0, 0), (1, 0), (0, 2)), constant_values=1.5))
    yield one(2, "Pad", {"pads": [0, 0, 0, 1, 0, 0, 0, 1], "mode": "reflect"},
              numpy.pad(X, ((0, 0), (0, 0), (0, 0), (1, 1)), mode="reflect"))
    yield one(10, "Pad", {"pads": [0, 0, 0, 1, 0, 0, 0, 1], "mode": "edge"},
              numpy.pad(X, ((0, 0), (0, 0), (0, 0), (1, 1)), mode="edge"))
    yield one(6, "Clip", {"min": -0.5, "max": 1.0}, X.clip(-0.5, 1))
    yield one(6, "Clip", {}, X)
    yield one(9, "Clip", {"max": 0.25}, numpy.minimum(X, numpy.float32(0.25)))
    yield one(1, "Slice", {"starts": [1, -3], "ends": [9, -1], "axes": [1, 3]}, X[:, 1:, :, -3:-1])
    yield one(9, "Slice", {"starts": [0, 1], "ends": [1, 3]}, X[0:1, 1:3])
    yield one(10, "Slice", {}, X[:, :, :, 0:4:2],
              [("s", numpy.int64([0])), ("e", numpy.int64([4])), ("a", numpy.int64([3])), ("t", numpy.int64([2]))])
    yield one(1, "Squeeze", {"axes": [1]}, X[:, 0], x=X[:, :1].copy())
    yield one(11, "Squeeze", {"axes": [-3]}, X[:, 0], x=X[:, :1].copy())
    yield one(1, "Unsqueeze", {"axes": [0, 3]}, X[None].reshape(1, 2, 3, 1, 2, 4))
    for operator, function in [("ReduceMean", numpy.mean), ("ReduceSum", numpy.sum), ("ReduceMax", numpy.max)]:
        yield one(1, operator, {"axes": [1, 3]}, function(X, axis=(1, 3), keepdims=True))
        yield one(11, operator, {"axes": [-1], "keepdims": 0}, function(X, axis=3))
        yield one(13 if operator != "ReduceSum" else 12, operator, {}, function(X, axis=(0, 1, 2, 3), keepdims=True))
    yield one(1, "Softmax", {}, softmax_rows(X, 1))
    yield one(11, "Softmax", {"axis": 2}, softmax_rows(X, 2))
    yield one(12, "Softmax", {"axis": -1}, softmax_rows(X, 3))
    yield one(12, "Softmax", {"axis": 0}, softmax_rows(X, 0))
    yield one(11, "LogSoftmax", {"axis": 1}, numpy.log(softmax_rows(X, 1)))
    yield one(7, "AveragePool", {"kernel_shape": [2, 2]}, (X[:, :, :1, :-1] + X[:, :, :1, 1:] + X[:, :, 1:, :-1] + X[:, :, 1:, 1:]) / 4)
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
    yield one(1, "BatchNormalization", {"is_test": 1, "consumed_inputs": [0, 0, 0, 1, 1]}, right, normal)
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
    yield one(9, "Scatter", {"axis": 3}, numpy.concatenate([X[..., :1] * 0 + half, X[..., 1:]], axis=3),
              [("i", numpy.zeros((2, 3, 2, 1), numpy.int64)), ("u", numpy.full((2, 3, 2, 1), half))])
    yield one(7, "Upsample", {"scales": [1.0, 1.0, 2.0, 3.0]}, X.repeat(2, axis=2).repeat(3, axis=3))
    yield one(9, "Upsample", {}, X.repeat(2, axis=2), [("s", numpy.float32([1, 1, 2, 1]))])
    yield one(1, "Upsample", {"height_scale": 2.0, "width_scale": 1.0}, X.repeat(2, axis=2))
    yield one(10, "Resize", {}, X.repeat(2, axis=2), [("s", numpy.float32([1, 1, 2, 1]))])
    yield one(11, "Resize", {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
              X.repeat(2, axis=2), [("r", numpy.float32([])), ("s", numpy.float32([1, 1, 2, 1]))])
    yield one(1, "ArgMax", {"axis": 3}, X.argmax(axis=3)[..., None])
    yield one(11, "ArgMax", {"axis": -1, "keepdims": 0}, X.argmax(axis=3))
    yield one(1, "Flatten", {"axis": 2}, X.reshape(6, 8))
    yield one(1, "Selu", {}, numpy.where(X > 0, 1.0507 * X, 1.0507 * (1.6732 * numpy.exp(X) - 1.6732)).astype(numpy.float32))
    yield one(6, "Sum", {}, X + X, [("c", X)])
    yield one(6, "Max", {}, numpy.maximum(X, -X), [("c", -X)])
    yield one(1, "InstanceNormalization", {"epsilon": 1e-5},
              c4 * (X - mean) / numpy.sqrt(X.var(axis=(2, 3), keepdims=True) + numpy.float32(1e-5)) + c4,
              [("s", C), ("b", C)])
    m = X.reshape(6, 8)
    w = numpy.linspace(-1, 1, 24, dtype=numpy.float32).reshape(8, 3)
    yield one(6, "Gemm", {"broadcast": 1}, m @ w + C, [("w", w), ("c", C)], x=m)
    yield one(7, "Gemm", {"beta": 0.5}, m @ w + C / 2, [("w", w), ("c", C)], x=m)
    yield one(11, "Gemm", {}, m @ w, [("w", w)], x=m)
    yield one(1, "MatMul", {}, m @ w, [("w", w)], x=m)
    yield one(9, "OneHot", {}, numpy.eye(3, dtype=numpy.float32)[[0, 2]],
              [("d", numpy.int64(3)), ("v", numpy.float32([0, 1]))], x=numpy.int64([0, 2]))
    yield one(1, "DepthToSpace", {"blocksize": 1}, X)
    yield one(1, "Shape", {}, numpy.int64(X.shape))
    yield one(1, "Size", {}, numpy.int64(X.size))
    yield one(16, "GridSample", {"mode": "bilinear"}, X[:, :, :1, :1] * 0 + (X[:, :, :1, 1:2] + X[:, :, :1, 2:3] + X[:, :, 1:, 1:2] + X[:, :, 1:, 2:3]) / 4,
              [("g", numpy.zeros((2, 1, 1, 2), numpy.float32))])
    groups = X.reshape(2, 1, -1)
    normalized = ((groups - groups.mean(axis=2, keepdims=True)) / numpy.sqrt(groups.var(axis=2, keepdims=True) + numpy.float32(1e-5))).reshape(X.shape)
    yield one(18, "GroupNormalization", {"num_groups": 1}, normalized * 2 + 3, [("s", numpy.float32([2])), ("b", numpy.float32([3]))])
    yield one(21, "GroupNormalization", {"num_groups": 1}, normalized * c4 + c4, [("s", C), ("b", C)])
    parts = [X[:, :1], X[:, 1:]]
    for opset, attributes, initializers in [
        (2, {"axis": 1, "split": [1, 2]}, []),
        (11, {"axis": -3, "split": [1, 2]}, []),
        (13, {"axis": 1}, [("p", numpy.int64([1, 2]))]),
    ]:
        reads = " ".join(["x", *(n for n, _ in initializers)])
        yield pytest.param(opset, [node("Split", reads, "a b", **attributes)], {"x": X},
                           {"a": parts[0], "b": parts[1]}, initializers, id=f"Split-{opset}")
    yield pytest.param(2, [node("Split", "x", "a b", axis=3)], {"x": X}, {"a": X[..., :2], "b": X[..., 2:]}, (),
                       id="Split-2-equal")
    top = numpy.sort(X, axis=3)[..., ::-1][..., :2]
    places = numpy.argsort(-X, axis=3, kind="stable")[..., :2]
    for opset, attributes, initializers in [(1, {"k": 2}, []), (10, {}, [("k", numpy.int64([2]))])]:
        reads = " ".join(["x", *(n for n, _ in initializers)])
        yield pytest.param(opset, [node("TopK", reads, "v i", axis=3, **attributes)], {"x": X},
                           {"v": top, "i": places}, initializers, id=f"TopK-{opset}")


@pytest.mark.parametrize("opset, nodes, inputs, outputs, initializers", list(old_forms()))
def test_old_forms_at_their_opset_and_later_ones(
    graft, tmp_path, opset, nodes, inputs, outputs, initializers
):
    source = model(opset, nodes, inputs, outputs, initializers)
    changed = {version for n in nodes for version in versions(n.op_type) if version > opset}
    # Whatever else an old form becomes has changed at these.
    opsets = sorted({opset, *changed, 7, 11, 13, 18, NEWEST} - set(range(1, opset)), reverse=True)
    taken = check(graft, source, inputs, list(outputs.values()), opsets, tmp_path)
    assert taken == opsets
    # The lowest opset from 7 on is at most the one that the model came with.
    result = graft("convert", tmp_path / "source.onnx", tmp_path / "lowest.onnx")
    assert result.status == 0, result.errors
    (written,) = [e.version for e in onnx.load(tmp_path / "lowest.onnx").opset_import if not e.domain]
    assert written >= 7
