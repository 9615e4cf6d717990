"""`--precision exact`: convolutions as direct sums, kept apart from others in the cache."""

import numpy
import onnx
from onnx import TensorProto, helper


def test_direct_sums_round_less(graft, tmp_path):
    generator = numpy.random.default_rng(3)
    channels, size = 64, 48
    image = generator.normal(size=(1, channels, size, size)).astype(numpy.float32)
    weights = generator.normal(size=(16, channels, 3, 3)).astype(numpy.float32)
    node = helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])
    shapes = [("x", image.shape), ("y", (1, 16, size, size))]
    x, y = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes]
    initializer = onnx.numpy_helper.from_array(weights, "w")
    graph = helper.make_graph([node], "convolution", [x], [y], [initializer])
    model = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), model)
    numpy.save(tmp_path / "x.npy", image)
    padded = numpy.pad(image.astype(numpy.float64), ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = numpy.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    reference = numpy.einsum("ncyxij,ocij->noyx", windows, weights, optimize=True)

    def error(*options):
        result = graft(
            "run",
            model,
            "--input",
            f"x={tmp_path / 'x.npy'}",
            "--output",
            tmp_path / "out.npz",
            *options,
        )
        assert result.status == 0, result.errors
        with numpy.load(tmp_path / "out.npz") as outputs:
            difference = outputs["y"] - reference
        return numpy.sqrt((difference**2).mean() / (reference**2).mean())

    # The second runs find compiled models.
    fast, exact = error(), error("--precision", "exact")
    assert (error(), error("--precision", "exact")) == (fast, exact)
    assert exact < 1e-6 < fast < 5e-6


def test_other_names_are_refused(graft, tmp_path):
    result = graft("run", tmp_path / "model.onnx", "--precision", "exakt")
    assert result.status == 64
    assert "fp32" in result.errors and "exact" in result.errors and "bf16" in result.errors


def test_a_run_keeps_its_precision(graft, faults, tmp_path):
    folder = faults / "layer-names"
    words = [
        "--model",
        folder / "model.onnx",
        "--preprocess",
        "unit",
        "--resize",
        16,
        "--threads",
        1,
    ]
    images = faults / "trunk-batchnorm-training-mode/pictures"

    def run(name, *options):
        return graft("finetune", images, "--output", tmp_path / name, *options)

    assert run("exact", *words, "--epochs", "1,0", "--precision", "exact").status == 0
    assert "precision: exact" in (tmp_path / "exact/recipe.yaml").read_text()
    other = run("exact", "--resume", "--epochs", "2,0", "--precision", "fp32")
    assert other.status == 64 and "--precision is 'fp32', but was 'exact'" in other.errors
    assert run("exact", "--resume").status == 0
    # Without the option it is fp32, which may be said.
    assert run("default", *words, "--epochs", "1,0").status == 0
    assert run("default", "--resume", "--precision", "fp32").status == 0
    assert run("default", "--resume", "--precision", "bf16").status == 64
