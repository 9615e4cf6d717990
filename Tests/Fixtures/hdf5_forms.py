#!/usr/bin/env python3
"""Writes HDF5 files of every form that h5py has, and the values that h5py reads from them.

Usage: hdf5_forms.py FOLDER [FILE…]

Without files it writes some of its own. FOLDER/expected.json has for each file, object and
attribute the shape, the element type and the values.
"""

import base64
import itertools
import json
import os
import sys

import h5py
import numpy as np

TYPES = {
    "float16": "float16", "float32": "float", "float64": "double", "bool": "bool",
    **{f"{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}  # fmt: skip


def value(array, info):
    """The value of a data set or an attribute, as the tests compare it."""
    if isinstance(array, h5py.Empty):
        return {"type": "empty"}
    string = h5py.check_string_dtype(info)
    array = np.asarray(array)
    if string is not None:
        texts = [
            item if isinstance(item, str) else item.decode("utf-8", "replace")
            for item in array.reshape(-1).tolist()
        ]
        return {"type": "string", "shape": list(array.shape), "strings": texts}
    name = array.dtype.newbyteorder("=").name
    if name not in TYPES:
        return {"type": "other"}
    little = array.astype(array.dtype.newbyteorder("<"))
    return {
        "type": TYPES[name],
        "shape": list(array.shape),
        "data": base64.b64encode(little.tobytes()).decode(),
    }


def attributes(item):
    result = {}
    for name in item.attrs:
        identifier = h5py.h5a.open(item.id, name.encode("utf-8", "surrogateescape"))
        info = identifier.dtype
        if info.kind == "S":
            # h5py returns fixed strings as they are.
            array = np.empty(identifier.shape, identifier.dtype)
            identifier.read(array)
        else:
            array = item.attrs[name]
        result[name] = value(array, info)
    return result


def describe(path):
    result = {}
    with h5py.File(path, "r") as file:
        result["/"] = {"kind": "group", "links": sorted(file), "attributes": attributes(file)}

        def visit(name, item):
            entry = {"attributes": attributes(item)}
            if isinstance(item, h5py.Group):
                entry.update(kind="group", links=sorted(item))
            elif isinstance(item, h5py.Dataset):
                entry.update(kind="dataset", **value(item[()], item.dtype))
            else:
                entry.update(kind="other")
            result["/" + name] = entry

        file.visititems(visit)
    return result


def numbers(shape, dtype="<f4"):
    return (np.arange(int(np.prod(shape))) % 113 - 20).astype(dtype).reshape(shape)


def write_types(file):
    for dtype in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"):
        for order in "<>":
            name = f"{dtype}-{'little' if order == '<' else 'big'}"
            file[name] = numbers((3, 5), order + dtype)
    file["bool"] = numbers((7,)) > 0
    file["complex"] = numbers((3,)).astype("c8")
    file["scalar"] = np.float64(1.5)
    file["no-elements"] = np.zeros((0, 4), "<f4")
    file["empty"] = h5py.Empty("<f4")
    file["arrays"] = numbers((4,), "<i4")
    inner = file.create_dataset("inner", (4,), np.dtype((">i2", (2, 3))))
    inner[...] = numbers((4, 2, 3), ">i2")
    file["enumeration"] = np.array([3, 1, 3], h5py.enum_dtype({"a": 1, "b": 3}, "<i2"))
    file["compound"] = np.zeros(2, [("a", "<f4"), ("b", "<i2")])
    file["opaque"] = np.array([b"ab", b"cd"], "V2")


def write_strings(file):
    texts = ["", "a", "über", "日本語", "x" * 300]
    file.create_dataset("variable", data=texts, dtype=h5py.string_dtype())
    file.create_dataset("ascii", data=["a", "bc"], dtype=h5py.string_dtype("ascii"))
    file["fixed"] = np.array([text.encode() for text in texts])
    encoded = [text.encode() for text in texts]
    file.create_dataset("fixed-utf8", data=encoded, dtype=h5py.string_dtype("utf-8", 400))
    file["one"] = "text"
    file["matrix"] = np.array([["a", "bcd"], ["", "e"]], h5py.string_dtype())
    file.create_dataset("never-written", (3,), h5py.string_dtype())
    for padding, name in enumerate(("terminated", "padded", "spaces")):
        kind = h5py.h5t.C_S1.copy()
        kind.set_size(6)
        kind.set_strpad(padding)
        data = np.array([b"ab", b"cdefg"], "S6")
        space = h5py.h5s.create_simple((2,))
        h5py.h5d.create(file.id, name.encode(), kind, space).write(
            h5py.h5s.ALL, h5py.h5s.ALL, data)  # fmt: skip


def write_layouts(file):
    file["contiguous"] = numbers((6, 7))
    file.create_dataset("never-written", (4, 3), "<f4")
    file.create_dataset("fill-value", (4, 3), "<f4", fillvalue=2.5)
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_layout(h5py.h5d.COMPACT)
    space = h5py.h5s.create_simple((3, 4))
    data = h5py.h5d.create(file.id, b"compact", h5py.h5t.IEEE_F32BE, space, properties)
    data.write(h5py.h5s.ALL, h5py.h5s.ALL, numbers((3, 4)))
    options = [
        {}, {"compression": "gzip"}, {"shuffle": True, "compression": "gzip"}, {"fletcher32": True},
        {"shuffle": True, "compression": "gzip", "fletcher32": True},
    ]  # fmt: skip
    spaces = [
        ((20,), (20,), None), ((20,), (6,), None), ((5, 7), (2, 3), None), ((5, 7), (5, 7), None),
        ((5, 7), (5, 2), (None, 7)), ((5, 7), (2, 3), (5, None)), ((5, 7), (2, 3), (None, None)),
        ((3, 4, 5), (2, 4, 2), (6, 8, None)), ((5, 7), (2, 3), (11, 13)), ((4,), (9,), (None,)),
    ]  # fmt: skip
    for (at, (shape, chunks, limits)), (number, option) in itertools.product(
        enumerate(spaces), enumerate(options)
    ):
        for dtype in ("<f4", ">i8"):
            file.create_dataset(
                f"chunked/{at}-{number}-{dtype[1:]}", data=numbers(shape, dtype), chunks=chunks,
                maxshape=limits, **option)  # fmt: skip
    for at, (shape, chunks, limits) in enumerate(spaces):
        some = file.create_dataset(
            f"partly/{at}", shape, "<i4", chunks=chunks, maxshape=limits, fillvalue=-7
        )
        some[(0,) * len(shape)] = 1
        some[tuple(extent - 1 for extent in shape)] = 2
    growing = file.create_dataset(
        "resized/smaller", (9, 9), "<f4", chunks=(2, 2), maxshape=(None, 9))  # fmt: skip
    growing[...] = numbers((9, 9))
    growing.resize((3, 5))
    # Enough chunks for indexes with levels and pages.
    many = file.create_dataset("many/growing", (6000,), "<i2", chunks=(2,), maxshape=(None,))
    many[...] = numbers((6000,), "<i2")
    many[3000:3200] = 0
    far = file.create_dataset("many/far", (200_000,), "<i1", chunks=(3,), maxshape=(None,))
    for place in (0, 5, 1000, 65_000, 199_999):
        far[place] = 1
    fixed = file.create_dataset("many/fixed", (9000,), "<i2", chunks=(2,), compression="gzip")
    fixed[1000:3000] = numbers((2000,), "<i2")
    fixed[8999] = 5
    both = file.create_dataset("many/both", (70, 70), "<i2", chunks=(1, 1), maxshape=(None, None))
    both[...] = numbers((70, 70), "<i2")
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((2, 3))
    properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    space = h5py.h5s.create_simple((5, 7))
    early = h5py.h5d.create(file.id, b"early", h5py.h5t.IEEE_F64LE, space, properties)
    early.write(h5py.h5s.ALL, h5py.h5s.ALL, numbers((5, 7), "<f8"))


def write_attributes(file, is_dense):
    for name, count in {"few": 3, "many": 60}.items():
        group = file.create_group(name)
        for index in range(count):
            group.attrs[f"attribute {index}"] = numbers((index % 5,), "<f4") + index
        group.attrs["name with ü"] = "text"
        group.attrs["list"] = ["a", "bcd"]
        group.attrs["bytes"] = np.array([b"conv2d", b"dense_1"])
        group.attrs["scalar"] = 7
        group.attrs["flag"] = np.True_
        group.attrs["nothing"] = h5py.Empty("f4")
        group.attrs["big"] = np.arange(3, dtype=">i4")
    data = file.create_dataset("data", data=numbers((3,)))
    data.attrs["unit"] = "m"
    if is_dense:
        for index in range(3):
            file["many"].attrs[f"large {index}"] = numbers((20_000 + index,), "<f8")
        file.attrs["model_config"] = "{" + "x" * 200_000 + "}"
        for index in range(400):
            data.attrs[f"number {index}"] = index
    file["type"] = np.dtype(">f4")
    data.attrs.create("typed", [1, 2], dtype=file["type"])
    file.create_dataset("typed", data=numbers((4,)), dtype=file["type"])


def write_links(file):
    for index in range(250):
        file[f"links/number {index}"] = numbers((index % 3 + 1,)) + index
    group = file
    for index in range(20):
        group = group.create_group(f"deeper{index}")
    group["leaf"] = numbers((2,))
    file["hard"] = file["links/number 5"]
    file["soft"] = h5py.SoftLink("/links/number 7")
    file["relative"] = h5py.SoftLink("links/number 8")
    file["group"] = h5py.SoftLink("deeper0/deeper1")
    file["long"] = h5py.SoftLink("./links//number 9")
    file["ü"] = numbers((1,))
    file["u\u0308"] = numbers((2,))


def write_all(folder):
    paths = []
    # The others have the structures of one of these.
    versions = ["earliest", "v108", "v110", "latest"]
    for version, ordered in itertools.product(versions, (False, True)):
        if ordered and version in ("v108", "v110"):
            continue
        writers = {
            "types": write_types, "strings": write_strings, "layouts": write_layouts,
            "attributes": lambda file: write_attributes(file, version != "earliest"),
            "links": write_links,
        }  # fmt: skip
        for name, write in writers.items():
            path = os.path.join(folder, f"{name}-{version}{'-ordered' * ordered}.h5")
            with h5py.File(path, "w", libver=version, track_order=ordered) as file:
                write(file)
            paths.append(path)
    for size in (512, 4096):
        path = os.path.join(folder, f"user-block-{size}.h5")
        with h5py.File(path, "w", userblock_size=size) as file:
            write_types(file)
            write_links(file)
        paths.append(path)
    for sizes in ((4, 4), (8, 4), (4, 8)):
        path = os.path.join(folder, f"widths-{sizes[0]}-{sizes[1]}.h5")
        properties = h5py.h5p.create(h5py.h5p.FILE_CREATE)
        properties.set_sizes(*sizes)
        identifier = h5py.h5f.create(path.encode(), h5py.h5f.ACC_TRUNC, fcpl=properties)
        with h5py.File(identifier) as file:
            write_strings(file.create_group("strings"))
            write_layouts(file.create_group("layouts"))
            write_attributes(file, False)
        paths.append(path)
    return paths


folder = sys.argv[1]
expected = {
    path: [{"path": name, "object": item} for name, item in describe(path).items()]
    for path in sys.argv[2:] or write_all(folder)
}
with open(os.path.join(folder, "expected.json"), "w") as output:
    json.dump(expected, output)
