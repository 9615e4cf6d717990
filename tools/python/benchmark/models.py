"""The networks and inputs that are measured."""

import os
import subprocess
import sys

import numpy as np
import onnx
from onnx import helper, numpy_helper

BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
DENSE = (("fc1", 25088, 4096), ("fc2", 4096, 4096), ("predictions", 4096, 1000))
WEIGHTS = "vgg16_weights_tf_dim_ordering_tf_kernels.h5"
LIGHT = {
    "AlexNet": "bvlc_alexnet",
    "DenseNet-121": "densenet121",
    "Inception v1": "inception_v1",
    "Inception v2": "inception_v2",
    "ResNet-50": "resnet50",
    "ShuffleNet": "shufflenet",
    "SqueezeNet": "squeezenet",
    "VGG-19": "vgg19",
    "ZFNet": "zfnet512",
}


def convolutions():
    """Name, input and output channels of VGG16's convolutions, and whether a pool follows."""
    channels = 3
    for block, (count, extent) in enumerate(BLOCKS, 1):
        for index in range(1, count + 1):
            yield f"block{block}_conv{index}", channels, extent, index == count
            channels = extent


def _random_weights():
    """He-normal kernels in Keras's layout, as activations keep their size through the network."""
    generator = np.random.Generator(np.random.Philox(16))
    shapes = {name: (3, 3, inputs, outputs) for name, inputs, outputs, _ in convolutions()}
    shapes |= {name: (inputs, outputs) for name, inputs, outputs in DENSE}
    for name, shape in shapes.items():
        scale = np.float32(np.sqrt(2 / np.prod(shape[:-1])))
        kernel = generator.standard_normal(shape, dtype=np.float32) * scale
        bias = generator.standard_normal(shape[-1], dtype=np.float32) * np.float32(0.05)
        yield name, kernel, bias


def _file_weights(path):
    import h5py

    with h5py.File(path) as file:
        for name in [layer[0] for layer in convolutions()] + [layer[0] for layer in DENSE]:
            kernel, bias = (np.asarray(file[name][key]) for key in file[name].attrs["weight_names"])
            yield name, kernel, bias


