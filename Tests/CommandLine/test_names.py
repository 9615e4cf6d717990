"""Names are byte strings: texts that are equivalent in Unicode are different names."""

import numpy
import onnx
import pytest
from onnx import TensorProto, helper

COMPOSED, DECOMPOSED = "\u00e9", "e\u0301"


def run(graft, model, inputs, folder):
    arguments = []
    for number, (name, array) in enumerate(inputs.items()):
        numpy.save(folder / f"{number}.npy", array)
        arguments += ["--input", f"{name}={folder / str(number)}.npy"]
    result = graft("run", model, *arguments, "--output", folder / "out.npz")
    assert result.status == 0, result.errors
    with numpy.load(folder / "out.npz") as outputs:
        return dict(outputs)


def vector(name):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [2])


def save(folder, nodes, inputs, outputs, initializers=(), functions=(), **options):
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("local", 1)]
    graph = helper.make_graph(
        nodes, "names", [vector(n) for n in inputs], [vector(n) for n in outputs], initializers
    )
    model = helper.make_model(
        graph, opset_imports=opsets, functions=list(functions), ir_version=9, **options
    )
    path = folder / "model.onnx"
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("fault", ["unicode-value-names", "unicode-equal-strings"])
def test_files_that_went_wrong(graft, faults, tmp_path, fault):
    folder = faults / fault
    inputs = dict(numpy.load(folder / "input.npz")) if (folder / "input.npz").exists() else {}
    outputs = run(graft, folder / "model.onnx", inputs, tmp_path)
    with numpy.load(folder / "expected.npz") as expected:
        assert set(outputs) == set(expected.files)
        for name in expected.files:
            numpy.testing.assert_array_equal(outputs[name], expected[name])


def test_inputs_outputs_and_initializers(graft, tmp_path):
    weights = [
        helper.make_tensor("w" + name, TensorProto.FLOAT, [2], [number, number])
        for number, name in enumerate([COMPOSED, DECOMPOSED], 1)
    ]
    model = save(
        tmp_path,
        [
            helper.make_node("Mul", [name, "w" + name], ["y" + name])
            for name in (COMPOSED, DECOMPOSED)
        ],
        [COMPOSED, DECOMPOSED],
        ["y" + COMPOSED, "y" + DECOMPOSED],
        weights,
    )
    inputs = {
        DECOMPOSED: numpy.array([10, 20], numpy.float32),
        COMPOSED: numpy.array([1, 2], numpy.float32),
    }
    outputs = run(graft, model, inputs, tmp_path)
    numpy.testing.assert_array_equal(outputs["y" + COMPOSED], [1, 2])
    numpy.testing.assert_array_equal(outputs["y" + DECOMPOSED], [20, 40])


def test_export_keeps_names_apart(graft, tmp_path):
    entries = {"k" + COMPOSED: "1", "k" + DECOMPOSED: "2"}
    unknown = helper.make_node("Unknown", ["b"], ["c"], domain="other")
    unknown.attribute.extend(
        [helper.make_attribute("a" + COMPOSED, 1), helper.make_attribute("a" + DECOMPOSED, 2)]
    )
    source = save(
        tmp_path,
        [
            helper.make_node("Relu", ["x"], [COMPOSED]),
            helper.make_node("Neg", [COMPOSED], [DECOMPOSED]),
            helper.make_node("Add", [COMPOSED, DECOMPOSED], ["b"]),
            unknown,
        ],
        ["x"],
        ["c"],
    )
    model = onnx.load(source)
    helper.set_model_props(model, entries)
    model.opset_import.append(helper.make_opsetid("other", 1))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = COMPOSED
    second = vector("z")
    second.type.tensor_type.shape.dim[0].dim_param = DECOMPOSED
    model.graph.input.append(second)
    onnx.save(model, source)
    result = graft("convert", source, tmp_path / "copy.onnx")
    assert result.status == 0, result.errors
    copy = onnx.load(tmp_path / "copy.onnx")
    assert {p.key: p.value for p in copy.metadata_props} == entries
    assert [list(n.output) for n in copy.graph.node] == [[COMPOSED], [DECOMPOSED], ["b"], ["c"]]
    assert {a.name: a.i for a in copy.graph.node[3].attribute} == {
        "a" + COMPOSED: 1,
        "a" + DECOMPOSED: 2,
    }
    extents = [i.type.tensor_type.shape.dim[0].dim_param for i in copy.graph.input]
    assert extents == [COMPOSED, DECOMPOSED]


def test_functions(graft, tmp_path):
    functions = [
        helper.make_function(
            "local",
            "f" + name,
            ["a"],
            ["b"],
            [helper.make_node(operator, ["a"], ["b"])],
            [helper.make_opsetid("", 20)],
        )
        for name, operator in ((COMPOSED, "Neg"), (DECOMPOSED, "Abs"))
    ]
    model = save(
        tmp_path,
        [
            helper.make_node("f" + COMPOSED, ["x"], ["y"], domain="local"),
            helper.make_node("f" + DECOMPOSED, ["x"], ["z"], domain="local"),
        ],
        ["x"],
        ["y", "z"],
        functions=functions,
    )
    outputs = run(graft, model, {"x": numpy.array([1, -2], numpy.float32)}, tmp_path)
    numpy.testing.assert_array_equal(outputs["y"], [-1, 2])
    numpy.testing.assert_array_equal(outputs["z"], [1, 2])


def test_a_letter_that_is_equivalent_to_one_of_ascii_makes_no_known_operator(graft, tmp_path):
    # KELVIN SIGN is canonically equivalent to K.
    model = save(tmp_path, [helper.make_node("Top\u212a", ["x"], ["y"])], ["x"], ["y"])
    result = graft("inspect", model)
    assert result.status == 0, result.errors
    assert "unsupported operators: Top\u212a" in result.output


def test_arrays_of_an_npz_file(graft, tmp_path):
    model = save(
        tmp_path,
        [helper.make_node("Sub", [COMPOSED, DECOMPOSED], ["y"])],
        [COMPOSED, DECOMPOSED],
        ["y"],
    )
    arrays = {
        COMPOSED: numpy.array([5, 6], numpy.float32),
        DECOMPOSED: numpy.array([1, 2], numpy.float32),
    }
    numpy.savez(tmp_path / "in.npz", **arrays)
    arguments = []
    for name in arrays:
        arguments += ["--input", f"{name}={tmp_path / 'in.npz'}"]
    result = graft("run", model, *arguments, "--output", tmp_path / "out.npz")
    assert result.status == 0, result.errors
    with numpy.load(tmp_path / "out.npz") as outputs:
        numpy.testing.assert_array_equal(outputs["y"], [4, 4])


@pytest.mark.parametrize("place", ["value", "node", "input"])
def test_names_that_are_not_utf8_are_an_error_that_says_so(graft, tmp_path, place):
    model = save(
        tmp_path,
        [helper.make_node("Relu", ["input__"], ["value__"], name="node__")]
        + [helper.make_node("Neg", ["value__"], ["y"])],
        ["input__"],
        ["y"],
    )
    data = model.read_bytes().replace(f"{place}__".encode(), f"{place}".encode() + b"\xff\xfe")
    model.write_bytes(data)
    result = graft("inspect", model)
    assert result.status == 65
    assert "UTF-8" in result.errors
