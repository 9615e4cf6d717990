"""Files that name the same thing many times: refused before they use memory or time."""

import resource

import numpy
import onnx
import pytest
from onnx import TensorProto, helper

# More than a debug build needs, far less than the models ask for.
MEMORY = 3 << 30

OPSETS = [helper.make_opsetid("", 21), helper.make_opsetid("f", 1)]


def limited():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def value(name, kind=TensorProto.FLOAT, shape=None):
    return helper.make_tensor_value_info(name, kind, shape)


def save(path, nodes, inputs, outputs, functions=(), initializers=()):
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(initializers))
    model = helper.make_model(graph, opset_imports=OPSETS, functions=list(functions), ir_version=10)
    path.write_bytes(model.SerializeToString())
    return path


def function(name, inputs, outputs, nodes, attributes=()):
    return helper.make_function("f", name, inputs, outputs, nodes, OPSETS, list(attributes))


def call(name, inputs, outputs, node_name="", **attributes):
    node = helper.make_node(name, inputs, outputs, domain="f", **attributes)
    node.name = node_name
    return node


def chain(operator, source, prefix, count):
    names = [source] + [f"{prefix}{n}" for n in range(count)]
    return [helper.make_node(operator, [a], [b]) for a, b in zip(names, names[1:])]


def check(graft, model, message, commands=("inspect", "run", "convert")):
    for command in commands:
        arguments = [command, model]
        if command == "run":
            arguments += ["--output-dir", model.parent / "out"]
        if command == "convert":
            arguments += [model.parent / "copy.onnx"]
        result = graft(*arguments, preexec_fn=limited)
        assert result.status == 65, (command, result.status, result.errors[-1000:])
        assert message in result.errors, (command, result.errors[-1000:])


def test_a_long_name_before_every_inlined_name(graft, tmp_path):
    inner = function("A", ["a"], ["o399"], chain("Relu", "a", "o", 400))
    calls = [call("A", ["a" if n == 0 else f"p{n - 1}"], [f"p{n}"]) for n in range(400)]
    outer = function("B", ["a"], ["p399"], calls)
    model = save(
        tmp_path / "m.onnx",
        [call("B", ["x"], ["y"], node_name="n" * 100_000)],
        [value("x", shape=[4])],
        [value("y")],
        [inner, outer],
    )
    check(graft, model, "too much for the size of its files")


def body(count):
    constant = helper.make_node("Constant", [], ["k"], value_float=1.0)
    return helper.make_graph(
        [constant] + chain("Relu", "k", "s", count), "b", [], [value(f"s{count - 1}")]
    )


def test_bodies_in_functions(graft, tmp_path):
    graph = body(1000)
    holder = function(
        "I",
        ["c"],
        ["b"],
        [helper.make_node("If", ["c"], ["b"], then_branch=graph, else_branch=graph)],
    )
    model = save(
        tmp_path / "m.onnx",
        [call("I", ["c"], [f"t{n}"]) for n in range(1500)],
        [value("c", TensorProto.BOOL, [])],
        [value("t0")],
        [holder],
    )
    check(graft, model, "functions whose inlining adds", commands=["inspect"])


def reference(output, operator, inputs, names, kind):
    node = onnx.NodeProto(op_type=operator, input=inputs, output=[output])
    for name in names:
        node.attribute.add(name=name, type=kind, ref_attr_name="g")
    return node


def test_references_to_a_graph(graft, tmp_path):
    nodes = [
        reference(f"b{n}", "If", ["c"], ["then_branch", "else_branch"], 5) for n in range(1500)
    ]
    model = save(
        tmp_path / "m.onnx",
        [call("R", ["c"], ["y"], g=body(1000))],
        [value("c", TensorProto.BOOL, [])],
        [value("y")],
        [function("R", ["c"], ["b0"], nodes, ["g"])],
    )
    check(graft, model, "functions whose inlining adds", commands=["inspect"])


def test_references_to_a_tensor(graft, tmp_path):
    tensor = helper.make_tensor("v", TensorProto.INT8, [100_000], [1] * 100_000)
    nodes = [reference(f"b{n}", "Constant", [], ["value"], 4) for n in range(20_000)]
    model = save(
        tmp_path / "m.onnx",
        [call("C", [], ["y"], g=tensor)],
        [],
        [value("y", TensorProto.INT8)],
        [function("C", [], ["b0"], nodes, ["g"])],
    )
    check(graft, model, "too much for the size of its files", commands=["inspect"])


