"""graft run: tensors in, tensors out."""

import struct

import numpy
import pytest

NODE_FAULTS = [
    "f16-cast-from-double",
    "f16-cast-to-double",
    "f16-layernorm-epsilon-cast",
    "f16-scatterelements-add",
    "f16-scatterelements-min",
    "f16-softmax-opset13",
    "float32-subnormals",
    "unicode-equal-strings",
]


@pytest.mark.parametrize("name", NODE_FAULTS)
def test_outputs_are_those_of_the_reference(graft, faults, tmp_path, name):
    folder = faults / name
    arguments = []
    if (folder / "input.npz").exists():
        with numpy.load(folder / "input.npz") as inputs:
            for key in inputs.files:
                numpy.save(tmp_path / f"{key}.npy", inputs[key])
                arguments += ["--input", f"{key}={tmp_path / key}.npy"]
    result = graft("run", folder / "model.onnx", *arguments, "--output", tmp_path / "out.npz")
    assert result.status == 0, result.errors
    with (
        numpy.load(tmp_path / "out.npz") as outputs,
        numpy.load(folder / "expected.npz") as expected,
    ):
        assert set(outputs.files) == set(expected.files)
        for key in expected.files:
            numpy.testing.assert_allclose(
                outputs[key], expected[key], rtol=1e-6, atol=0, err_msg=key
            )


@pytest.mark.parametrize("fortran", [False, True])
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_arrays_of_python_2_are_read(graft, faults, tmp_path, version, fortran):
    folder = faults / "npy-python2-long"
    with numpy.load(folder / "expected.npz") as expected:
        expected = dict(expected)
    original = numpy.load(folder / "python2.npy")
    header = (
        f"{{'descr': '{original.dtype.str}', 'fortran_order': {fortran}, 'shape': (2L, 3L), }}\n"
    )
    size = struct.pack("<H" if version == (1, 0) else "<I", len(header))
    file = tmp_path / "x.npy"
    file.write_bytes(
        b"\x93NUMPY" + bytes(version) + size + header.encode()
        + original.tobytes("F" if fortran else "C")
    )  # fmt: skip
    for path in [folder / "python2.npy", file]:
        result = graft(
            "run", folder / "model.onnx", "--input", f"x={path}", "--output", tmp_path / "out.npz"
        )
        assert result.status == 0, result.errors
        with numpy.load(tmp_path / "out.npz") as outputs:
            for key, value in expected.items():
                numpy.testing.assert_array_equal(outputs[key], value)
