"""float16 networks: subnormal numbers are kept, and results are those of float32 rounded where the
network says.
"""

import numpy
import onnx
import pytest


def with_floats(model):
    """The same network with float32 where it has float16."""
    half, single = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT
    for tensor in model.graph.initializer:
        if tensor.data_type == half:
            values = onnx.numpy_helper.to_array(tensor).astype(numpy.float32)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    for value in [*model.graph.input, *model.graph.output, *model.graph.value_info]:
        if value.type.tensor_type.elem_type == half:
            value.type.tensor_type.elem_type = single
    return model


@pytest.fixture
def squeezenet(data):
    path = data / "onnx" / "squeezenet-fp16" / "SqueezeNet_fp16.onnx"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return path


@pytest.mark.parametrize("isa", ["scalar", "avx2", None])
def test_no_probability_of_squeezenet_is_lost(graft, squeezenet, tmp_path, isa):
    environment = {"GRAFT_ISA": isa} if isa else {}
    generator = numpy.random.default_rng(7)
    coarse = generator.uniform(-120, 130, (1, 3, 14, 14)).astype(numpy.float16)
    image = coarse.repeat(16, axis=2).repeat(16, axis=3)
    single = tmp_path / "single.onnx"
    onnx.save(with_floats(onnx.load(squeezenet)), single)
    probabilities = {}
    for path, type_ in [(squeezenet, numpy.float16), (single, numpy.float32)]:
        numpy.save(tmp_path / "image.npy", image.astype(type_))
        result = graft(
            "run",
            path,
            "--input",
            f"data_0={tmp_path / 'image.npy'}",
            "--output",
            tmp_path / "out.npz",
            environment=environment,
        )
        assert result.status == 0, result.errors
        with numpy.load(tmp_path / "out.npz") as outputs:
            probabilities[type_] = outputs["softmaxout_1"].astype(numpy.float64).ravel()
    half, reference = probabilities[numpy.float16], probabilities[numpy.float32]
    subnormal = (reference > 2**-22) & (reference < 2**-14)
    assert subnormal.sum() > 100
    assert (half[reference > 2**-22] > 0).all()
    # The scores, which float16 has with 11 bits, are about 20.
    numpy.testing.assert_allclose(half, reference, rtol=0.1, atol=2**-23)
