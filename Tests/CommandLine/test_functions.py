"""Functions of a model: replaced by their nodes, or kept by graft convert --keep-functions."""

import numpy
import onnx
import onnx.parser
import onnxruntime
import pytest
from onnx import TensorProto, helper

onnxruntime.set_default_logger_severity(3)

OPSETS = [helper.make_opsetid("", 18), helper.make_opsetid("local", 1)]

TEXT = """
<ir_version: 9, opset_import: ["" : 18, "local" : 1]>
g (float[2, 3] x) => (float[2] y, float[2, 3] z) {
  scaled = local.Scale<factor = 3.0>(x)
  z = local.Twice(scaled)
  t = ReduceSum<keepdims = 0>(z, axis)
  y = local.Scale(t)
  axis = Constant<value_ints = [1]>()
}
<domain: "local", opset_import: ["" : 18]>
Scale <factor: float = 2.0>(a) => (b) {
  c = Constant<value_float: float = @factor>()
  b = Mul(a, c)
}
<domain: "local", opset_import: ["" : 18, "local" : 1]>
Twice (a) => (b) {
  k = Constant<value = float[3] {1, 2, 3}>()
  t = local.Scale<factor = 2.0>(a)
  b = Add(t, k)
}
<domain: "local", opset_import: ["" : 18]>
Unused (a) => (b) { b = Relu(a) }
"""


def sorted_model(text):
    model = onnx.parser.parse_model(text)
    nodes = list(model.graph.node)
    nodes.sort(key=lambda node: node.op_type != "Constant")
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.onnx"
    onnx.save(sorted_model(TEXT), path)
    return path


def run(path, x):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})


X = numpy.arange(6, dtype=numpy.float32).reshape(2, 3) - 2


def test_by_default_functions_are_replaced(graft, model, tmp_path):
    out = tmp_path / "out.onnx"
    assert graft("convert", model, out).status == 0
    written = onnx.load(out)
    onnx.checker.check_model(written, full_check=True)
    assert not written.functions and {e.domain for e in written.opset_import} == {""}
    assert {n.op_type for n in written.graph.node} == {"Mul", "Add", "ReduceSum"}
    for one, other in zip(run(out, X), run(model, X)):
        numpy.testing.assert_array_equal(one, other)


def test_kept_functions_are_those_of_the_file(graft, model, tmp_path):
    out = tmp_path / "out.onnx"
    result = graft("convert", model, out, "--keep-functions")
    assert result.status == 0, result.errors
    assert "does not know" not in result.errors
    source, written = onnx.load(model), onnx.load(out)
    onnx.checker.check_model(written, full_check=True)
    assert {e.domain: e.version for e in written.opset_import} == {"": 18, "local": 1}
    assert [f.name for f in written.functions] == ["Scale", "Twice"]
    for function, original in zip(written.functions, source.functions):
        # Only how a tensor is stored may differ.
        assert [n.op_type for n in function.node] == [n.op_type for n in original.node]
        assert list(function.input) == list(original.input)
        assert list(function.output) == list(original.output)
        assert list(function.attribute_proto) == list(original.attribute_proto)
        assert list(function.opset_import) == list(original.opset_import)
    assert written.functions[0].node[0].attribute[0].ref_attr_name == "factor"
    calls = [n for n in written.graph.node if n.domain == "local"]
    assert [n.op_type for n in calls] == ["Scale", "Twice", "Scale"]
    assert calls[0].attribute[0].f == 3
    # The types of what calls compute are known.
    types = {v.name: v.type.tensor_type for v in written.graph.value_info}
    assert [d.dim_value for d in types["scaled"].shape.dim] == [2, 3]
    for one, other in zip(run(out, X), run(model, X)):
        numpy.testing.assert_array_equal(one, other)
    # A second time nothing changes.
    assert graft("convert", out, tmp_path / "again.onnx", "--keep-functions").status == 0
    assert onnx.load(tmp_path / "again.onnx") == written


