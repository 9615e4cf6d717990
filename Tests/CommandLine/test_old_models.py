"""Models of the first years of ONNX: IR versions 1 to 3, opsets 1 to 8."""

import numpy
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

onnxruntime.set_default_logger_severity(4)


def save(path, nodes, shape, opset, ir_version=3, initializers=()):
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    # Each initializer had to be an input.
    inputs += [helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in initializers]
    graph = helper.make_graph(
        nodes,
        "g",
        inputs,
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, None)],
        list(initializers),
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset or 1)], ir_version=ir_version
    )
    if not opset:
        model.ClearField("opset_import")
    path.write_bytes(model.SerializeToString())
    return path


def run(graft, path, x):
    numpy.save(path.parent / "x.npy", x)
    result = graft(
        "run", path, "--input", f"x={path.parent}/x.npy", "--output", path.parent / "y.npz"
    )
    assert result.status == 0, result.errors
    return numpy.load(path.parent / "y.npz")["y"]


IMAGE = numpy.random.default_rng(1).standard_normal((2, 3, 4, 5)).astype(numpy.float32)


@pytest.mark.parametrize("opset", [1, 6, 8])
@pytest.mark.parametrize(
    "attributes, axes, divides",
    [
        ({}, (0, 2, 3), True),
        ({"across_channels": 1}, (0, 1, 2, 3), True),
        ({"normalize_variance": 0}, (0, 2, 3), False),
        ({"across_channels": 1, "normalize_variance": 0}, (0, 1, 2, 3), False),
    ],
)
def test_mean_variance_normalization(graft, tmp_path, opset, attributes, axes, divides):
    path = save(
        tmp_path / "m.onnx",
        [helper.make_node("MeanVarianceNormalization", ["x"], ["y"], **attributes)],
        IMAGE.shape,
        opset,
    )
    found = run(graft, path, IMAGE)
    expected = IMAGE - IMAGE.mean(axis=axes, keepdims=True)
    if divides:
        expected /= IMAGE.std(axis=axes, keepdims=True)
    numpy.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    numpy.testing.assert_allclose(found, session.run(None, {"x": IMAGE})[0], rtol=1e-5, atol=1e-5)
    # What is written is the standard form.
    assert graft("convert", path, tmp_path / "out.onnx").status == 0
    onnx.checker.check_model(str(tmp_path / "out.onnx"), full_check=True)
    numpy.testing.assert_array_equal(run(graft, tmp_path / "out.onnx", IMAGE), found)


@pytest.mark.parametrize("opset", [1, 6, 9])
@pytest.mark.parametrize("attributes", [{}, {"alpha": 0.25}])
def test_thresholded_relu(graft, tmp_path, opset, attributes):
    path = save(
        tmp_path / "m.onnx",
        [helper.make_node("ThresholdedRelu", ["x"], ["y"], **attributes)],
        IMAGE.shape,
        opset,
    )
    found = run(graft, path, IMAGE)
    expected = numpy.where(IMAGE > attributes.get("alpha", 1.0), IMAGE, 0)
    numpy.testing.assert_array_equal(found, expected)


