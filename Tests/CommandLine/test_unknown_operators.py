"""Operators that Graft does not have: all named at once, with what they belong to."""

import numpy
import onnx
import onnx.parser
import pytest
from onnx import TensorProto, helper


def save(path, nodes, opsets, ir_version=8):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3])],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, None)],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid(d, v) for d, v in opsets.items()],
        ir_version=ir_version,
    )
    path.write_bytes(model.SerializeToString())
    return path


def chain(*operators):
    names = ["x", *(f"v{n}" for n in range(len(operators)))]
    return [
        helper.make_node(name.split("/")[-1], [a], [b], domain="".join(name.split("/")[:-1]))
        for name, a, b in zip(operators, names, names[1:])
    ]


def run(graft, path):
    numpy.save(path.parent / "x.npy", numpy.zeros((2, 3), numpy.float32))
    return graft("run", path, "--input", path.parent / "x.npy")


def test_all_are_named_with_their_domains(graft, tmp_path):
    path = save(
        tmp_path / "m.onnx",
        chain(
            "com.microsoft/FusedThing", "Relu", "com.microsoft/FusedThing", "my.company/Zap",
            "Sgmoid", "mmdeploy/NMSRotated", "com.microsoft.nchwc/ReorderInput",
        ),
        {"": 17, "com.microsoft": 1, "my.company": 3, "mmdeploy": 1, "com.microsoft.nchwc": 1},
    )  # fmt: skip
    result = run(graft, path)
    assert result.status == 69
    for text in [
        "com.microsoft.FusedThing (2 nodes)",
        "com.microsoft.nchwc.ReorderInput",
        "mmdeploy.NMSRotated",
        "my.company.Zap",
        "Sgmoid",
        "com.microsoft: onnxruntime's own operators; export without its optimizer",
        "com.microsoft.nchwc: onnxruntime's own layout",
        "mmdeploy: OpenMMLab's custom operators",
        "my.company: not a domain of ONNX",
        "Did you mean 'Sigmoid'?",
    ]:
        assert text in result.errors, text
    assert result.errors.count("\n") == 1


def test_a_form_that_needs_unknown_types_is_no_riddle(graft, tmp_path):
    """Opset 12's Softmax needs the rank of what an unknown operator computes; that goes unsaid."""
    path = save(
        tmp_path / "m.onnx",
        chain("com.microsoft/FusedThing", "Softmax", "custom/Other"),
        {"": 12, "com.microsoft": 1, "custom": 1},
    )
    result = run(graft, path)
    assert result.status == 69
    for text in ["com.microsoft.FusedThing, custom.Other", "export without its optimizer"]:
        assert text in result.errors
    assert "Softmax" not in result.errors


@pytest.mark.parametrize("command", ["run", "inspect", "convert"])
def test_forms_that_the_opset_does_not_have(graft, tmp_path, command):
    path = save(
        tmp_path / "m.onnx",
        chain("Mish", "Gelu", "Mish", "ai.onnx.ml/Binarizer", "Relu"),
        {"": 9},
    )
    arguments = [tmp_path / "out.onnx"] if command == "convert" else []
    result = graft(command, path, *arguments)
    assert result.status == 65
    for text in [
        "Gelu (opset 20, the model has 9)",
        "Mish (2 nodes; opset 18, the model has 9)",
        "ai.onnx.ml.Binarizer (the model imports no ai.onnx.ml)",
        "opset_import",
    ]:
        assert text in result.errors, result.errors


def test_operators_in_bodies_and_functions_count(graft, tmp_path):
    model = onnx.parser.parse_model(
        """
        <ir_version: 8, opset_import: ["" : 17, "local" : 1, "custom" : 1]>
        g (float[2, 3] x, bool c) => (float[2, 3] y) {
          t = local.F(x)
          y = If (c) <
            then_branch = a () => (float[2, 3] r) { r = custom.Zap(t) },
            else_branch = b () => (float[2, 3] s) { s = custom.Zap(x) }
          >
        }
        <domain: "local", opset_import: ["" : 17, "custom" : 1]>
        F (a) => (b) { t = custom.Zap(a) b = custom.Zip(t) }
        """
    )
    onnx.save(model, tmp_path / "m.onnx")
    result = graft("run", tmp_path / "m.onnx")
    assert "custom.Zap (3 nodes), custom.Zip" in result.errors or result.status == 64
    result = graft("inspect", tmp_path / "m.onnx")
    assert "unsupported operators: custom.Zap, custom.Zip" in result.output


def test_operators_that_were_experimental(graft, tmp_path):
    path = save(tmp_path / "m.onnx", chain("GRUUnit", "ATen"), {"": 7}, 3)
    result = run(graft, path)
    assert result.status == 69
    assert "ATen, GRUUnit were experimental operators" in result.errors