def test_references_to_a_list(graft, tmp_path):
    nodes = [reference(f"b{n}", "Mystery", [], ["list"], 7) for n in range(10_000)]
    model = save(
        tmp_path / "m.onnx",
        [call("C", [], ["y"], g=list(range(100_000)))],
        [],
        [value("y")],
        [function("C", [], ["b0"], nodes, ["g"])],
    )
    check(graft, model, "too much for the size of its files", commands=["inspect"])


def test_bodies_and_calls_too_deep_in_each_other(graft, tmp_path):
    """Each function calls the next from within bodies that lie in bodies."""
    functions, depth, bodies = [], 60, 30
    for number in range(depth):
        nodes = (
            [call(f"D{number + 1}", ["c"], ["r"])]
            if number < depth - 1
            else [helper.make_node("Identity", ["c"], ["r"])]
        )
        for _ in range(bodies):
            graph = helper.make_graph(nodes, "b", [], [value("r", TensorProto.BOOL)])
            nodes = [helper.make_node("If", ["c"], ["r"], then_branch=graph, else_branch=graph)]
            nodes[0].attribute[1].g.Clear()
            nodes[0].attribute[1].g.CopyFrom(
                helper.make_graph(
                    [helper.make_node("Identity", ["c"], ["r"])],
                    "b",
                    [],
                    [value("r", TensorProto.BOOL)],
                )
            )
        functions.append(function(f"D{number}", ["c"], ["r"], nodes))
    model = save(
        tmp_path / "m.onnx",
        [call("D0", ["c"], ["y"])],
        [value("c", TensorProto.BOOL, [])],
        [value("y", TensorProto.BOOL)],
        functions,
    )
    check(graft, model, "deeper than", commands=["inspect"])


@pytest.mark.parametrize(
    "kind, width",
    [
        (TensorProto.INT4, 0.5),
        (TensorProto.UINT4, 0.5),
        (TensorProto.BOOL, 1),
        (TensorProto.FLOAT16, 2),
    ],
)
def test_one_blob_of_many_initializers(graft, tmp_path, kind, width):
    data = numpy.full(2_000_000, 2, numpy.uint8)
    data.tofile(tmp_path / "blob.bin")
    initializers = []
    for number in range(2000):
        tensor = TensorProto(name=f"w{number}", data_type=kind, dims=[int(2_000_000 / width)])
        tensor.data_location = TensorProto.EXTERNAL
        # Different names of one file are one file.
        tensor.external_data.add(key="location", value="./" * (number % 3) + "blob.bin")
        initializers.append(tensor)
    model = save(
        tmp_path / "m.onnx",
        [helper.make_node("Relu", ["x"], ["y"])],
        [value("x", shape=[4])],
        [value("y")],
        initializers=initializers,
    )
    check(graft, model, "too much for the size of its files", commands=["inspect"])


def test_weights_that_a_few_initializers_share(graft, tmp_path):
    numpy.arange(1000, dtype=numpy.float32).tofile(tmp_path / "blob.bin")
    initializers = []
    for number in range(8):
        tensor = TensorProto(name=f"w{number}", data_type=TensorProto.FLOAT, dims=[1000])
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="blob.bin")
        initializers.append(tensor)
    model = save(
        tmp_path / "m.onnx",
        [helper.make_node("Sum", [f"w{n}" for n in range(8)], ["y"])],
        [],
        [value("y", shape=[1000])],
        initializers=initializers,
    )
    result = graft("run", model, "--output", tmp_path / "out.npz")
    assert result.status == 0, result.errors
    with numpy.load(tmp_path / "out.npz") as outputs:
        numpy.testing.assert_array_equal(outputs["y"], 8 * numpy.arange(1000, dtype=numpy.float32))


@pytest.mark.parametrize(
    "name, status",
    [
        ("macs-overflow-matmul", 0),
        ("macs-overflow-conv", 0),
        ("long-name-prefix", 65),
        ("bodies-in-functions", 65),
        ("tensor-reference", 65),
    ],
)
def test_files_that_went_wrong(graft, faults, name, status):
    # Invalid files are refused before anything is printed.
    for arguments in ([], ["--json"]) if status == 0 else ([],):
        result = graft(
            "inspect", faults / "hostile" / f"{name}.onnx", *arguments, preexec_fn=limited
        )
        assert result.status == status, result.errors[-1000:]