def test_kept_functions_keep_the_opset(graft, model, tmp_path):
    out = tmp_path / "out.onnx"
    result = graft("convert", model, out, "--keep-functions", "--opset", 18)
    assert result.status == 0, result.errors
    result = graft("convert", model, out, "--keep-functions", "--opset", 21)
    assert result.status == 64
    assert "opset 21 is not the file's opset 18" in result.errors
    assert "--keep-functions" in result.errors


def test_parts_have_the_functions_that_they_call(graft, model, tmp_path):
    out = tmp_path / "out.onnx"
    result = graft("convert", model, out, "--keep-functions", "--outputs", "scaled")
    assert result.status == 0, result.errors
    written = onnx.load(out)
    onnx.checker.check_model(written, full_check=True)
    assert [f.name for f in written.functions] == ["Scale"]
    result = graft("convert", model, out, "--keep-functions", "--inputs", "scaled")
    assert result.status == 0, result.errors
    assert [f.name for f in onnx.load(out).functions] == ["Scale", "Twice"]
    # Without the option, values inside of calls have names, too.
    result = graft("convert", model, out, "--outputs", "scled")
    assert "'scaled'" in result.errors


def function(name, inputs, outputs, nodes, overload=""):
    made = helper.make_function("local", name, inputs, outputs, nodes, OPSETS)
    if overload:
        made.overload = overload
    return made


def call(name, inputs, outputs, overload=""):
    node = helper.make_node(name, inputs, outputs, domain="local")
    if overload:
        node.overload = overload
    return node


def save(path, nodes, functions, ir_version=10):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=OPSETS, functions=functions, ir_version=ir_version),
        path,
    )
    return path


def test_overloads(graft, tmp_path):
    relu = function("F", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])], "positive")
    neg = function("F", ["a"], ["b"], [helper.make_node("Neg", ["a"], ["b"])], "negative")
    path = save(
        tmp_path / "m.onnx",
        [call("F", ["x"], ["t"], "positive"), call("F", ["t"], ["y"], "negative")],
        [relu, neg],
    )
    numpy.save(tmp_path / "x.npy", X)
    result = graft("run", path, "--input", f"x={tmp_path}/x.npy", "--output", tmp_path / "y.npz")
    assert result.status == 0, result.errors
    numpy.testing.assert_array_equal(numpy.load(tmp_path / "y.npz")["y"], -numpy.maximum(X, 0))
    out = tmp_path / "out.onnx"
    assert graft("convert", path, out, "--keep-functions").status == 0
    written = onnx.load(out)
    onnx.checker.check_model(written)
    assert [f.overload for f in written.functions] == ["positive", "negative"]
    assert [n.overload for n in written.graph.node] == ["positive", "negative"]
    assert written.ir_version == 10
    numpy.testing.assert_array_equal(run(out, X)[0], -numpy.maximum(X, 0))


def test_calls_in_bodies_stay(graft, tmp_path):
    twice = function("Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])])
    branch = helper.make_graph(
        [call("Twice", ["x"], ["r"])],
        "t",
        [],
        [helper.make_tensor_value_info("r", TensorProto.FLOAT, [2, 3])],
    )
    other = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["s"])],
        "e",
        [],
        [helper.make_tensor_value_info("s", TensorProto.FLOAT, [2, 3])],
    )
    path = save(
        tmp_path / "m.onnx",
        [
            helper.make_node("ReduceMax", ["x"], ["m"], keepdims=0),
            helper.make_node("Cast", ["m"], ["c"], to=TensorProto.BOOL),
            helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=other),
        ],
        [twice],
    )
    out = tmp_path / "out.onnx"
    result = graft("convert", path, out, "--keep-functions")
    assert result.status == 0, result.errors
    written = onnx.load(out)
    onnx.checker.check_model(written)
    assert [f.name for f in written.functions] == ["Twice"]
    numpy.testing.assert_array_equal(run(out, X)[0], 2 * X)


