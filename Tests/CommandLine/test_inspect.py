"""graft inspect: a model as its file has it, also one with operators that Graft lacks."""

import fcntl
import json
import os
import pty
import struct
import subprocess
import termios

import numpy
import onnx
import pytest
from onnx import TensorProto, helper


def value(name, shape=(2, 2), kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def save(path, nodes, inputs, outputs, initializers=(), opset=20, domains=()):
    opsets = [helper.make_opsetid("", opset)] + [helper.make_opsetid(d, 1) for d in domains]
    graph = helper.make_graph(nodes, "g", inputs, outputs, initializers)
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def inspect(graft, model, *arguments):
    result = graft("inspect", model, "--json", *arguments)
    assert result.status == 0, result.errors
    return json.loads(result.output)


def test_layers_and_parameters_are_those_of_the_file(graft, data):
    for path in sorted((data / "onnx").glob("*/model.onnx")):
        model = onnx.load(path, load_external_data=False)
        if model.functions:
            continue
        summary = inspect(graft, path)
        top = [layer for layer in summary["layers"] if layer["depth"] == 0]
        assert len(top) == len(model.graph.node), path
        assert [layer["type"].split(".")[-1] for layer in top] == [
            node.op_type for node in model.graph.node
        ], path
        read = {name for node in model.graph.node for name in node.input}
        weights = {
            i.name: int(numpy.prod(i.dims, dtype=numpy.int64))
            for i in model.graph.initializer
            if i.name in read
            and i.data_type not in (TensorProto.INT64, TensorProto.BOOL, TensorProto.STRING)
        }
        if not any(node.op_type in ("Constant", "If", "Loop") for node in model.graph.node):
            assert summary["parameters"] == sum(weights.values()), path


def test_nodes_that_upgrading_adds_are_not_shown(graft, tmp_path):
    # At opset 7 Dropout's ratio is an attribute, and Softmax works on a flattened matrix.
    model = save(
        tmp_path / "m.onnx",
        [
            helper.make_node("Dropout", ["x"], ["d"], ratio=0.5),
            helper.make_node("Softmax", ["d"], ["y"], axis=1),
        ],
        [value("x", [2, 3, 4])],
        [value("y", [2, 3, 4])],
        opset=7,
    )
    summary = inspect(graft, model)
    assert [layer["type"] for layer in summary["layers"]] == ["Dropout", "Softmax"]
    assert [layer["outputShapes"] for layer in summary["layers"]] == [["[2, 3, 4]"]] * 2
    assert summary["parameters"] == 0


def test_bodies_are_counted_and_shown(graft, tmp_path):
    weights = helper.make_tensor("w", TensorProto.FLOAT, [2, 2], [1, 2, 3, 4])
    branches = {
        name: helper.make_graph(
            [helper.make_node("MatMul", ["x", "w"], ["r"], name=f"product-{name}")],
            name,
            [],
            [value("r")],
            [weights],
        )
        for name in ("then", "else")
    }
    model = save(
        tmp_path / "m.onnx",
        [
            helper.make_node(
                "If",
                ["c"],
                ["y"],
                name="choice",
                then_branch=branches["then"],
                else_branch=branches["else"],
            )
        ],
        [value("c", [], TensorProto.BOOL), value("x")],
        [value("y")],
    )
    summary = inspect(graft, model)
    assert [(layer["name"], layer["type"], layer["depth"]) for layer in summary["layers"]] == [
        ("choice", "If", 0),
        ("choice/else_branch/product-else", "MatMul", 1),
        ("choice/then_branch/product-then", "MatMul", 1),
    ]
    assert summary["parameters"] == 8
    # Nobody knows which branch runs.
    assert "multiplyAdds" not in summary
    assert "3 layers, 8 parameters" in graft("inspect", model).output


def test_quantized_models(graft, tmp_path):
    def scalar(name, kind, number):
        return helper.make_tensor(name, kind, [], [number])

    model = save(
        tmp_path / "m.onnx",
        [
            helper.make_node("QLinearConv", ["x", "s", "z", "w", "s", "z", "s", "z"], ["a"]),
            helper.make_node("ConvInteger", ["a", "v"], ["y"]),
        ],
        [value("x", [1, 3, 8, 8], TensorProto.UINT8)],
        [value("y", None, TensorProto.INT32)],
        [
            helper.make_tensor("w", TensorProto.UINT8, [4, 3, 3, 3], bytes(108), raw=True),
            helper.make_tensor("v", TensorProto.INT8, [2, 4, 3, 3], bytes(72), raw=True),
            scalar("s", TensorProto.FLOAT, 0.5),
            scalar("z", TensorProto.UINT8, 128),
        ],
    )
    summary = inspect(graft, model)
    assert summary["parameters"] == 108 + 72 + 2
    assert summary["parameterBytes"] == 108 + 72 + 4 + 1
    assert [layer["multiplyAdds"] for layer in summary["layers"]] == [3888, 1152]
    assert summary["multiplyAdds"] == 5040
    assert "5,040 multiply-adds" in graft("inspect", model).output


def test_an_unknown_operator_in_front_of_another(graft, faults):
    for command in (["inspect"], ["convert"]):
        arguments = [faults / "unknown-operator-before-gather.onnx"]
        if command == ["convert"]:
            arguments.append("/dev/null/no.onnx")
        result = graft(*command, *arguments)
        # The file cannot be made there; the test is that the model is valid.
        assert result.status == (0 if command == ["inspect"] else 73), result.errors
        assert "damaged" not in result.errors and "element type" not in result.errors


@pytest.mark.parametrize("opset", [6, 8, 10, 12, 20])
def test_older_forms_behind_unknown_operators_are_shown(graft, tmp_path, opset):
    axes = {"axes": [0]} if opset < 13 else {}
    nodes = [
        helper.make_node("Mystery", ["x"], ["u"], domain="other"),
        helper.make_node("Softmax", ["u"], ["a"], axis=1),
        helper.make_node("Unsqueeze", ["a"] if axes else ["a", "n"], ["b"], **axes),
        helper.make_node("PRelu", ["b", "slope"], ["y"]),
    ]
    model = save(
        tmp_path / "m.onnx",
        nodes,
        [value("x")],
        [value("y", None)],
        [
            helper.make_tensor("slope", TensorProto.FLOAT, [1], [0.5]),
            helper.make_tensor("n", TensorProto.INT64, [1], [0]),
        ],
        opset=opset,
        domains=["other"],
    )
    summary = inspect(graft, model)
    assert [layer["type"] for layer in summary["layers"]] == [
        "other.Mystery",
        "Softmax",
        "Unsqueeze",
        "PRelu",
    ]
    assert summary["unsupportedOperators"] == ["other.Mystery"]


@pytest.mark.parametrize("kind", ["MatMul", "Gemm", "Conv", "ConvTranspose"])
def test_multiply_adds_beyond_counting(graft, tmp_path, kind):
    side = 1 << 24
    shape = [side, side] if kind in ("MatMul", "Gemm") else [1, 1, side, side]
    attributes = {} if kind in ("MatMul", "Gemm") else {"pads": [side // 2] * 4}
    model = save(
        tmp_path / "m.onnx",
        [helper.make_node(kind, ["x", "w"], ["y"], **attributes)],
        [value("x", shape), value("w", shape)],
        [value("y", None)],
    )
    for arguments in ([], ["--json"]):
        result = graft("inspect", model, *arguments)
        assert result.status in (0, 65), result.errors


def test_the_sum_of_multiply_adds_beyond_counting(graft, tmp_path):
    # Each layer alone, 2^62, can be counted.
    model = save(
        tmp_path / "m.onnx",
        [helper.make_node("MatMul", ["x", "w"], [f"y{n}"]) for n in range(4)],
        [value("x", [1 << 20, 1 << 21]), value("w", [1 << 21, 1 << 21])],
        [value(f"y{n}", None) for n in range(4)],
    )
    summary = inspect(graft, model)
    assert [layer["multiplyAdds"] for layer in summary["layers"]] == [1 << 62] * 4
    assert "multiplyAdds" not in summary


@pytest.mark.parametrize(
    "shape", ["1,1,28,9223372036854775807", "9223372036854775807,1,28,28", "1,1,16777216,16777217"]
)
def test_shapes_beyond_memory(graft, tmp_path, shape):
    weights = numpy.zeros([4, 1, 3, 3], numpy.float32)
    model = save(
        tmp_path / "m.onnx",
        [
            helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
            helper.make_node("MaxPool", ["c"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
            helper.make_node("Flatten", ["p"], ["y"]),
        ],
        [value("x", [None, 1, None, None])],
        [value("y", None)],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    result = graft("inspect", model, "--shape", f"x={shape}")
    assert result.status == 65, result.errors
    assert "too many elements" in result.errors


@pytest.fixture
def three_operators(tmp_path):
    """Two convolutions and a few others, with attributes of all simple kinds and a long name."""
    weights = numpy.zeros([3, 3, 3, 3], numpy.float32)
    convolution = {"pads": [1, 1, 1, 1], "kernel_shape": [3, 3]}
    return save(
        tmp_path / "m.onnx",
        [
            helper.make_node("Conv", ["x", "w"], ["a"], name="first", **convolution),
            helper.make_node(
                "Conv", ["a", "w"], ["b"], name="/backbone" + "/block" * 30, **convolution
            ),
            helper.make_node("Elu", ["b"], ["c"], alpha=0.25),
            helper.make_node("Pad", ["c", "p"], ["y"], mode="edge"),
            helper.make_node(
                "Constant",
                [],
                ["unread"],
                value=helper.make_tensor("t", TensorProto.INT8, [40, 2], [0] * 80),
            ),
            helper.make_node(
                "Mystery", ["y"], ["z"], domain="other", many=list(range(99)), words=["a", "b"]
            ),
        ],
        [value("x", [1, 3, 8, 8])],
        [value("y", None), value("z", None)],
        [
            onnx.numpy_helper.from_array(weights, "w"),
            helper.make_tensor("p", TensorProto.INT64, [8], [0] * 8),
        ],
        domains=["other"],
    )


def test_attributes_are_shown_on_request(graft, three_operators):
    assert "kernel_shape" not in graft("inspect", three_operators).output
    lines = graft("inspect", three_operators, "--attributes").output.splitlines()
    row = next(n for n, line in enumerate(lines) if line.startswith("first"))
    assert lines[row + 1] == "    kernel_shape=[3, 3]  pads=[1, 1, 1, 1]"
    assert (
        "    alpha=0.25" in lines
        and '    mode="edge"' in lines
        and "    value=int8[40, 2]" in lines
    )
    assert any(line.endswith('10, 11, … 99 in all]  words=["a", "b"]') for line in lines)
    layers = inspect(graft, three_operators)["layers"]
    assert layers[0]["attributes"] == {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    assert layers[2]["attributes"] == {"alpha": 0.25} and layers[3]["attributes"] == {
        "mode": "edge"
    }
    assert layers[4]["attributes"] == {"value": "int8[40, 2]"}
    assert layers[5]["attributes"] == {"many": list(range(99)), "words": ["a", "b"]}


def test_operators_are_counted(graft, three_operators):
    assert inspect(graft, three_operators)["operators"] == [
        {"type": "Conv", "count": 2},
        *({"type": name, "count": 1} for name in ["Constant", "Elu", "Pad", "other.Mystery"]),
    ]
    output = graft("inspect", three_operators).output
    assert "operators: Conv 2, Constant 1, Elu 1, Pad 1, other.Mystery 1" in output


def on_terminal(graft, columns, *arguments):
    """The output of a command on a terminal of this many columns."""
    terminal, program = pty.openpty()
    fcntl.ioctl(program, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [graft.path, *map(str, arguments)], env=graft.environment, stdin=subprocess.DEVNULL,
        stdout=program, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(program)
    output = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            break
        if not piece:
            break
        output += piece
    os.close(terminal)
    assert process.wait(timeout=60) == 0
    return output.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("columns", [70, 100])
def test_tables_fit_the_terminal(graft, three_operators, columns):
    name = "/backbone" + "/block" * 30
    assert name in graft("inspect", three_operators).output
    output = on_terminal(graft, columns, "inspect", three_operators)
    table = output.split("\n\n")[1].splitlines()
    assert len(table) == 7 and max(map(len, table)) <= columns
    assert name not in output and "/back" in table[2] and "…" in table[2]
    # Numbers are whole.
    assert all(line.endswith("  5,184") for line in table[1:3])


def test_functions_are_shown_where_they_are_called(graft, tmp_path):
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("f", 1)]
    function = helper.make_function(
        "f",
        "Twice",
        ["a"],
        ["b"],
        [helper.make_node("Relu", ["a"], ["r"]), helper.make_node("Add", ["r", "r"], ["b"])],
        opsets,
    )
    calls = [
        helper.make_node("Twice", ["x"], ["t"], domain="f"),
        helper.make_node("Twice", ["t"], ["y"], domain="f"),
    ]
    graph = helper.make_graph(calls, "g", [value("x")], [value("y")])
    model = helper.make_model(graph, opset_imports=opsets, functions=[function], ir_version=8)
    onnx.save(model, tmp_path / "m.onnx")
    result = graft("inspect", tmp_path / "m.onnx", "--json")
    assert result.status == 0 and result.errors.count("has functions") == 1
    assert [layer["type"] for layer in json.loads(result.output)["layers"]] == ["Relu", "Add"] * 2
    del model.functions[:]
    model.graph.node[0].CopyFrom(helper.make_node("Relu", ["x"], ["t"]))
    model.graph.node[1].CopyFrom(helper.make_node("Relu", ["t"], ["y"]))
    onnx.save(model, tmp_path / "m.onnx")
    assert "has functions" not in graft("inspect", tmp_path / "m.onnx").errors


def test_labels_are_shown(graft, tmp_path):
    assert (
        "labels  10: airplane, automobile, bird, cat, deer and 5 more"
        in graft("inspect", "cifar10").output
    )
    assert inspect(graft, "cifar10")["labels"][5:] == ["dog", "frog", "horse", "ship", "truck"]
    model = save(
        tmp_path / "m.onnx", [helper.make_node("Relu", ["x"], ["y"])], [value("x")], [value("y")]
    )
    assert "labels" not in inspect(graft, model)
    assert "labels" not in graft("inspect", model).output
    for metadata in [{"graft.labels": '["a\\nb", ""]'}, {"names": "{0: 'a\\nb', 1: ''}"}]:
        described = onnx.load(model)
        helper.set_model_props(described, metadata)
        onnx.save(described, tmp_path / "described.onnx")
        assert inspect(graft, tmp_path / "described.onnx")["labels"] == ["a\nb", ""]
        assert "labels  2: a\\nb, –\n" in graft("inspect", tmp_path / "described.onnx").output
    # Invalid ones do not hide the rest.
    helper.set_model_props(described, {"graft.labels": '["a", "b"'})
    onnx.save(described, tmp_path / "described.onnx")
    result = graft("inspect", tmp_path / "described.onnx")
    assert result.status == 0 and "Relu 1" in result.output and "labels  " not in result.output
    assert "warning: " in result.errors and "metadata 'graft.labels': is neither" in result.errors