def network(path, opset, ir_version):
    """A small convolutional network as exporters of 2017 wrote it."""
    generator = numpy.random.default_rng(2)

    def tensor(name, *shape):
        return numpy_helper.from_array(generator.standard_normal(shape).astype(numpy.float32), name)

    ones = numpy_helper.from_array(numpy.ones(6, numpy.float32), "ones")
    # "consumed_inputs" was an optimization of the first opsets.
    consumed = {"consumed_inputs": [0]} if opset < 6 else {}
    statistics = {"consumed_inputs": [0, 0, 0, 1, 1]} if opset < 6 else {}
    mode = {"is_test": 1} if opset < 7 else {}
    broadcast = {"broadcast": 1, "axis": 1} if opset < 7 else {}
    bias = tensor("bias", 6) if opset < 7 else tensor("bias", 6, 1, 1)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["a", "bias"], ["b"], **broadcast, **consumed),
        helper.make_node(
            "BatchNormalization", ["b", "ones", "shift", "shift", "ones"], ["c"], epsilon=1e-3,
            **statistics, **mode,
        ),
        helper.make_node("Relu", ["c"], ["d"], **consumed),
        helper.make_node("MaxPool", ["d"], ["e"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Dropout", ["e"], ["f"], ratio=0.5, **mode),
    ]  # fmt: skip
    initializers = [tensor("w", 6, 3, 3, 3), bias, ones, tensor("shift", 6)]
    if opset < 5:
        nodes.append(helper.make_node("Reshape", ["f"], ["g"], shape=[1, -1]))
    else:
        nodes.append(helper.make_node("Reshape", ["f", "shape"], ["g"]))
        initializers.append(numpy_helper.from_array(numpy.int64([1, -1]), "shape"))
    gemm = {"broadcast": 1} if opset < 7 else {}
    nodes += [
        helper.make_node("Gemm", ["g", "m", "n"], ["h"], transB=1, **gemm),
        helper.make_node("Softmax", ["h"], ["y"]),
    ]
    initializers += [tensor("m", 10, 96), tensor("n", 10)]
    return save(path, nodes, [1, 3, 8, 8], opset, ir_version, initializers)


@pytest.mark.parametrize("opset, ir_version", [(1, 3), (5, 3), (6, 3), (7, 3), (8, 3)])
def test_networks_of_2017(graft, tmp_path, opset, ir_version):
    path = network(tmp_path / "m.onnx", opset, ir_version)
    reference = network(tmp_path / "reference.onnx", 8, 3)
    x = numpy.random.default_rng(4).standard_normal((1, 3, 8, 8)).astype(numpy.float32)
    session = onnxruntime.InferenceSession(str(reference), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {"x": x})
    found = run(graft, path, x)
    numpy.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    for opset in (7, 28):
        out = tmp_path / f"{opset}.onnx"
        result = graft("convert", path, out, "--opset", opset)
        assert result.status == 0, result.errors
        written = onnx.load(out)
        onnx.checker.check_model(written, full_check=True)
        assert written.opset_import[0].version == opset
        assert written.ir_version in ([14] if opset == 28 else [3, 4])
        numpy.testing.assert_array_equal(run(graft, out, x), found)


@pytest.mark.parametrize("ir_version", [1, 2])
def test_files_before_operator_sets(graft, tmp_path, ir_version):
    """Files of IR versions 1 and 2 may have no opset_import: they mean opset 1."""
    path = save(
        tmp_path / "m.onnx",
        [
            helper.make_node("Relu", ["x"], ["t"], consumed_inputs=[0]),
            helper.make_node("Reshape", ["t"], ["y"], shape=[2, -1]),
        ],
        IMAGE.shape,
        None,
        ir_version,
    )
    found = run(graft, path, IMAGE)
    numpy.testing.assert_array_equal(found, numpy.maximum(IMAGE, 0).reshape(2, -1))
    assert graft("convert", path, tmp_path / "out.onnx").status == 0
    onnx.checker.check_model(str(tmp_path / "out.onnx"), full_check=True)


def test_later_files_must_import_operator_sets(graft, tmp_path):
    path = save(tmp_path / "m.onnx", [helper.make_node("Relu", ["x"], ["y"])], [2], None, 3)
    result = graft("run", path)
    assert result.status == 65 and "imports no operator set" in result.errors


def test_the_newest_versions(graft, tmp_path):
    """Opset 28 and IR version 14 are read and written; newer ones are refused, with advice."""
    path = save(tmp_path / "m.onnx", [helper.make_node("Relu", ["x"], ["y"])], [2], 28, 14)
    numpy.testing.assert_array_equal(
        run(graft, path, numpy.float32([-1, 2])), numpy.float32([0, 2])
    )
    for opset, ir_version in [(28, 14), (27, 13), (24, 12), (23, 11), (21, 10), (1, 3)]:
        out = tmp_path / "out.onnx"
        result = graft("convert", path, out, "--opset", opset)
        assert result.status == 0, result.errors
        written = onnx.load(out)
        onnx.checker.check_model(written)
        assert (written.opset_import[0].version, written.ir_version) == (opset, ir_version)
    for opset, ir_version, text in [(29, 14, "uses opset 29"), (28, 15, "IR version 15")]:
        path = save(
            tmp_path / "n.onnx", [helper.make_node("Relu", ["x"], ["y"])], [2], opset, ir_version
        )
        result = graft("run", path)
        assert result.status == 69 and text in result.errors
