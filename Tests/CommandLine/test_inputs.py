"""graft run --input: which input a file is for."""

import numpy
import onnx
import pytest
from onnx import TensorProto, helper


def vector(name):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [2])


def save(folder, names, defaults=(), ir_version=8):
    """A model that computes 1·first + 2·second + …"""
    nodes, initializers = [], []
    for number, name in enumerate(names, 1):
        initializers.append(helper.make_tensor(f"factor{number}", TensorProto.FLOAT, [], [number]))
        nodes.append(helper.make_node("Mul", [name, f"factor{number}"], [f"t{number}"]))
    nodes.append(helper.make_node("Sum", [f"t{n}" for n in range(1, len(names) + 1)], ["y"]))
    initializers += [helper.make_tensor(n, TensorProto.FLOAT, [2], [7, 8]) for n in defaults]
    inputs = [vector(name) for name in names]
    if ir_version < 4:
        inputs += [
            helper.make_tensor_value_info(i.name, TensorProto.FLOAT, list(i.dims))
            for i in initializers
            if i.name not in names
        ]
    graph = helper.make_graph(nodes, "inputs", inputs, [vector("y")], initializers)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=ir_version
    )
    path = folder / "model.onnx"
    onnx.save(model, path)
    return path


def run(graft, model, arguments, folder):
    result = graft(
        "run",
        model,
        *[word for argument in arguments for word in ("--input", argument)],
        "--output",
        folder / "out.npz",
    )
    assert result.status == 0, result.errors
    with numpy.load(folder / "out.npz") as outputs:
        return outputs["y"]


@pytest.fixture
def ones(tmp_path):
    path = tmp_path / "ones.npy"
    numpy.save(path, numpy.ones(2, numpy.float32))
    return path


@pytest.fixture
def tens(tmp_path):
    path = tmp_path / "tens=10.npy"
    numpy.save(path, numpy.full(2, 10, numpy.float32))
    return path


def test_the_file_that_went_wrong(graft, faults, tmp_path):
    folder = faults / "initializer-as-default-of-input"
    arguments = []
    with numpy.load(folder / "input.npz") as inputs:
        for name in inputs.files:
            numpy.save(tmp_path / f"{name}.npy", inputs[name])
            arguments += ["--input", f"{name}={tmp_path / name}.npy"]
    result = graft("run", folder / "model.onnx", *arguments, "--output", tmp_path / "out.npz")
    assert result.status == 0, result.errors
    with (
        numpy.load(tmp_path / "out.npz") as outputs,
        numpy.load(folder / "expected.npz") as expected,
    ):
        for name in expected.files:
            numpy.testing.assert_array_equal(outputs[name], expected[name])


@pytest.mark.parametrize("ir_version", [3, 4, 8])
def test_defaults_are_used_and_can_be_given(graft, tmp_path, ones, tens, ir_version):
    model = save(tmp_path, ["x", "w"], defaults=["w"], ir_version=ir_version)
    # 1·x + 2·w. More than once: the second run finds the model in the cache.
    for _ in range(2):
        numpy.testing.assert_array_equal(run(graft, model, [f"x={ones}"], tmp_path), [15, 17])
        numpy.testing.assert_array_equal(
            run(graft, model, [f"x={ones}", f"w={tens}"], tmp_path), [21, 21]
        )
    listed = graft("inspect", model)
    assert "w: float[2] (optional: it has a default)" in listed.output
    assert "input   x: float[2]\n" in listed.output


def test_an_initializer_that_is_no_input_cannot_be_given(graft, tmp_path, ones):
    model = save(tmp_path, ["x", "w"], defaults=["w"])
    result = graft("run", model, "--input", f"factor1={ones}", "--output", tmp_path / "out.npz")
    assert result.status == 64
    assert "no input 'factor1'" in result.errors
    assert "x" in result.errors and "w" in result.errors


@pytest.mark.parametrize(
    "names, expected",
    [(["a=b", "c"], [12, 12]), (["a", "a=b"], [12, 12]), (["a=b=", "="], [12, 12])],
)
def test_names_and_paths_with_equals_signs(graft, tmp_path, ones, tens, names, expected):
    model = save(tmp_path, names)
    first, second = names
    # 1·10 + 2·1; the path of the tens has an equals sign of its own.
    numpy.testing.assert_array_equal(
        run(graft, model, [f"{first}={tens}", f"{second}={ones}"], tmp_path), expected
    )


def test_a_name_that_the_model_does_not_have(graft, tmp_path, ones):
    model = save(tmp_path, ["x"])
    result = graft("run", model, "--input", f"something={ones}", "--output", tmp_path / "out.npz")
    assert result.status == 64
    assert "no input 'something'" in result.errors and "The inputs are x" in result.errors
