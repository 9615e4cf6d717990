"""Data sets as found in practice: names, parts, tables, archives, and skipped files."""

import csv
import gzip
import json
import os
import resource
import shutil
import struct
import tarfile
import zipfile
import zlib

import numpy
import pytest

SMALL = ["--preprocess", "unit", "--resize", "16", "--epochs", "1", "--threads", "1"]


def png(shade):
    """An image of 16x16 pixels of one colour."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    rows = b"".join(b"\0" + bytes([shade, 255 - shade, 9]) * 16 for _ in range(16))
    header = struct.pack(">IIBBBBB", 16, 16, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def fill(folder, classes, count=6):
    """Images of each class, which is a name or bytes."""
    for number, name in enumerate(classes):
        path = os.path.join(os.fsencode(folder), os.fsencode(name))
        os.makedirs(path)
        for index in range(count):
            with open(os.path.join(path, b"%d.png" % index), "wb") as file:
                file.write(png(20 * number + index))


@pytest.fixture
def model(faults):
    return faults / "names-no-utf8/model.onnx"


@pytest.fixture
def finetune(graft, model, tmp_path):
    """Trains on some data; returns the result, the contents of each part, and the classes."""

    def run(data, *options, output="run"):
        folder = tmp_path / output
        result = graft("finetune", data, "--model", model, *SMALL, *options, "-o", folder)
        parts = {"training": [], "validation": [], "test": []}
        if (folder / "split.csv").exists():
            with open(folder / "split.csv", newline="") as file:
                for row in csv.DictReader(file):
                    parts[row["part"]].append((int(row["label"]), row["image"]))
        return result, parts

    return run


def counts(parts):
    return [len(parts[name]) for name in ("training", "validation", "test")]


def classes(parts):
    """How many images each class has."""
    result = {}
    for label, _ in sum(parts.values(), []):
        result[label] = result.get(label, 0) + 1
    return [result[label] for label in sorted(result)]


def test_names_that_are_no_utf8(finetune, graft, infer, faults, tmp_path):
    out = tmp_path / "data"
    fill(out, [b"caf\xe9", b"th\xe9", b"th\xe8", b"z"])
    os.rename(out / "z/3.png", os.path.join(os.fsencode(out), b"z", b"\xfcber.png"))
    result, parts = finetune(out)
    assert result.status == 0, result.errors
    assert "24 images found, all used" in result.errors
    assert classes(parts) == [6, 6, 6, 6]
    assert result.output.isprintable() or "\x1b" not in result.output
    result = infer(
        out / "z", "--model", faults / "names-no-utf8/model.onnx", "--preprocess", "unit"
    )
    assert result.status == 0 and result.output.count("png") == 6, result.errors
    # The model knows its classes by their bytes.
    result = graft("evaluate", tmp_path / "run/model.onnx", out, "--json")
    assert result.status == 0, result.errors
    assert json.loads(result.output)["count"] == 24


def test_files_are_opened_and_written_under_their_bytes(graft, faults, tmp_path):
    source = os.path.join(os.fsencode(tmp_path), b"mod\xe8le.onnx")
    shutil.copy(faults / "names-no-utf8/model.onnx", source)
    assert graft("inspect", source).status == 0
    target = os.path.join(os.fsencode(tmp_path), b"out\xe8.onnx")
    assert graft("convert", source, target).status == 0
    assert os.path.exists(target)
    assert sorted(n for n in os.listdir(os.fsencode(tmp_path)) if n.endswith(b".onnx")) == [
        b"mod\xe8le.onnx",
        b"out\xe8.onnx",
    ]


def test_classes_that_differ_in_normalization(finetune, faults):
    result, parts = finetune(faults / "unicode-class-folders/pictures")
    assert result.status == 0, result.errors
    assert classes(parts) == [12, 12, 12]


@pytest.mark.parametrize("name", ["dev-set", "eval-set", "holdout-set", "validate-set"])
def test_parts_by_other_names(finetune, faults, name):
    result, parts = finetune(faults / "split-folders-dev-eval" / name)
    assert result.status == 0, result.errors
    assert counts(parts) == [18, 6, 0]
    assert "is used for validation" in result.errors


def test_training_set_and_test_set(finetune, faults):
    result, parts = finetune(faults / "training_set-test_set")
    assert result.status == 0, result.errors
    assert all("/test_set/" in place for _, place in parts["test"]) and parts["test"]
    assert all("/training_set/" in place for _, place in parts["training"] + parts["validation"])


def test_a_folder_that_is_neither_part_nor_class(finetune, tmp_path):
    fill(tmp_path / "data/train", ["a", "b"])
    fill(tmp_path / "data/more", ["a", "b"])
    result, _ = finetune(tmp_path / "data")
    assert result.status == 65
    assert "'more' holds images, but is neither a part nor a class" in result.errors


def test_runs_inside_the_data_are_no_classes(finetune, graft, tmp_path):
    """Their curves are images; `graft finetune .` puts them there."""
    data = tmp_path / "data"
    fill(data, ["a", "b"])
    result, _ = finetune(data, output="data/run")
    assert result.status == 0 and "all used" in result.errors, result.errors
    assert (data / "run/curves.png").exists()
    result, parts = finetune(data, output="data/a/run")
    assert result.status == 0 and classes(parts) == [6, 6], result.errors
    assert "13 files found, 12 images used, 1 left out: 1 run folder" in result.errors
    result = graft("finetune", data, "--resume", "-o", data / "run")
    assert result.status == 0 and "2 run folders" in result.errors, result.errors
    result = graft("evaluate", data / "run/model.onnx", data, "--json")
    assert result.status == 0 and json.loads(result.output)["count"] == 12, result.errors
    with tarfile.open(tmp_path / "data.tar", "w") as archive:
        archive.add(data, "data")
    result, parts = finetune(tmp_path / "data.tar", output="of-archive")
    assert result.status == 0 and classes(parts) == [6, 6], result.errors


def test_split_column(finetune, faults):
    result, parts = finetune(faults / "csv-split-column/split.csv")
    assert result.status == 0, result.errors
    assert len(parts["test"]) == 6 and len(parts["training"]) + len(parts["validation"]) == 18
    assert "the column 'split' divides the images into parts" in result.errors


def test_table_in_windows_encoding(finetune, faults):
    result, parts = finetune(faults / "csv-latin1-labels/labels.csv")
    assert result.status == 0, result.errors
    assert classes(parts) == [6, 6, 6]
    assert "Mai, März, Mörz" in result.output
    assert result.errors.count("read as Windows-1252") == 1
    result, parts = finetune(faults / "csv-latin1-labels/two.csv", output="two")
    assert result.status == 0 and len(classes(parts)) == 2, result.errors


def test_table_of_absolute_and_backslash_paths(finetune, tmp_path):
    fill(tmp_path / "images", ["a", "b"])
    (tmp_path / "tables").mkdir()
    rows = ["path,label"]
    rows += [f"{tmp_path}/images/a/{i}.png,a" for i in range(6)]
    rows += [f"..\\images\\b\\{i}.png,b" for i in range(6)]
    (tmp_path / "tables/t.csv").write_text("\r\n".join(rows))
    result, parts = finetune(tmp_path / "tables/t.csv")
    assert result.status == 0, result.errors
    assert classes(parts) == [6, 6]


def test_labels_with_line_breaks(finetune, graft, faults, tmp_path):
    data = faults / "label-with-newline/labels.csv"
    result, parts = finetune(data)
    assert result.status == 0, result.errors
    assert classes(parts) == [6, 6, 6]
    again = graft("finetune", data, "--resume", "-o", tmp_path / "run")
    assert again.status == 0, again.errors
    report = graft("evaluate", tmp_path / "run/model.onnx", data, "--json")
    assert report.status == 0, report.errors
    result = json.loads(report.output)
    assert result["count"] == 18 and result["classes"] == ["cat", "golden\nretriever", "zebra"]


def test_hard_links_in_tar(finetune, faults):
    result, parts = finetune(faults / "tar-hard-links/pictures.tar")
    assert result.status == 0, result.errors
    assert classes(parts) == [6, 6, 6]
    assert "18 images found, all used" in result.errors


def test_zip_of_code_page_437(finetune, faults):
    result, parts = finetune(faults / "zip-names-no-utf8/pictures.zip")
    assert result.status == 0, result.errors
    assert classes(parts) == [6, 6, 6]
    assert "BLAU, GRÄN, GRÜN" in result.output


def test_zip_with_links_and_backslashes(finetune, tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("a", "b"):
            for i in range(4):
                info = zipfile.ZipInfo(f"train\\{name}\\{i}.png")
                info.filename = f"train\\{name}\\{i}.png"
                info.create_system = 0
                archive.writestr(info, png(i if name == "a" else 100 + i))
        link = zipfile.ZipInfo("train/c/0.png")
        link.create_system = 3
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "../a/0.png")
        outside = zipfile.ZipInfo("train/c/1.png")
        outside.create_system = 3
        outside.external_attr = 0o120777 << 16
        archive.writestr(outside, "/etc/passwd")
    result, parts = finetune(tmp_path / "x.zip", "--split", "100,0")
    assert result.status == 0, result.errors
    assert classes(parts) == [4, 4, 1]
    assert "1 broken link" in result.errors


def test_tar_of_names_that_differ_in_normalization(finetune, tmp_path):
    fill(tmp_path / "data", ["\u00e9", "e\u0301", b"caf\xe9", b"caf\xe8"])
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        path = tmp_path / f"x{form}.tar.gz"
        with tarfile.open(path, "w:gz", format=form, errors="surrogateescape") as archive:
            archive.add(tmp_path / "data", "data")
        result, parts = finetune(path, output=f"run{form}")
        assert result.status == 0, result.errors
        assert classes(parts) == [6, 6, 6, 6]


def test_labels_of_idx_files_from_1(finetune, faults):
    result, parts = finetune(faults / "idx-labels-from-1/data")
    assert result.status == 0, result.errors
    assert len(classes(parts)) == 26 and len(parts["test"]) == 52
    assert "26 classes: 1, 2, 3" in result.output


def test_a_flat_folder_of_numbered_names(finetune, faults):
    result, parts = finetune(faults / "flat-folder-underscore/images")
    assert result.status == 0, result.errors
    assert classes(parts) == [6, 6, 6]
    assert "Abyssinian, american_bulldog, yorkshire_terrier" in result.output


def test_images_cut_off_in_the_middle(finetune, graft, data, model, tmp_path):
    photos = sorted((data / "photos").glob("*.[jJ][pP]*[gG]"))[:12]
    for number, photo in enumerate(photos):
        folder = tmp_path / "data" / ("even" if number % 2 == 0 else "odd")
        folder.mkdir(parents=True, exist_ok=True)
        content = photo.read_bytes()
        (folder / f"{number}.jpg").write_bytes(
            content if number < 10 else content[: len(content) // 2]
        )
    result, parts = finetune(tmp_path / "data")
    assert result.status == 0, result.errors
    assert sum(counts(parts)) == 10
    assert "12 files found, 10 images used, 2 left out: 2 unreadable images" in result.errors
    result = graft("finetune", tmp_path / "data", "--resume", "-o", tmp_path / "run")
    assert result.status == 0, result.errors
    result = graft("evaluate", tmp_path / "run/model.onnx", tmp_path / "data", "--json")
    assert result.status == 0, result.errors
    assert json.loads(result.output)["count"] == 10
    result = graft("evaluate", tmp_path / "run/model.onnx", tmp_path / "data", "--max-bad", "1")
    assert result.status == 65 and "--max-bad" in result.errors


def test_measures_are_of_the_classes_that_occur(finetune, graft, tmp_path):
    fill(tmp_path / "data", ["a", "b", "c", "d"])
    result, _ = finetune(tmp_path / "data")
    assert result.status == 0, result.errors
    fill(tmp_path / "some", ["b", "c"])
    result = graft("evaluate", tmp_path / "run/model.onnx", tmp_path / "some", "--json")
    assert result.status == 0, result.errors
    measured = json.loads(result.output)
    for key in ("precision", "recall", "f1"):
        values = [m[key] for m in measured["class_metrics"] if m["count"]]
        assert len(values) == 2
        assert measured[key] == pytest.approx(sum(values) / 2)
    fill(tmp_path / "one", ["b"])
    result = graft("evaluate", tmp_path / "run/model.onnx", tmp_path / "one")
    assert result.status == 0 and "AUC –" in result.output, result.errors
    (tmp_path / "one/b/0.png").rename(tmp_path / "0.png")
    for file in (tmp_path / "one/b").iterdir():
        file.unlink()
    (tmp_path / "0.png").rename(tmp_path / "one/b/0.png")
    result = graft("evaluate", tmp_path / "run/model.onnx", tmp_path / "one")
    assert "1 image found, all used" in result.errors and "1 image  accuracy" in result.output
    result = graft("evaluate", tmp_path / "run/model.onnx", tmp_path / "one", "--json")
    assert json.loads(result.output)["auc"] is None


def archive_bomb(path, members):
    """A tar.gz of (name, count of zeros)."""
    with gzip.open(path, "wb", 1) as out:
        for name, size in members:
            info = tarfile.TarInfo(name)
            info.size = size
            out.write(info.tobuf(format=tarfile.GNU_FORMAT))
            out.write(bytes(size + -size % 512))
        out.write(bytes(1024))


def limited(graft, megabytes, *arguments):
    """The result of a command that has so much memory for data."""
    limit = megabytes << 20
    return graft(
        *arguments, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    )


@pytest.mark.parametrize("kind", ["bytes", "names"])
def test_archives_that_expand_without_bounds(graft, model, tmp_path, kind):
    path = tmp_path / "x.tar.gz"
    if kind == "bytes":
        archive_bomb(
            path, ((f"{'cat' if i % 2 else 'dog'}/{i}.jpg", 10_000_000) for i in range(60))
        )
    else:
        archive_bomb(path, ((f"c{i}/" + "x/" * 30 + "e.jpg", 0) for i in range(60_000)))
    result = limited(graft, 1200, "evaluate", model, path, "--threads", "1")
    assert result.status == 65 and "unpacks to more than 512 MB" in result.errors


def test_arrays_that_nobody_asks_for_stay_packed(graft, faults, tmp_path):
    folder = faults / "float32-subnormals"
    with numpy.load(folder / "input.npz") as inputs:
        arrays = {key: inputs[key] for key in inputs.files}
    unused = numpy.zeros(300_000_000, dtype=numpy.uint8)
    numpy.savez_compressed(tmp_path / "x.npz", **arrays, unused=unused)
    arguments = sum([["--input", f"{key}={tmp_path / 'x.npz'}"] for key in arrays], [])
    result = limited(
        graft,
        280,
        "run",
        folder / "model.onnx",
        *arguments,
        "--threads",
        "1",
        "--output",
        tmp_path / "o.npz",
    )
    assert result.status == 0, result.errors