@pytest.mark.parametrize("arguments", [[], ["--keep-functions"]])
def test_recursion_is_refused(graft, tmp_path, arguments):
    """An If whose branch calls the function that has the If."""
    inner = helper.make_graph(
        [call("Again", ["a", "c"], ["r"])],
        "t",
        [],
        [helper.make_tensor_value_info("r", TensorProto.FLOAT, None)],
    )
    other = helper.make_graph(
        [helper.make_node("Identity", ["a"], ["s"])],
        "e",
        [],
        [helper.make_tensor_value_info("s", TensorProto.FLOAT, None)],
    )
    again = function(
        "Again",
        ["a", "c"],
        ["b"],
        [helper.make_node("If", ["c"], ["b"], then_branch=inner, else_branch=other)],
    )
    path = save(
        tmp_path / "m.onnx",
        [
            helper.make_node("ReduceMax", ["x"], ["m"], keepdims=0),
            helper.make_node("Cast", ["m"], ["c"], to=TensorProto.BOOL),
            call("Again", ["x", "c"], ["y"]),
        ],
        [again],
    )
    result = graft("convert", path, tmp_path / "out.onnx", *arguments, timeout=10)
    assert result.status == 65
    assert "calls the function 'Again' from within itself" in result.errors
    assert graft("run", path, timeout=10).status == 65


def test_missing_functions_are_explained(graft, tmp_path):
    twice = function("Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], "v1")
    path = save(
        tmp_path / "m.onnx", [call("Twise", ["x"], ["t"]), call("Twice", ["t"], ["y"])], [twice]
    )
    numpy.save(tmp_path / "x.npy", X)
    result = graft("run", path, "--input", tmp_path / "x.npy")
    assert result.status == 69
    assert "local.Twice, local.Twise" in result.errors
    assert "does not define Twice, Twise" in result.errors
    assert "'local.Twice:v1'" in result.errors
    # They can be shown and written again.
    assert graft("inspect", path).status == 0
    assert graft("convert", path, tmp_path / "out.onnx").status == 0


def test_a_function_named_as_an_operator(graft, tmp_path):
    """The model's own Relu, in ONNX's domain, comes before the operator."""
    relu = helper.make_function(
        "", "Relu", ["a"], ["b"], [helper.make_node("Neg", ["a"], ["b"])], OPSETS[:1]
    )
    path = save(tmp_path / "m.onnx", [helper.make_node("Relu", ["x"], ["y"])], [relu])
    numpy.save(tmp_path / "x.npy", X)
    result = graft("run", path, "--input", f"x={tmp_path}/x.npy", "--output", tmp_path / "y.npz")
    assert result.status == 0, result.errors
    numpy.testing.assert_array_equal(numpy.load(tmp_path / "y.npz")["y"], -X)
    result = graft("convert", path, tmp_path / "out.onnx", "--keep-functions")
    assert result.status == 69 and "has the name of an operator" in result.errors
    assert graft("convert", path, tmp_path / "out.onnx").status == 0


def test_constants_of_functions_may_be_external(graft, tmp_path):
    values = numpy.arange(3000, dtype=numpy.float32)
    values.tofile(tmp_path / "k.bin")
    constant = helper.make_node("Constant", [], ["k"])
    attribute = constant.attribute.add(name="value", type=onnx.AttributeProto.TENSOR)
    attribute.t.data_type = TensorProto.FLOAT
    attribute.t.dims.append(3000)
    attribute.t.data_location = TensorProto.EXTERNAL
    attribute.t.external_data.add(key="location", value="k.bin")
    nodes = [constant, helper.make_node("Slice", ["k", "s", "e"], ["t"]),
             helper.make_node("Add", ["a", "t"], ["b"])]  # fmt: skip
    for name, value in [("s", 5), ("e", 8)]:
        nodes.insert(0, helper.make_node("Constant", [], [name], value_ints=[value]))
    path = save(
        tmp_path / "m.onnx", [call("F", ["x"], ["y"])], [function("F", ["a"], ["b"], nodes)]
    )
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    result = graft("convert", path, folder / "out.onnx", "--keep-functions")
    assert result.status == 0, result.errors
    assert len(onnx.load(folder / "out.onnx").functions) == 1
    numpy.testing.assert_array_equal(run(folder / "out.onnx", X)[0], X + [5, 6, 7])
