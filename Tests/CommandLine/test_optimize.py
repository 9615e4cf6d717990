"""`--optimize off`: every node as the model has it."""

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper


def quantized_convolution(path):
    """QuantizeLinear, DequantizeLinear, Conv, Relu and QuantizeLinear, with ties in the results."""
    generator = numpy.random.default_rng(5)
    constants = {
        "scale": numpy.float32(0.05),
        "zero": numpy.uint8(120),
        "weights": generator.integers(-127, 128, (8, 4, 3, 3)).astype(numpy.int8),
        "weight_scale": generator.uniform(0.01, 0.02, 8).astype(numpy.float32),
        "result_scale": numpy.float32(0.1),
        "result_zero": numpy.uint8(30),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "scale", "zero"], ["xd"]),
        helper.make_node("DequantizeLinear", ["weights", "weight_scale"], ["wd"], axis=0),
        helper.make_node("Conv", ["xd", "wd"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("QuantizeLinear", ["r", "result_scale", "result_zero"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "quantized",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, 20, 20])],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, [1, 8, 20, 20])],
        [numpy_helper.from_array(numpy.asarray(v), k) for k, v in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)]), path)
    return generator.normal(0, 2, (1, 4, 20, 20)).astype(numpy.float32)


def test_results_are_those_of_the_nodes(graft, tmp_path):
    model = tmp_path / "model.onnx"
    numpy.save(tmp_path / "x.npy", quantized_convolution(model))

    def run(*options):
        words = ["--input", tmp_path / "x.npy", "--output", tmp_path / "y.npz", *options]
        result = graft("run", model, *words)
        assert result.status == 0, result.errors
        with numpy.load(tmp_path / "y.npz") as outputs:
            return outputs["y"].astype(int)

    fast = run()
    # Found in the cache, and not
    exact = run("--optimize", "off")
    assert (run("--optimize", "on") == fast).all()
    assert abs(fast - exact).max() <= 1
    assert fast.min() == exact.min() == 30 and fast.max() > 100
    assert "QuantizedConv" in profile(graft, model, tmp_path)
    plain = profile(graft, model, tmp_path, "--optimize", "off")
    assert "QuantizedConv" not in plain and "DequantizeLinear" in plain and "Relu" in plain


def profile(graft, model, tmp_path, *options):
    """What `benchmark --profile` prints: the operators that ran."""
    words = ["--runs", 1, "--profile", tmp_path / "trace.json", *options]
    result = graft("benchmark", model, *words)
    assert result.status == 0, result.errors
    return result.output


def test_images_are_classified_alike(graft, tmp_path):
    """The built-in network, whose fused form rounds otherwise."""
    image = numpy.random.default_rng(2).integers(0, 256, (32, 32, 3)).astype(numpy.uint8)
    from PIL import Image

    Image.fromarray(image).save(tmp_path / "image.png")
    answers = []
    for options in [[], ["--optimize", "off"]]:
        result = graft("infer", tmp_path / "image.png", "--json", *options)
        assert result.status == 0, result.errors
        answers.append(result.output.split('"label"')[1].split(",")[0])
    assert answers[0] == answers[1]


def test_wrong_words_are_refused(graft, tmp_path):
    model = tmp_path / "model.onnx"
    quantized_convolution(model)
    for command in ["run", "benchmark", "evaluate"]:
        result = graft(command, model, "--optimize", "some")
        assert result.status == 64
        assert "'on'" in result.errors and "'off'" in result.errors
    result = graft("benchmark", model, "--tune", "--optimize", "off")
    assert result.status == 64
    assert "--optimize off" in result.errors
