"""Messages about files of other kinds where a model, weights or a tensor was expected."""

import gzip
import io
import json
import pickle
import struct
import tarfile
import zipfile

import numpy
import onnx
import pytest
from onnx import TensorProto, helper


def zipped(*names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"content")
    return buffer.getvalue()


def npy():
    buffer = io.BytesIO()
    numpy.save(buffer, numpy.zeros(3))
    return buffer.getvalue()


def npz():
    buffer = io.BytesIO()
    numpy.savez(buffer, x=numpy.zeros(3))
    return buffer.getvalue()


def tar():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("model.onnx"))
    return buffer.getvalue()


def field(number, content):
    """A field of a message with fewer than 128 bytes."""
    return bytes([number << 3 | 2, len(content)]) + content


def relu():
    def value(name):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [2])

    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])], "g", [value("x")], [value("y")]
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def text_of(format):
    from onnx import serialization

    text = serialization.registry.get(format).serialize_proto(relu())
    return text if isinstance(text, bytes) else text.encode()


header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
node_def = field(1, field(1, b"input") + field(2, b"Placeholder"))
KINDS = {
    "keras-archive": (
        zipped("metadata.json", "config.json", "model.weights.h5"),
        "Keras 3 archive",
        "model.export",
    ),
    "torch-zip": (
        zipped("archive/data.pkl", "archive/data/0", "archive/version"),
        "PyTorch checkpoint",
        "torch.onnx.export",
    ),
    "torchscript": (
        zipped("m/data.pkl", "m/code/__torch__.py", "m/constants.pkl"),
        "TorchScript",
        "torch.onnx.export",
    ),
    "torch-legacy": (
        pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2) + b"\x80\x02M\xe9\x03.",
        "PyTorch checkpoint",
        "torch.onnx.export",
    ),
    "zip": (zipped("model.onnx"), "ZIP archive", "Unpack"),
    "npz": (npz(), "NumPy archive", ".onnx"),
    "npy": (npy(), "NumPy array", ".onnx"),
    "pickle": (pickle.dumps({"a": 1}), "Python pickle", "numpy.savez"),
    "tflite": (b"\x1c\0\0\0TFL3" + bytes(40), "TensorFlow Lite", "tf2onnx"),
    "ort": (b"\x1c\0\0\0ORTM" + bytes(40), ".ort", ".onnx file"),
    "safetensors": (struct.pack("<Q", len(header)) + header + bytes(4), "SafeTensors", "export"),
    "gguf": (b"GGUF\3\0\0\0" + bytes(40), "GGUF", "ONNX"),
    "saved-model": (
        b"\x08\x01" + field(2, field(1, b"*\x06" + b"2.15.0")),
        "SavedModel",
        "--saved-model",
    ),
    "graph-def": (node_def + node_def, "frozen TensorFlow graph", "--graphdef"),
    "core-ml": (b"\x08\x04" + field(2, field(1, field(1, b"image"))), "Core ML", "ONNX"),
    "caffe": (field(1, b"LeNet") + b"\xa2\x06\x02\x0a\x00", "Caffe", "ONNX"),
    "lfs": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n",
        "Git LFS pointer",
        "git lfs pull",
    ),
    "html": (b"\n<!DOCTYPE html><html>404</html>", "HTML page", "download"),
    "openvino": (b'<?xml version="1.0"?>\n<net name="m" version="11"></net>', "OpenVINO", "ONNX"),
    "xml": (b'<?xml version="1.0"?>\n<a/>', "XML", ".onnx"),
    "ncnn": (b"7767517\n1 1\nInput data 0 1 data\n", "ncnn", "ONNX"),
    "onnx-json": (text_of("json"), "ONNX model as JSON", 'format="json"'),
    "onnx-textproto": (text_of("textproto"), "protocol buffer text format", 'format="textproto"'),
    "onnx-text": (text_of("onnxtxt"), "text form", 'format="onnxtxt"'),
    "tfjs": (b'{"format": "layers-model", "modelTopology": {}}', "TensorFlow.js", "tf2onnx"),
    "keras-json": (
        b'{"class_name": "Functional", "config": {}}',
        "without weights",
        "model.export",
    ),
    "jpeg": (b"\xff\xd8\xff\xe0\0\x10JFIF", "JPEG image", ".onnx"),
    "png": (b"\x89PNG\r\n\x1a\n" + bytes(20), "PNG image", ".onnx"),
    "gif": (b"GIF89a" + bytes(20), "GIF image", ".onnx"),
    "webp": (b"RIFF\x10\0\0\0WEBPVP8 ", "WebP image", ".onnx"),
    "bmp": (b"BM" + bytes(12) + b"\x28\0\0\0" + bytes(40), "BMP image", ".onnx"),
    "tiff": (b"II*\0" + bytes(20), "TIFF image", ".onnx"),
    "heic": (b"\0\0\0\x18ftypheic" + bytes(12), "HEIC image", ".onnx"),
    "avif": (b"\0\0\0\x18ftypavif" + bytes(12), "AVIF image", ".onnx"),
    "gzip": (gzip.compress(b"x" * 100), "gzip archive", "Unpack"),
    "tar": (tar(), "tar archive", "Unpack"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(20), "7z archive", "Unpack"),
    "elf": (b"\x7fELF\2\1\1" + bytes(60), "ELF", ".onnx"),
    "empty": (b"", "empty file", "again"),
    "text": ("Größe: 3\n".encode() * 700, "text file", ".onnx"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_of_another_kind(graft, tmp_path, kind):
    content, name, advice = KINDS[kind]
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    result = graft("inspect", path)
    assert result.status == 65
    assert str(path) in result.errors
    assert name in result.errors and advice in result.errors
    assert "damaged" not in result.errors and "field key" not in result.errors


@pytest.mark.parametrize("kind", ["torch-zip", "html", "lfs", "keras-archive", "empty"])
@pytest.mark.parametrize(
    "command", ["run", "convert", "infer", "weights", "add", "npy", "npz", "pb"]
)
def test_wherever_a_file_is_opened(graft, tmp_path, kind, command):
    content, name, _ = KINDS[kind]
    path = tmp_path / f"file.{command if command in ('npy', 'npz', 'pb') else 'bin'}"
    path.write_bytes(content)
    onnx.save(relu(), tmp_path / "relu.onnx")
    out = tmp_path / "out.npz"
    result = {
        "run": lambda: graft("run", path, "--output", out),
        "convert": lambda: graft("convert", path, tmp_path / "out.onnx"),
        "infer": lambda: graft("infer", tmp_path / "image.png", "--model", path),
        "weights": lambda: (
            graft("inspect", "vgg16", "--weights", path)
            if "--weights" in graft("inspect", "--help").output
            else graft("convert", "vgg16", tmp_path / "out.onnx", "--weights", path)
        ),
        "add": lambda: graft("models", "add", "mine", path),
    }.get(
        command,
        lambda: graft("run", tmp_path / "relu.onnx", "--input", f"x={path}", "--output", out),
    )()
    assert result.status == 65, result.errors
    assert name in result.errors
    assert "damaged" not in result.errors
    assert not out.exists() and not (tmp_path / "out.onnx").exists()


@pytest.mark.parametrize(
    "files, name, status",
    [
        (["saved_model.pb", "variables/variables.index"], "SavedModel", 65),
        (["config.json", "model.safetensors"], "Hugging Face", 65),
        (["config.json", "model.weights.h5"], "Keras 3", 65),
        (["model.onnx"], "model.onnx", 66),
        ([], "a folder", 66),
    ],
)
def test_folders(graft, tmp_path, files, name, status):
    folder = tmp_path / "folder"
    folder.mkdir()
    for file in files:
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_bytes(b"x")
    result = graft("inspect", folder)
    assert result.status == status
    assert name in result.errors


def test_files_without_a_size(graft):
    result = graft("inspect", "/proc/self/maps")
    assert result.status == 65
    assert "gives no size, not an ONNX model. Copy its content to a file" in result.errors


def test_images_of_another_kind(infer, tmp_path):
    for name, content, kind in [
        ("model.onnx", relu().SerializeToString(), "is not an image in a known format. JPEG"),
        ("a.npy", npy(), "is a NumPy array, not an image. JPEG"),
        ("a.txt", b"text", "is a text file, not an image. JPEG"),
    ]:
        (tmp_path / name).write_bytes(content)
        result = infer(tmp_path / name)
        assert result.status == 65 and kind in result.errors


@pytest.mark.parametrize("name", ["lfs-pointer.onnx", "html.onnx"])
def test_faults(graft, faults, name):
    result = graft("inspect", faults / "keras-archive" / name)
    assert result.status == 65
    assert "damaged" not in result.errors


def test_a_real_keras_archive(graft, data):
    result = graft("inspect", data / "keras/mnist-cnn/mnist_cnn.keras")
    assert result.status == 65
    assert "Keras 3 archive" in result.errors and "model.export" in result.errors


def test_onnx_models_are_none_of_these(graft, tmp_path):
    """Fields may come in any order; none of the orders looks like another kind."""
    model = relu()
    parts = []
    for number in [1, 2, 3, 4, 5, 6, 7, 8]:
        piece = onnx.ModelProto()
        descriptor = onnx.ModelProto.DESCRIPTOR.fields_by_number[number]
        model.producer_name, model.producer_version = "BM", "GGUF"
        model.domain, model.model_version, model.doc_string = "PK", 1, "<html>"
        value = getattr(model, descriptor.name)
        if hasattr(value, "CopyFrom"):
            getattr(piece, descriptor.name).CopyFrom(value)
        elif isinstance(value, (int, str)):
            setattr(piece, descriptor.name, value)
        else:
            getattr(piece, descriptor.name).extend(value)
        parts.append(piece.SerializeToString())
    for first in range(8):
        path = tmp_path / f"{first}.onnx"
        path.write_bytes(b"".join(parts[first:] + parts[:first]))
        result = graft("inspect", path)
        assert result.status == 0, result.errors
