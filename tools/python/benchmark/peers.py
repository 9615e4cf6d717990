"""The runtimes that Graft is measured beside. Each lives in a process of its own; see worker.py.

A peer takes a model, the input's shape, threads and precision; `run` computes one batch and
`output` returns what the last one gave. Its import happens in the constructor, so that a missing
package is the failure of one peer.
"""

import os
import tempfile

from benchmark import models


class OnnxRuntime:
    """onnxruntime with its defaults: all optimizations, the CPU provider."""

    def __init__(self, model, shape, threads, precision):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        options.add_free_dimension_override_by_name("N", shape[0])
        self.session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
        self.inputs = {self.session.get_inputs()[0].name: models.random_input(shape)}

    def run(self):
        self.output = self.session.run(None, self.inputs)[0]


class OpenVINO:
    """OpenVINO for one stream of requests, in the precision that is asked for."""

    def __init__(self, model, shape, threads, precision):
        import openvino

        core = openvino.Core()
        network = core.read_model(model)
        network.reshape(shape)
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": precision,
        }
        self.request = core.compile_model(network, "CPU", settings).create_infer_request()
        self.input = openvino.Tensor(models.random_input(shape))

    def run(self):
        self.request.infer([self.input], share_inputs=True, share_outputs=True)

    @property
    def output(self):
        return self.request.get_output_tensor(0).data.copy()


class PyTorch:
    """PyTorch, eager, in inference mode. VGG16 only."""

    def __init__(self, model, shape, threads, precision):
        import torch
        from torch import nn

        torch.set_num_threads(threads)
        self.torch = torch
        weights = models.vgg16_weights(model)

        def with_weights(module, name):
            kernel, bias = weights.pop(name)
            kernel = kernel if kernel.ndim == 4 else kernel.T
            module.weight = nn.Parameter(torch.tensor(kernel))
            module.bias = nn.Parameter(torch.tensor(bias))
            return module

        class ChannelsLast(nn.Module):
            def forward(self, value):
                return value.permute(0, 2, 3, 1)

        layers = []
        for name, inputs, outputs, pooled in models.convolutions():
            convolution = nn.utils.skip_init(nn.Conv2d, inputs, outputs, 3, padding=1)
            layers += [with_weights(convolution, name), nn.ReLU(inplace=True)]
            layers += [nn.MaxPool2d(2)] if pooled else []
        layers += [ChannelsLast(), nn.Flatten()]
        for name, inputs, outputs in models.DENSE:
            layers.append(with_weights(nn.utils.skip_init(nn.Linear, inputs, outputs), name))
            layers.append(nn.Softmax(-1) if name == "predictions" else nn.ReLU(inplace=True))
        self.network = nn.Sequential(*layers).eval()
        self.input = torch.from_numpy(models.random_input(shape))

    def run(self):
        with self.torch.inference_mode():
            self.result = self.network(self.input)

    @property
    def output(self):
        return self.result.numpy()


class Keras:
    """Keras's own VGG16 on TensorFlow, as a compiled function."""

    def __init__(self, model, shape, threads, precision):
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
        os.environ["KERAS_BACKEND"] = "tensorflow"
        import keras
        import tensorflow

        tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
        tensorflow.config.threading.set_inter_op_parallelism_threads(1)
        network = keras.applications.VGG16(weights=None)
        for name, (kernel, bias) in models.vgg16_weights(model).items():
            kernel = kernel.transpose(2, 3, 1, 0) if kernel.ndim == 4 else kernel
            network.get_layer(name).set_weights([kernel, bias])
        self.function = tensorflow.function(lambda value: network(value, training=False))
        self.input = tensorflow.constant(models.random_input(shape).transpose(0, 2, 3, 1))

    def run(self):
        self.output = self.function(self.input).numpy()


class NCNN:
    """ncnn in float32, one image at a time. VGG16 only, written in ncnn's own format."""

    def __init__(self, model, shape, threads, precision):
        import ncnn

        if shape[0] != 1:
            raise ValueError("ncnn runs one image at a time")
        self.net = ncnn.Net()
        self.net.opt.num_threads = threads
        for name in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic"):
            setattr(self.net.opt, name, False)
        self.net.opt.use_bf16_storage = False
        with tempfile.TemporaryDirectory() as folder:
            graph, weights = (os.path.join(folder, f"vgg16.{end}") for end in ("param", "bin"))
            _write_ncnn(models.vgg16_weights(model), graph, weights)
            if self.net.load_param(graph) or self.net.load_model(weights):
                raise ValueError("ncnn did not read the model")
        # The Mat is a view of the array, which it does not keep.
        self.array = models.random_input(shape)[0]
        self.input = ncnn.Mat(self.array)

    def run(self):
        extractor = self.net.create_extractor()
        extractor.input("data", self.input)
        _, self.result = extractor.extract("predictions")

    @property
    def output(self):
        return self.result.numpy().copy()


def _write_ncnn(weights, graph_path, weight_path):
    """VGG16 with activations fused, as by ncnn's own optimizer.

    A weight is preceded by 0, for float32; a bias by nothing. ncnn flattens channels first.
    """
    lines, blob = ["Input data 0 1 data"], "data"

    def add(operator, name, parameters):
        nonlocal blob
        lines.append(f"{operator} {name} 1 1 {blob} {name} {parameters}".rstrip())
        blob = name

    with open(weight_path, "wb") as file:

        def write(kernel, bias):
            file.write(bytes(4) + kernel.tobytes() + bias.tobytes())

        for name, _, outputs, pooled in models.convolutions():
            kernel, bias = weights.pop(name)
            add("Convolution", name, f"0={outputs} 1=3 4=1 5=1 6={kernel.size} 9=1")
            write(kernel, bias)
            if pooled:
                add("Pooling", name + "_pool", "0=0 1=2 2=2")
        for name, _, outputs in models.DENSE:
            kernel, bias = weights.pop(name)
            if name == "fc1":
                kernel = kernel.reshape(7, 7, 512, outputs).transpose(2, 0, 1, 3)
                kernel = kernel.reshape(-1, outputs)
            activation = "" if name == "predictions" else " 9=1"
            last = "logits" if name == "predictions" else name
            add("InnerProduct", last, f"0={outputs} 1=1 2={kernel.size}{activation}")
            write(kernel.T, bias)
        add("Softmax", "predictions", "0=0")
    with open(graph_path, "w") as file:
        file.write("\n".join(["7767517", f"{len(lines)} {len(lines)}", *lines]) + "\n")


class NumPyFourier:
    """NumPy's FFT (pocketfft) of rows of complex numbers. It has one thread."""

    def __init__(self, model, shape, threads, precision):
        import numpy

        self.numpy = numpy
        self.rows = models.random_input(shape).view(numpy.complex64)[..., 0]

    def run(self):
        self.transformed = self.numpy.fft.fft(self.rows)

    @property
    def output(self):
        return self.transformed.view(self.numpy.float32)


PEERS = {
    "NumPy": (NumPyFourier, "numpy"),
    "onnxruntime": (OnnxRuntime, "onnxruntime"),
    "ncnn": (NCNN, "ncnn"),
    "OpenVINO": (OpenVINO, "openvino"),
    "PyTorch": (PyTorch, "torch"),
    "Keras": (Keras, "tensorflow-cpu"),
}
