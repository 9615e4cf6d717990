"""Errors of VGG16's layers and logits against the same network in float64."""

import os
import subprocess
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import helper
from PIL import Image

from benchmark import models
from benchmark.contenders import Unavailable


def _image(folder):
    """An image as input of VGG16: 224x224, BGR, minus the means, NCHW."""
    image = Image.open(models.image(folder)).convert("RGB").resize((224, 224), Image.NEAREST)
    values = np.asarray(image, np.float32)[..., ::-1] - np.float32([103.939, 116.779, 123.68])
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None])


def _convolution(value, kernel):
    """A 3x3 convolution of [channels, height, width] with a border of zeros, as nine products."""
    _, height, width = value.shape
    padded = np.pad(value, ((0, 0), (1, 1), (1, 1)))
    total = np.zeros((kernel.shape[0], height * width))
    for y in range(3):
        for x in range(3):
            part = padded[:, y : y + height, x : x + width].reshape(len(value), -1)
            total += kernel[:, :, y, x] @ part
    return total.reshape(-1, height, width)


def reference(weights, image):
    """Every layer's output after its activation, and the logits, in float64."""
    value, layers = image[0].astype(np.float64), {}
    for name, _, _, pooled in models.convolutions():
        kernel, bias = (array.astype(np.float64) for array in weights[name])
        value = np.maximum(_convolution(value, kernel) + bias[:, None, None], 0)
        layers[name] = value
        if pooled:
            channels, height, width = value.shape
            value = value.reshape(channels, height // 2, 2, width // 2, 2).max(axis=(2, 4))
    value = value.transpose(1, 2, 0).reshape(-1)
    for name, _, _ in models.DENSE:
        kernel, bias = (array.astype(np.float64) for array in weights[name])
        value = value @ kernel + bias
        if name == "predictions":
            return layers, value
        value = layers[name] = np.maximum(value, 0)


def _with_outputs(path, target, names):
    """The model with other outputs and without the parts that they do not need."""
    model = onnx.load(path)
    del model.graph.output[:]
    for name in names:
        kind = onnx.TensorProto.FLOAT
        model.graph.output.append(helper.make_tensor_value_info(name, kind, None))
    model.graph.node.pop()
    onnx.save(model, target)


def _error(value, expected):
    value = value.astype(np.float64).reshape(expected.shape)
    return float(np.linalg.norm(value - expected) / np.linalg.norm(expected))


def _run_graft(graft, model, folder, *arguments):
    output = os.path.join(folder, "outputs.npz")
    result = subprocess.run(
        [graft, "run", model, "--output", output, *arguments]
        + ["--input", f"input_1={os.path.join(folder, 'image.npy')}"],
        capture_output=True,
        text=True,
        env={**os.environ, "GRAFT_OFFLINE": "1"},
    )
    if result.returncode != 0:
        raise Unavailable(f"graft run: {result.stderr.strip()}")
    with np.load(output) as outputs:
        return {name: outputs[name] for name in outputs.files}


def measure(setting):
    """Errors of the whole network up to each layer's output, and of the logits.

    The logits come from a network without other outputs, so that all is fused that can be.
    """
    path, logits = setting.vgg16(), "predictions/sum"
    with tempfile.TemporaryDirectory(dir=setting.folder) as folder:
        image = _image(folder)
        np.save(os.path.join(folder, "image.npy"), image)
        layers, expected = reference(models.vgg16_weights(path), image)
        model = os.path.join(folder, "model.onnx")
        _with_outputs(path, model, [logits])

        def logit_error(*arguments):
            return _error(_run_graft(setting.graft, model, folder, *arguments)[logits], expected)

        result = {"graft": {"logits": logit_error()}, "onnxruntime": {}}
        if setting.supports("run", "--precision"):
            result["graft_bf16"] = {"logits": logit_error("--precision", "bf16")}
        _with_outputs(path, model, [*layers, logits])
        outputs = {"graft": _run_graft(setting.graft, model, folder)}
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        values = session.run(names, {"input_1": image})
        outputs["onnxruntime"] = dict(zip(names, values))
    result["onnxruntime"]["logits"] = _error(outputs["onnxruntime"][logits], expected)
    for runtime, values in outputs.items():
        errors = {name: _error(values[name], layer) for name, layer in layers.items()}
        result[runtime]["layers"] = errors
    return result
