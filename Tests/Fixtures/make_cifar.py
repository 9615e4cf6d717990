"""Writes CIFAR-10 in its official forms: the binary and the Python version, unpacked and as tar.gz.

The images are the first 4,000 for training and 1,000 for testing, bit-exact; with --full they are
all 60,000, decoded from JPEG (needs Pillow). With --cifar100, the files have CIFAR-100's form and
stand-in labels: image n has the fine label n % 100 and the coarse label n % 100 // 5.

Source of the forms: https://www.cs.toronto.edu/~kriz/cifar.html
"""

import argparse
import gzip
import io
import os
import pathlib
import pickle
import random
import struct
import tarfile

import numpy

BATCH_NAMES = [f"data_batch_{number}" for number in range(1, 6)]
SAMPLES = 3 * 32 * 32


class Python2Pickler(pickle._Pickler):
    """Protocol 2 with the strings of Python 2, in which the official files were written."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_bytes(self, value):
        if len(value) < 256:
            self.write(pickle.SHORT_BINSTRING + bytes([len(value)]) + value)
        else:
            self.write(pickle.BINSTRING + struct.pack("<i", len(value)) + value)
        self.memoize(value)

    def save_str(self, value):
        self.save_bytes(value.encode("latin1"))

    dispatch[bytes] = save_bytes
    dispatch[str] = save_str


def pickled(value):
    file = io.BytesIO()
    Python2Pickler(file, 2).dump(value)
    # NumPy 2 calls its module otherwise than the official files do.
    return file.getvalue().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


def lossless(path):
    """Labels [N] and images [N, 3072] of a gzipped file in the binary form."""
    records = numpy.frombuffer(gzip.open(path).read(), numpy.uint8).reshape(-1, 1 + SAMPLES)
    return records[:, 0], records[:, 1:]


def from_jpeg(path, part, class_names):
    """The same, of one part of a tar of JPEG files, in a random order that is always the same."""
    from PIL import Image

    images = []
    with tarfile.open(path) as archive:
        for member in archive:
            names = member.name.split("/")
            if not member.isfile() or names[0] != part:
                continue
            with Image.open(archive.extractfile(member)) as image:
                samples = numpy.asarray(image.convert("RGB")).transpose(2, 0, 1).reshape(-1)
            images.append((class_names.index(names[1]), samples))
    random.Random(10).shuffle(images)
    labels, samples = zip(*images)
    return numpy.array(labels, numpy.uint8), numpy.stack(samples)


def parts(source, full, limit, class_names):
    """The images for training, cut into five, and those for testing; up to `limit` in each."""
    if full:
        train = from_jpeg(source / "cifar10-jpeg.tar", "train", class_names)
        test = from_jpeg(source / "cifar10-jpeg.tar", "test", class_names)
    else:
        train = lossless(source / "lossless_train_first4000.bin.gz")
        test = lossless(source / "lossless_test_first1000.bin.gz")
    count = len(train[0]) // len(BATCH_NAMES)
    batches = [
        (train[0][start : start + count][:limit], train[1][start : start + count][:limit])
        for start in range(0, count * len(BATCH_NAMES), count)
    ]
    return batches, (test[0][:limit], test[1][:limit])


def cifar10_files(batches, test, class_names):
    names = [*BATCH_NAMES, "test_batch"]
    binary = {"batches.meta.txt": "".join(f"{name}\n" for name in class_names + [""]).encode()}
    python = {
        "batches.meta": pickled(
            {"num_cases_per_batch": 10000, "label_names": class_names, "num_vis": SAMPLES}
        )
    }
    for name, (labels, images) in zip(names, [*batches, test]):
        binary[name + ".bin"] = numpy.column_stack([labels, images]).tobytes()
        python[name] = pickled(
            {
                "batch_label": name.replace("_", " "),
                "labels": labels.tolist(),
                "data": numpy.ascontiguousarray(images),
                "filenames": [f"image_{index:06}.png" for index in range(len(labels))],
            }
        )
    return {
        "cifar-10-binary": ("cifar-10-batches-bin", binary),
        "cifar-10-python": ("cifar-10-batches-py", python),
    }


def cifar100_files(batches, test):
    fine_names = [f"fine_{index:02}" for index in range(100)]
    coarse_names = [f"coarse_{index:02}" for index in range(20)]
    binary = {
        "fine_label_names.txt": "".join(f"{name}\n" for name in fine_names).encode(),
        "coarse_label_names.txt": "".join(f"{name}\n" for name in coarse_names).encode(),
    }
    python = {"meta": pickled({"fine_label_names": fine_names, "coarse_label_names": coarse_names})}
    train = numpy.concatenate([images for _, images in batches])
    for name, images in [("train", train), ("test", test[1])]:
        fine = (numpy.arange(len(images)) % 100).astype(numpy.uint8)
        coarse = fine // 5
        binary[name + ".bin"] = numpy.column_stack([coarse, fine, images]).tobytes()
        python[name] = pickled(
            {
                "filenames": [f"image_{index:06}.png" for index in range(len(images))],
                "batch_label": name,
                "fine_labels": fine.tolist(),
                "coarse_labels": coarse.tolist(),
                "data": numpy.ascontiguousarray(images),
            }
        )
    return {
        "cifar-100-binary": ("cifar-100-binary", binary),
        "cifar-100-python": ("cifar-100-python", python),
    }


def write(output, forms):
    for archive_name, (folder, files) in forms.items():
        (output / folder).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (output / folder / name).write_bytes(content)
        with tarfile.open(output / f"{archive_name}.tar.gz", "w:gz", compresslevel=6) as archive:
            archive.add(output / folder, arcname=folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("output", type=pathlib.Path, help="the folder to write to")
    parser.add_argument(
        "--source",
        type=pathlib.Path,
        default=pathlib.Path(os.environ.get("GRAFT_TEST_DATA", ".")) / "cifar10",
        help="the folder with the images (default: cifar10 of GRAFT_TEST_DATA)",
    )
    parser.add_argument("--per-batch", type=int, help="images in each batch (default: all)")
    parser.add_argument("--full", action="store_true", help="all 60,000 images")
    parser.add_argument("--cifar100", action="store_true", help="CIFAR-100's form")
    arguments = parser.parse_args()
    meta = pickle.loads((arguments.source / "batches.meta").read_bytes())
    class_names = meta["label_names"]
    batches, test = parts(arguments.source, arguments.full, arguments.per_batch, class_names)
    write(
        arguments.output,
        cifar100_files(batches, test)
        if arguments.cifar100
        else cifar10_files(batches, test, class_names),
    )


if __name__ == "__main__":
    main()
