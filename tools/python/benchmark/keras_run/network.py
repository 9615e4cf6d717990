"""VGG16 with a recipe's head in Keras, and its weights by the names that Graft gives them."""

import fnmatch
import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import h5py
import keras
import numpy as np

from benchmark.keras_run.graft_run import Unusable

# Where Keras and ONNX, whose defaults Graft has, do not agree.
ACTIVATIONS = {"leakyrelu": lambda x: keras.activations.leaky_relu(x, negative_slope=0.01)}
ACTIVATION_NAMES = "relu sigmoid tanh elu selu gelu swish leakyrelu softplus".split()


class TrunkWeights:
    """Kernels [H, W, I, O] and biases of VGG16 by layer, and the metadata of the file."""

    def __init__(self, path):
        self.metadata = {}
        self.arrays = {}
        if str(path).endswith(".onnx"):
            self._read_onnx(path)
        else:
            self._read_hdf5(path)

    def _read_hdf5(self, path):
        with h5py.File(path) as file:
            root = file.get("model_weights", file)
            for name, group in root.items():
                names = group.attrs.get("weight_names", [])
                self.arrays[name] = [np.asarray(group[weight]) for weight in names]

    def _read_onnx(self, path):
        import onnx

        model = onnx.load(path)
        self.metadata = {entry.key: entry.value for entry in model.metadata_props}
        found = {
            tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer
        }
        for name in found:
            layer, slash, kind = name.rpartition("/")
            if slash and kind == "kernel" and found[name].ndim == 4:
                kernel = found[name].transpose(2, 3, 1, 0)
                self.arrays[layer] = [kernel, found[f"{layer}/bias"]]

    def set(self, layer):
        if len(self.arrays.get(layer.name, [])) != 2:
            raise Unusable(f"the weights have no '{layer.name}': these are not VGG16's")
        layer.set_weights(self.arrays[layer.name])


class Network:
    """Keras layers in order, from the image to the scores.

    names: the name that Graft gives to each weight, by the id of the variable
    """

    def __init__(self, run, weights, size):
        width, height = size
        trunk = keras.applications.VGG16(
            include_top=False, weights=None, input_shape=(height, width, 3)
        )
        self.input_shape = (height, width, 3)
        self.trunk_layers = trunk.layers[1:]
        self.names = {}
        for layer in self.trunk_layers:
            if layer.weights:
                weights.set(layer)
                self._name(layer, layer.name)
        self.head_layers = []
        self._append_head(run, trunk.output.shape)

    def _name(self, layer, name):
        for variable, kind in zip(layer.weights, ("kernel", "bias")):
            self.names[id(variable)] = f"{name}/{kind}"

    def _append_head(self, run, shape):
        dense_count = 0
        dense = []
        for call in run.head_layers:
            match call.name:
                case "gmp":
                    layers = [keras.layers.GlobalMaxPooling2D()]
                case "gap":
                    layers = [keras.layers.GlobalAveragePooling2D()]
                case "flatten":
                    # Graft has channels before rows and columns.
                    layers = [keras.layers.Permute((3, 1, 2))] if len(shape) == 4 else []
                    layers.append(keras.layers.Flatten())
                case "dropout":
                    layers = [keras.layers.Dropout(float(call.words[0]), seed=run.seed % 2**31)]
                case "dense":
                    dense_count += 1
                    layers = [self._dense(call, f"head_dense_{dense_count}", run.score_count)]
                    dense.append((layers[0], f"head/dense_{dense_count}"))
                case name:
                    raise Unusable(f"'{name}' of the head is not known here")
            for layer in layers:
                layer.build(shape)
                shape = layer.compute_output_shape(shape)
            self.head_layers += layers
        for layer, name in dense:
            layer.set_weights([run.head[f"{name}/kernel"], run.head[f"{name}/bias"]])
            self._name(layer, name)

    @staticmethod
    def _dense(call, name, score_count):
        words = list(call.words)
        units = words.pop(0)
        activation = words.pop() if words else None
        if words or activation and activation not in ACTIVATION_NAMES:
            raise Unusable(f"'{activation}' of 'dense' is not known here")
        return keras.layers.Dense(
            score_count if units == "classes" else int(units),
            activation=ACTIVATIONS.get(activation, activation),
            kernel_regularizer=keras.regularizers.L1L2(
                l1=call.values.get("l1", 0.0), l2=call.values.get("l2", 0.0)
            ),
            name=name,
        )

    def select(self, unfreeze, freeze):
        """Makes a phase's weights trainable: the head, and the named parts of the trunk."""
        for layer in self.trunk_layers:
            for variable in layer.weights:
                variable.trainable = False
        for text, trainable in ((unfreeze, True), (freeze, False)):
            for part in text.split(","):
                if part not in ("none", "head"):
                    for variable in self._selected(part):
                        variable.trainable = trainable
        for layer in self.head_layers:
            for variable in layer.weights:
                variable.trainable = True

    def _selected(self, part):
        """Weights that a part of the text names; the head's stay trainable anyway."""
        variables = [variable for layer in self.trunk_layers for variable in layer.weights]
        variables += [variable for layer in self.head_layers for variable in layer.weights]
        if part == "all":
            return variables
        names = self.names
        found = [variable for variable in variables if matches(part, names.get(id(variable), ""))]
        if not found:
            raise Unusable(f"no layer is called '{part}'")
        return found

    def halves(self):
        """What is frozen as a model of images (None if nothing is), and the rest as a model of
        what that makes of them."""
        first = next(
            (
                number
                for number, layer in enumerate(self.trunk_layers)
                if any(variable.trainable for variable in layer.weights)
            ),
            len(self.trunk_layers),
        )
        frozen = None
        shape = self.input_shape
        if first > 0:
            frozen = chain(shape, self.trunk_layers[:first])
            shape = frozen.output.shape[1:]
        return frozen, chain(shape, self.trunk_layers[first:] + self.head_layers)


def chain(input_shape, layers):
    values = inputs = keras.Input(input_shape)
    for layer in layers:
        values = layer(values)
    return keras.Model(inputs, values)


def matches(pattern, name):
    """Whether a name in `unfreeze` includes a weight: `block4` includes `block4_conv1/kernel`."""
    if "*" in pattern:
        literal = pattern.replace("[", "[[]").replace("?", "[?]")
        return fnmatch.fnmatchcase(name, literal)
    rest = name.removeprefix(pattern)
    return name.startswith(pattern) and not rest[:1].isalnum()