def _vgg16_model(weights):
    """VGG16 as ONNX: images as NCHW, dense kernels in Keras's order of channels last."""
    nodes, initializers = [], []
    weights = {name: (kernel, bias) for name, kernel, bias in weights}

    def add(operator, inputs, output, **attributes):
        nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def weighted(operator, name, value, **attributes):
        kernel, bias = weights.pop(name)
        if operator == "Conv":
            kernel = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
        for part, array in (("kernel", kernel), ("bias", bias)):
            initializers.append(numpy_helper.from_array(array, f"{name}/{part}"))
        inputs = [value, f"{name}/kernel", f"{name}/bias"]
        return add(operator, inputs, f"{name}/sum", **attributes)

    value = "input_1"
    for name, _, _, pooled in convolutions():
        value = weighted("Conv", name, value, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        value = add("Relu", [value], name)
        if pooled:
            pool = name.split("_")[0] + "_pool"
            value = add("MaxPool", [value], pool, kernel_shape=[2, 2], strides=[2, 2])
    value = add("Flatten", [add("Transpose", [value], "channels_last", perm=[0, 2, 3, 1])], "flat")
    for name, _, _ in DENSE:
        value = weighted("Gemm", name, value)
        value = add("Softmax" if name == "predictions" else "Relu", [value], name)
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "vgg16",
        [helper.make_tensor_value_info("input_1", kind, ["N", 3, 224, 224])],
        [helper.make_tensor_value_info("predictions", kind, ["N", 1000])],
        initializers,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def _weights_script():
    """The script of GRAFT_TEST_DATA that makes VGG16's weights, or None."""
    data = os.environ.get("GRAFT_TEST_DATA", "")
    script = os.path.join(data, "vgg16", "make_weights.py")
    return script if data and os.path.exists(script) else None


def vgg16_source():
    """Where VGG16's weights come from, in words."""
    return "GRAFT_TEST_DATA" if _weights_script() else "random numbers"


def vgg16(folder):
    """The path of VGG16, made on first use."""
    script = _weights_script()
    given = script is not None
    path = os.path.join(folder, "vgg16.onnx" if given else "vgg16-random.onnx")
    if os.path.exists(path):
        return path
    os.makedirs(folder, exist_ok=True)
    weights = os.path.join(folder, WEIGHTS)
    if given:
        subprocess.run([sys.executable, script, folder], check=True, stdout=subprocess.DEVNULL)
    onnx.save(_vgg16_model(_file_weights(weights) if given else _random_weights()), path + ".new")
    os.rename(path + ".new", path)
    for name in (WEIGHTS, WEIGHTS.replace(".h5", "_notop.h5")) if given else ():
        os.remove(os.path.join(folder, name))
    return path


def vgg16_trunk(folder):
    """The path of VGG16 without its dense layers, of random weights and open extents, made on first
    use.

    A last layer of one unit says where the features end.
    """
    path = os.path.join(folder, "vgg16-trunk.onnx")
    if os.path.exists(path):
        return path
    model = _vgg16_model(_random_weights())
    graph = model.graph
    last = [node.op_type for node in graph.node].index("Transpose")
    del graph.node[last:]
    kernel = np.zeros((512, 1), np.float32)
    graph.initializer.append(numpy_helper.from_array(kernel, "top"))
    graph.node.extend(
        [
            helper.make_node("GlobalAveragePool", ["block5_pool"], ["means"]),
            helper.make_node("Flatten", ["means"], ["flat"]),
            helper.make_node("MatMul", ["flat", "top"], ["predictions"]),
        ]
    )
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    kind = onnx.TensorProto.FLOAT
    graph.input[0].CopyFrom(helper.make_tensor_value_info("input_1", kind, ["N", 3, "H", "W"]))
    graph.output[0].CopyFrom(helper.make_tensor_value_info("predictions", kind, ["N", 1]))
    onnx.save(model, path + ".new")
    os.rename(path + ".new", path)
    return path


def vgg16_weights(path):
    """Kernels and biases by layer: kernels as [out, in, height, width] and [in, out]."""
    arrays = {i.name: numpy_helper.to_array(i) for i in onnx.load(path).graph.initializer}
    names = [layer[0] for layer in convolutions()] + [layer[0] for layer in DENSE]
    return {name: (arrays[f"{name}/kernel"], arrays[f"{name}/bias"]) for name in names}


def light(name):
    """The path of one of the nets that the onnx package ships for its conformance suite."""
    folder = os.path.join(os.path.dirname(onnx.__file__), "backend", "test", "data", "light")
    return os.path.join(folder, f"light_{LIGHT[name]}.onnx")


def input_of(path, batch):
    """Name and shape of a model's one input."""
    graph = onnx.load(path).graph
    weights = {initializer.name for initializer in graph.initializer}
    (value,) = [value for value in graph.input if value.name not in weights]
    extents = value.type.tensor_type.shape.dim
    return value.name, [extent.dim_value or batch for extent in extents]


def random_input(shape):
    """Uniform in -1 ... 1, as `graft benchmark` makes its inputs."""
    return np.random.default_rng(1).uniform(-1, 1, shape).astype(np.float32)


def image(folder):
    """A photo of GRAFT_TEST_DATA, else a drawn one."""
    photos = os.path.join(os.environ.get("GRAFT_TEST_DATA", ""), "photos")
    if os.environ.get("GRAFT_TEST_DATA") and os.path.isdir(photos):
        files = sorted(name for name in os.listdir(photos) if name.lower().endswith(".jpeg"))
        return os.path.join(photos, files[0])
    from PIL import Image

    path = os.path.join(folder, "image.jpg")
    y, x = np.mgrid[0:375, 0:500] / 40.0
    waves = [np.sin(x + y * k) * np.cos(y - x * k) * 120 + 128 for k in (0.3, 0.7, 1.1)]
    Image.fromarray(np.stack(waves, axis=-1).astype(np.uint8)).save(path, quality=90)
    return path
