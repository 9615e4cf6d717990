"""infer: models that are not classifiers are refused."""

import onnx
import onnx.parser
import pytest


def model(path, outputs, nodes):
    onnx.save(
        onnx.parser.parse_model(
            '<ir_version: 8, opset_import: ["" : 13]> '
            f"g (float[1, 3, 4, 4] x) => ({outputs}) {{ {nodes} }}"
        ),
        path,
    )
    return path


SCORES = "s = GlobalAveragePool(x) y = Flatten<axis = 1>(s)"
MODELS = {
    "boxes": (
        "float[1, 48, 1] a, float[1, 12, 4] b",
        "c = Constant<value_ints = [1, 48, 1]>() "
        "d = Constant<value_ints = [1, 12, 4]>() a = Reshape(x, c) b = Reshape(x, d)",
    ),
    "indices": ("float[1, 3] y, int64[1, 3] i", SCORES + " i = Cast<to = 7>(y)"),
    "images": ("float[1, 3, 4, 4] z, float[1, 3] y", "z = Relu(x) " + SCORES),
}


@pytest.mark.parametrize("name", MODELS)
def test_detectors_are_refused(graft, faults, tmp_path, name):
    outputs, nodes = MODELS[name]
    image = faults / "no-proc-arguments/picture.png"
    result = graft("infer", image, "--model", model(tmp_path / "m.onnx", outputs, nodes))
    assert result.status == 65, result.errors
    assert "not a classifier: its outputs are" in result.errors
    assert "graft run" in result.errors


def test_classifiers_may_have_other_outputs(graft, faults, tmp_path):
    image = faults / "no-proc-arguments/picture.png"
    path = model(tmp_path / "m.onnx", "float[1, 3] y, float[1, 3, 1, 1] s", SCORES)
    result = graft("infer", image, "--model", path)
    assert result.status == 0, result.errors
