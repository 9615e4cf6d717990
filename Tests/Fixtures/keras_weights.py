#!/usr/bin/env python3
"""Writes the HDF5 files that the tests of GraftKeras read. Needs h5py, numpy and Keras.

All weights of the small model count up: the element at flat index i of the n-th weight is
n + i / 8, which float16 holds exactly.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import h5py
import keras
import numpy as np

FOLDER = os.path.join(os.path.dirname(__file__), "..", "GraftKerasTests", "Fixtures")
SHAPES = [(3, 3, 3, 2), (2,), (8, 4), (4,)]
NAMES = [
    ("conv", "conv/kernel:0"),
    ("conv", "conv/bias:0"),
    ("fc", "fc/kernel:0"),
    ("fc", "fc/bias:0"),
]


def values(index, dtype="<f4"):
    count = int(np.prod(SHAPES[index]))
    return (index + np.arange(count) / 8).astype(dtype).reshape(SHAPES[index])


def create(name):
    return h5py.File(os.path.join(FOLDER, name), "w", libver="earliest")


def legacy(file, dtype="<f4", variable_strings=False, **options):
    def strings(texts):
        if variable_strings:
            return np.array(texts, dtype=h5py.string_dtype())
        return np.array([text.encode() for text in texts])

    file.attrs["layer_names"] = strings(["input_1", "conv", "flatten", "fc"])
    file.attrs["backend"] = "tensorflow"
    for layer in ("input_1", "conv", "flatten", "fc"):
        group = file.create_group(layer)
        names = [name for owner, name in NAMES if owner == layer]
        group.attrs["weight_names"] = strings(names) if names else np.zeros(0)
        for name in names:
            index = [other for _, other in NAMES].index(name)
            group.create_dataset(name, data=values(index, dtype), **options)


def model():
    inputs = keras.Input((4, 4, 3))
    x = keras.layers.Conv2D(2, 3, name="conv")(inputs)
    x = keras.layers.Flatten(name="flatten")(x)
    outputs = keras.layers.Dense(4, name="fc")(x)
    result = keras.Model(inputs, outputs, name="tiny")
    result.set_weights([values(index) for index in range(4)])
    return result


for name, options in {
    "legacy.h5": {},
    "legacy-variable-strings.h5": {"variable_strings": True},
    "legacy-float16.h5": {"dtype": "<f2"},
    "legacy-float64.h5": {"dtype": "<f8"},
    "legacy-big-endian.h5": {"dtype": ">f4"},
    "legacy-chunked.h5": {"chunks": True},
    "legacy-gzip.h5": {"compression": "gzip", "shuffle": True},
    "legacy-gzip-big-endian.h5": {"compression": "gzip", "dtype": ">f8"},
}.items():
    with create(name) as file:
        legacy(file, **options)

with create("legacy-in-model.h5") as file:
    legacy(file.create_group("model_weights"))

with create("legacy-split-names.h5") as file:
    legacy(file)
    names = file.attrs["layer_names"]
    del file.attrs["layer_names"]
    file.attrs["layer_names0"], file.attrs["layer_names1"] = names[:3], names[3:]

with create("missing-group.h5") as file:
    legacy(file)
    del file["fc"]

with create("missing-data-set.h5") as file:
    legacy(file)
    del file["fc"]["fc/bias:0"]

with create("external-link.h5") as file:
    legacy(file)
    del file["fc"]["fc/bias:0"]
    file["fc"]["fc/bias:0"] = h5py.ExternalLink("legacy.h5", "/fc/fc/bias:0")

with create("external-data.h5") as file:
    legacy(file)
    del file["fc"]["fc/bias:0"]
    file["fc"].create_dataset("fc/bias:0", (4,), "<f4", external=[("legacy.h5", 0, 16)])

with create("virtual-data.h5") as file:
    legacy(file)
    del file["fc"]["fc/bias:0"]
    layout = h5py.VirtualLayout((4,), "<f4")
    layout[:] = h5py.VirtualSource("legacy.h5", "/fc/fc/bias:0", (4,))
    file["fc"].create_virtual_dataset("fc/bias:0", layout)

with create("soft-link.h5") as file:
    legacy(file)
    file["elsewhere"] = file["fc"]["fc/bias:0"]
    del file["fc"]["fc/bias:0"]
    file["fc"]["fc/bias:0"] = h5py.SoftLink("/elsewhere")

with create("cycle.h5") as file:
    legacy(file)
    file["fc"]["up"] = file["/"]

with h5py.File(os.path.join(FOLDER, "too-deep.h5"), "w", libver="latest") as file:
    legacy(file)
    group = file
    for _ in range(100):
        group = group.create_group("g")

with create("too-big.h5") as file:
    legacy(file)
    del file["fc"]["fc/bias:0"]
    file["fc"].create_dataset("fc/bias:0", (1 << 40,), "<f4", chunks=(1 << 20,), compression="gzip")

# The only chunk is at the file's end, and all but four of its bytes are missing.
with create("one-chunk.h5") as file:
    data = file.create_dataset("data", (1 << 17,), "<f4", chunks=(1 << 17,))
    data.id.write_direct_chunk((0,), bytes(4))

# The number of the second chunk is 2 ** 63 - 1.
with h5py.File(os.path.join(FOLDER, "far-chunk.h5"), "w", libver="latest") as file:
    limits = (None, 153_092_023, 60_247_241_209)
    file.create_dataset("data", (2, 1, 1), "<f4", chunks=(1, 1, 1), maxshape=limits)[0] = 1

with create("strings.h5") as file:
    legacy(file)
    del file["fc"]["fc/bias:0"]
    file["fc"]["fc/bias:0"] = "a text"

with create("no-weights.h5") as file:
    file["something"] = np.zeros(3)

# Small ones of everything that the two generations of HDF5's structures have.
for version in ("earliest", "latest"):
    with h5py.File(os.path.join(FOLDER, f"forms-{version}.h5"), "w", libver=version) as file:
        file.attrs["layer_names"] = ["a", "b"]
        for name, options in {
            "a": {}, "gzip": {"compression": "gzip", "shuffle": True},
            "fletcher": {"fletcher32": True},
            "growing": {"chunks": (2, 2), "maxshape": (None, 6)},
            "both": {"chunks": (3, 2), "maxshape": (None, None), "compression": "gzip"},
            "fixed": {"chunks": (1, 2)}, "single": {"chunks": (4, 6), "compression": "gzip"},
        }.items():  # fmt: skip
            group = file.create_group(name)
            group.attrs["weight_names"] = [f"{name}/kernel:0"]
            data = np.arange(24, dtype="<f4").reshape(4, 6)
            group.create_dataset(f"{name}/kernel:0", data=data, **options)
        many = file.create_group("b")
        for index in range(30):
            many[f"member {index}"] = np.int8(index)
            many.attrs[f"attribute {index}"] = "text" if index % 2 else index
        many["soft"] = h5py.SoftLink("/a")
        file["flags"] = np.array([True, False])
        file["texts"] = np.array(["a", "bc"], h5py.string_dtype())
        file["type"] = np.dtype("<f8")
        file.create_dataset("typed", data=[1.0], dtype=file["type"], fillvalue=2.0)

keras.utils.set_random_seed(7)
tiny = model()
tiny.save_weights(os.path.join(FOLDER, "keras3.weights.h5"))
tiny.save(os.path.join(FOLDER, "keras3-model.h5"))

# As the first versions of Keras 3 wrote it: without the layers' own names.
with h5py.File(os.path.join(FOLDER, "keras3.weights.h5")) as source:
    with create("keras3-unnamed.weights.h5") as file:
        layers = file.create_group("_layer_checkpoint_dependencies")
        for layer in source["layers"]:
            source.copy(f"layers/{layer}", layers)
            layers[layer]["vars"].attrs.pop("name", None)
