"""A linear probe on the folds and features of a cross-validated run.

RidgeClassifierCV (alphas from 1 to 1e5) on standardized features, the penalty chosen inside each
training part. Features of positions are averaged over them.
"""

import argparse
import csv
import hashlib
import os
import pathlib
import struct
import sys
import warnings

import numpy
from sklearn.linear_model import RidgeClassifierCV
from sklearn.preprocessing import StandardScaler

MAGIC = 0x5445_4146_5446_5247


def aligned(offset):
    return (offset + 63) // 64 * 64


def features(path):
    """The rows of a file of features, by the digests of the images' files."""
    data = path.read_bytes()
    magic, version, key_size, width, count = struct.unpack_from("<5Q", data)
    if (magic, version) != (MAGIC, 1):
        raise ValueError(f"{path} is not a file of features")
    digests = aligned(40 + key_size)
    start = aligned(digests + 32 * count)
    rows = numpy.frombuffer(data, "<f4", count * width, start).reshape(count, width)
    return {data[digests + 32 * i : digests + 32 * (i + 1)]: rows[i] for i in range(count)}


def images(split):
    with open(split) as file:
        for row in csv.DictReader(file):
            digest = hashlib.sha256(pathlib.Path(row["image"]).read_bytes()).digest()
            yield row["part"], int(row["label"]), digest


def accuracy(split, rows, channels):
    parts = {"training": [], "validation": [], "test": []}
    for part, label, digest in images(split):
        parts[part].append((rows[digest], label))

    def arrays(items):
        x = numpy.array([row for row, _ in items], numpy.float64)
        if channels:
            x = x.reshape(len(x), channels, -1).mean(axis=2)
        return x, [label for _, label in items]

    x, y = arrays(parts["training"] + parts["validation"])
    test_x, test_y = arrays(parts["test"])
    scaler = StandardScaler().fit(x)
    probe = RidgeClassifierCV(alphas=numpy.logspace(0, 5, 11)).fit(scaler.transform(x), y)
    return 100 * probe.score(scaler.transform(test_x), test_y), probe.alpha_


def main():
    home = os.environ.get("GRAFT_HOME", pathlib.Path.home() / ".cache/graft")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=pathlib.Path, help="the folder with fold1, fold2, …")
    parser.add_argument("--home", type=pathlib.Path, default=home, help="GRAFT_HOME of the run")
    parser.add_argument("--channels", type=int, help="of features that are [C, H, W]")
    options = parser.parse_args()
    splits = sorted(options.run.glob("fold*/split.csv"))
    if not splits:
        sys.exit(f"{options.run} holds no folds; run graft finetune --cross-validate first")
    wanted = {digest for _, _, digest in images(splits[0])}
    for path in sorted(
        (options.home / "compiled").glob("*.features"), key=lambda p: -p.stat().st_mtime
    ):
        rows = features(path)
        if wanted <= rows.keys():
            break
    else:
        sys.exit(
            f"{options.home} holds no features of these images; was the run's cache another one?"
        )
    warnings.filterwarnings("ignore", category=RuntimeWarning)
    found = [accuracy(split, rows, options.channels) for split in splits]
    for split, (value, alpha) in zip(splits, found):
        print(f"{split.parent.name}: {value:.2f} %, alpha {alpha:g}")
    print(f"mean {numpy.mean([value for value, _ in found]):.2f} %")


if __name__ == "__main__":
    main()
