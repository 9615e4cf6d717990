"""graft models: names, files, and their metadata."""

import json
import os
import pathlib
import shutil

import numpy
import onnx
import onnx.parser
import pytest


def classifier(path, classes=3, metadata=None):
    """A model that takes images of 4 x 4 and gives the sums of the channels, which its labels may
    name.
    """
    model = onnx.parser.parse_model(
        f"""<ir_version: 8, opset_import: ["" : 13]>
        g (float[N, {classes}, 4, 4] x) => (float[N, {classes}] y) {{
          s = GlobalAveragePool(x)
          f = Flatten<axis = 1>(s)
          y = Softmax<axis = 1>(f)
        }}"""
    )
    for key, value in (metadata or {}).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.save(model, path)
    return path


@pytest.fixture
def image(faults):
    return faults / "no-proc-arguments/picture.png"


def test_added_files_are_described_by_the_user(graft, image, tmp_path):
    model = classifier(tmp_path / "rgb.onnx")
    (tmp_path / "labels.txt").write_text("red\ngreen\nblue\n")
    words = ["--preprocess", "unit", "--resize", "4", "--labels", tmp_path / "labels.txt"]
    # The name is an alias of a model whose preparation and labels are others.
    result = graft("models", "add", "squeezenet", model, *words)
    assert result.status == 0, result.errors
    assert result.output.startswith("squeezenet: ")
    added = graft("infer", image, "--model", "squeezenet", "--json")
    assert added.status == 0, added.errors
    assert "assuming" not in added.errors
    plain = graft("infer", image, "--model", model, *words, "--json")
    assert json.loads(added.output) == json.loads(plain.output)
    assert {p["label"] for p in json.loads(added.output)["predictions"]} == {"red", "green", "blue"}
    # Other words, other preparation: nothing of the first is left in a cache.
    assert graft("models", "add", "squeezenet", model, "--preprocess", "keras-tf").status == 0
    again = graft("infer", image, "--model", "squeezenet", "--resize", "4", "--json")
    expected = graft(
        "infer", image, "--model", model, "--preprocess", "keras-tf", "--resize", "4", "--json"
    )
    assert json.loads(again.output) == json.loads(expected.output)
    assert "label" not in json.loads(again.output)["predictions"][0]


def test_added_files_say_nothing_that_nobody_said(graft, image, tmp_path):
    model = classifier(tmp_path / "rgb.onnx")
    assert graft("models", "add", "squeezenet", model).status == 0
    result = graft("infer", image, "--model", "squeezenet")
    assert result.status == 0
    assert "does not define how" in result.errors
    assert "tench" not in result.output


def test_the_file_says_it(graft, image, tmp_path):
    model = classifier(
        tmp_path / "rgb.onnx",
        metadata={"graft.preprocessing.name": "unit", "graft.labels": "r\ng\nb"},
    )
    assert graft("models", "add", "mine", model).status == 0
    result = graft("infer", image, "--model", "mine", "--json")
    assert result.status == 0 and "assuming" not in result.errors
    assert {p["label"] for p in json.loads(result.output)["predictions"]} == {"r", "g", "b"}


@pytest.mark.parametrize(
    "entries, part",
    [
        ({"name": "bogus"}, "name': unknown preprocessing 'bogus'"),
        ({"resize": "-4"}, "resize': invalid image size '-4'"),
        ({"resize": "shorter:0"}, "resize': invalid image size 'shorter:0'"),
        ({"crop": "0x4"}, "crop': invalid crop size '0x4'"),
        ({"crop": "99999999999"}, "crop': invalid crop size '99999999999'"),
        ({"interpolation": "best"}, "interpolation': unknown interpolation 'best'"),
        ({"channels": "0"}, "channels': invalid number of channels '0'"),
        ({"layout": "CHW"}, "layout': unknown layout 'CHW'"),
        ({"orientation": "left"}, "orientation': unknown orientation rule 'left'"),
        ({"mean": "nan"}, "mean': is not a known preprocessing property; its value is 'nan'"),
        ({"std": "0,0,0"}, "std': is not a known preprocessing property; its value is '0,0,0'"),
        (
            {"name": None, "resize": "4"},
            "name': is missing, but 'graft.preprocessing.resize' is present",
        ),
    ],
    ids=str,
)
def test_preparation_in_a_model_that_cannot_be(graft, infer, image, tmp_path, entries, part):
    entries = {"name": "unit", **entries}
    metadata = {f"graft.preprocessing.{key}": value for key, value in entries.items() if value}
    model = classifier(tmp_path / "rgb.onnx", metadata=metadata)
    added = ["models", "add", "mine", model]
    for result in [
        infer(image, "--model", model),
        graft("convert", model, tmp_path / "copy.onnx"),
        graft(*added),
    ]:
        assert result.status == 65 and not result.output
        assert f"{model}: metadata 'graft.preprocessing.{part}" in result.errors
        assert ("Remove the entry from the file" in result.errors) == ("is not a known" in part)
    if entries["name"] is None:
        # As the message suggests.
        assert infer(image, "--model", model, "--preprocess", "unit").status == 0
        done = graft("convert", model, tmp_path / "copy.onnx", "--preprocess", "unit")
        assert done.status == 0
        assert infer(image, "--model", tmp_path / "copy.onnx").status == 0
        assert graft(*added, "--preprocess", "unit").status == 0
        assert infer(image, "--model", "mine").status == 0


@pytest.mark.parametrize(
    "entries, options",
    [
        ({"name": "bogus"}, ["--preprocess", "unit"]),
        ({"name": "torch", "resize": "0", "crop": "x"}, ["--preprocess", "unit"]),
        ({"resize": "0"}, ["--resize", "4"]),
        ({"crop": "0x4"}, ["--crop", "4"]),
        ({"interpolation": "best"}, ["--interpolation", "nearest"]),
        ({"orientation": "left"}, ["--ignore-orientation"]),
    ],
    ids=str,
)
def test_options_repair_what_a_model_says(graft, infer, image, tmp_path, entries, options):
    entries = {"name": "unit", **entries}
    metadata = {f"graft.preprocessing.{key}": value for key, value in entries.items()}
    model = classifier(tmp_path / "rgb.onnx", metadata=metadata)
    expected = infer(image, "--model", model, *options)
    assert expected.status == 0, expected.errors
    copy = tmp_path / "copy.onnx"
    assert graft("convert", model, copy, *options).status == 0
    assert infer(image, "--model", copy).output == expected.output
    assert graft("models", "add", "mine", model, *options).status == 0
    assert infer(image, "--model", "mine").output == expected.output


@pytest.mark.parametrize(
    "key, value", [("graft.in_distribution.threshold", "nan"), ("graft.scores", "bogus")]
)
def test_what_infer_refuses_is_neither_converted_nor_added(
    graft, infer, image, tmp_path, key, value
):
    metadata = {"graft.preprocessing.name": "unit", key: value}
    if "in_distribution" in key:
        metadata["graft.in_distribution.output"] = "y"
    model = classifier(tmp_path / "rgb.onnx", metadata=metadata)
    for result in [
        infer(image, "--model", model),
        graft("convert", model, tmp_path / "copy.onnx"),
        graft("models", "add", "mine", model),
    ]:
        assert result.status == 65 and f"{model}: metadata '{key}'" in result.errors
    assert not (tmp_path / "copy.onnx").exists()


def test_a_crop_is_no_larger_than_what_is_left_to_cut(graft, infer, image, tmp_path):
    sizes = {"name": "unit", "resize": "8", "crop": "8"}
    model = classifier(
        tmp_path / "rgb.onnx",
        metadata={f"graft.preprocessing.{key}": value for key, value in sizes.items()},
    )
    copy = tmp_path / "copy.onnx"
    for resize in ["4", "shorter:4"]:
        assert graft("convert", model, copy, "--resize", resize).status == 0
        written = {entry.key: entry.value for entry in onnx.load(copy).metadata_props}
        assert written["graft.preprocessing.resize"] == resize
        assert written["graft.preprocessing.crop"] == "4"
        whole = infer(image, "--model", copy)
        assert whole.status == 0, whole.errors
        assert infer(image, "--model", model, "--resize", resize).output == whole.output
    for options in [["--resize", "4", "--crop", "8"], ["--crop", "9"]]:
        for result in [
            infer(image, "--model", model, *options),
            graft("convert", model, tmp_path / "other.onnx", *options),
        ]:
            assert result.status == 64 and f"too small for a crop of {options[-1]}" in result.errors
    assert not (tmp_path / "other.onnx").exists()


def test_labels_that_cannot_be_are_not_added(graft, tmp_path):
    model = classifier(tmp_path / "rgb.onnx", metadata={"graft.labels": "a\nb"})
    result = graft("models", "add", "mine", model)
    assert result.status == 65 and not result.output
    assert f"{model}: metadata 'graft.labels': there are 2 labels" in result.errors
    assert "mine" not in graft("models", "list").output


def test_the_name_of_the_built_in_network_is_taken(graft, infer, image, tmp_path):
    model = classifier(tmp_path / "rgb.onnx")
    result = graft("models", "add", "cifar10", model, "--preprocess", "unit")
    assert result.status == 64 and not result.output
    assert "'cifar10' is the name of the built-in model" in result.errors
    assert graft("models", "list").output.count("cifar10") == 1
    # Also where an earlier version gave it away.
    assert graft("models", "add", "cifar11", model).status == 0
    folder = pathlib.Path(graft("models", "path", "cifar11").output.strip()).parent
    record = json.loads((folder / "cifar11.added.json").read_text())
    weights = folder / "cifar10.onnx"
    shutil.copy(model, weights)
    left = {**record, "name": "cifar10", "file": weights.name}
    (folder / "cifar10.added.json").write_text(json.dumps(left))
    assert graft("models", "list").output.count("cifar10") == 1
    result = infer(image, "--model", "cifar10", "--json")
    assert result.status == 0 and "in_distribution_score" in result.output
    # The rest of it can be removed.
    result = graft("models", "remove", "cifar10")
    assert result.status == 0 and result.output == f"removed {weights}\n"
    assert not list(folder.glob("cifar10*")) and len(list(folder.iterdir())) == 2
    for command in ("remove", "path", "pull"):
        result = graft("models", command, "cifar10")
        assert result.status == 64 and "'cifar10' is built in" in result.errors


def test_the_working_directory_hides_no_model(infer, image, tmp_path):
    (tmp_path / "cifar10").mkdir()
    words = [image, "--json", "--model"]
    result = infer(*words, "cifar10", cwd=tmp_path)
    assert result.status == 0 and not result.errors
    assert "in_distribution_score" in result.output
    (tmp_path / "cifar10").rmdir()
    classifier(tmp_path / "cifar10", metadata={"graft.preprocessing.name": "unit"})
    result = infer(*words, "cifar10", cwd=tmp_path)
    assert result.status == 0 and "in_distribution_score" in result.output
    assert result.errors.count("use ./cifar10 for the file") == 1
    # Whoever names no model did not mean the file.
    unnamed = infer(image, "--json", cwd=tmp_path)
    assert unnamed.status == 0 and unnamed.output == result.output and not unnamed.errors
    result = infer(*words, "./cifar10", cwd=tmp_path)
    assert result.status == 0 and not result.errors
    assert "in_distribution_score" not in result.output


def test_without_a_folder_for_models(graft, infer, image, tmp_path):
    nowhere = dict.fromkeys(["GRAFT_HOME", "XDG_CACHE_HOME", "HOME"], "")
    for name in ["model", "net.bin"]:
        classifier(tmp_path / name)
        result = graft("inspect", name, cwd=tmp_path, environment=nowhere)
        assert result.status == 0, result.errors
    # Part of the program.
    result = infer(image, "--json", environment=nowhere)
    assert result.status == 0 and "in_distribution_score" in result.output
    for name in ["vgg16", "absent"]:
        result = graft("inspect", name, cwd=tmp_path, environment=nowhere)
        assert result.status == 64 and "Set GRAFT_HOME" in result.errors


def test_every_command_takes_a_name_for_a_model(graft, tmp_path):
    assert graft("models", "add", "mine", classifier(tmp_path / "rgb.onnx")).status == 0
    (tmp_path / "mine").write_text("no model")
    numpy.save(tmp_path / "x.npy", numpy.zeros((1, 3, 4, 4), numpy.float32))
    for words in [
        ["inspect", "mine"],
        ["run", "mine", "--input", "x.npy"],
        ["convert", "mine", "copy.onnx"],
        ["benchmark", "mine", "--runs", "1", "--warmup", "0"],
    ]:
        result = graft(*words, cwd=tmp_path)
        assert result.status == 0, result.errors
        assert result.errors.count("'mine' is used as the name of a model") == 1
        assert graft(words[0], "./mine", *words[2:], cwd=tmp_path).status == 65
    # Only files can be added.
    assert graft("models", "add", "other", "mine", cwd=tmp_path).status == 65


@pytest.mark.parametrize("name", ["birds.onnx", "birds.H5", "birds.hdf5"])
def test_what_ends_as_a_file_is_no_name(graft, tmp_path, name):
    result = graft("models", "add", name, classifier(tmp_path / "rgb.onnx"))
    assert result.status == 64 and f"'{name}' is not a valid model name" in result.errors


def test_another_file_under_the_name_of_a_known_model_is_noted(graft, tmp_path):
    model = classifier(tmp_path / "rgb.onnx")
    assert not graft("models", "add", "mine", model).errors
    for name, official in [("vgg16", "vgg16"), ("squeezenet", "squeezenet1.1-7")]:
        result = graft("models", "add", name, model)
        assert result.status == 0
        assert (
            f"instead of the official one of {official}; 'graft models remove {name}'"
            in result.errors
        )


def test_another_file_under_the_name_of_a_known_model_has_its_aliases(
    graft, infer, image, tmp_path
):
    model = classifier(tmp_path / "rgb.onnx", metadata={"graft.preprocessing.name": "unit"})
    assert graft("models", "add", "squeezenet1.1-7", model).status == 0
    lines = graft("models", "list").output.splitlines()
    assert any(line.split()[:2] == ["squeezenet1.1-7", "squeezenet"] for line in lines)
    expected = infer(image, "--model", "squeezenet1.1-7")
    # Also where a file has that name.
    (tmp_path / "squeezenet").write_text("no model")
    result = infer(image, "--model", "squeezenet", cwd=tmp_path)
    assert result.status == 0 and result.output == expected.output


def test_remove(graft, image, tmp_path, home):
    model = classifier(tmp_path / "rgb.onnx")
    added = graft("models", "add", "mine", model)
    result = graft("models", "remove", "mine")
    assert result.status == 0
    assert not list((home / "models").iterdir())
    assert result.output.split()[1] == added.output.split()[1]
    assert graft("models", "remove", "mine").status == 66
    assert graft("models", "remove", "vgg16").status == 66
    assert graft("models", "remove", "cifar10").status == 64
    assert "mine" not in graft("models", "list").output
    assert model.exists()


@pytest.mark.parametrize(
    "make", [lambda path: path.write_text("garbage"), os.mkfifo], ids=["text", "pipe"]
)
@pytest.mark.parametrize("name", ["mine", "vgg16", "squeezenet"])
def test_a_broken_record_is_shown_and_can_go(graft, infer, image, tmp_path, home, name, make):
    model = classifier(tmp_path / "rgb.onnx")
    for added in [name, "mine.too"]:
        assert graft("models", "add", added, model).status == 0
    record = home / f"models/{name}.added.json"
    record.unlink()
    make(record)
    lines = graft("models", "list").output.splitlines()
    assert [line for line in lines if line.split()[0] == name and "damaged" in line]
    for command in [
        ["models", "path", name],
        ["models", "pull", name],
        ["infer", image, "--model", name],
    ]:
        result = graft(*command)
        assert result.status == 65 and f"graft models remove {name}" in result.errors
    result = graft("models", "remove", name)
    assert result.status == 0 and result.output == f"removed {record}\n"
    assert len(list((home / "models").iterdir())) == 2
    assert "damaged" not in graft("models", "list").output
    assert graft("models", "path", "mine.too").status == 0
    assert graft("models", "path", name).status == 66


@pytest.mark.parametrize(
    "make",
    [
        lambda path, image: path.write_bytes(b""),
        lambda path, image: shutil.copy(image, path),
        lambda path, image: numpy.save(path.open("wb"), numpy.zeros(3)),
        lambda path, image: path.write_text("no model"),
    ],
    ids=["empty", "image", "npy", "text"],
)
def test_what_is_no_model_is_not_added(graft, image, tmp_path, make):
    path = tmp_path / "file.onnx"
    make(path, image)
    result = graft("models", "add", "mine", path)
    assert result.status in (65, 69)
    assert "mine" not in graft("models", "list").output


def test_files_that_are_not_there_or_not_files(graft, tmp_path):
    assert graft("models", "add", "mine", tmp_path / "nosuch").status == 66
    assert graft("models", "add", "mine", tmp_path).status == 66
    os.mkfifo(tmp_path / "pipe")
    assert graft("models", "add", "mine", tmp_path / "pipe", timeout=20).status == 66


def test_weights_in_other_files_are_not_left_behind(graft, tmp_path):
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 13]> g (float[8] x) => (float[8] y) { y = Add(x, w) }'
    )
    model.graph.initializer.append(onnx.numpy_helper.from_array(numpy.ones(8, numpy.float32), "w"))
    onnx.save(
        model, tmp_path / "m.onnx", save_as_external_data=True, location="w", size_threshold=0
    )
    result = graft("models", "add", "mine", tmp_path / "m.onnx")
    assert result.status == 64
    assert "graft convert" in result.errors


def test_a_changed_file_is_not_used(graft, image, tmp_path):
    model = classifier(tmp_path / "rgb.onnx")
    added = graft("models", "add", "mine", model)
    path = added.output.split()[1]
    data = bytearray(open(path, "rb").read())
    data[-1] ^= 1
    with open(path, "wb") as file:
        file.write(data)
    for words in [
        ["infer", image, "--model", "mine"],
        ["models", "pull", "mine"],
        ["models", "path", "mine"],
    ]:
        result = graft(*words)
        assert result.status == 65
        assert "has changed since it was added" in result.errors
        assert f"Changing {model} in place changes it too" in result.errors


@pytest.mark.parametrize("command", ["path", "pull", "remove"])
def test_all_names_are_listed_where_one_is_unknown(graft, command):
    result = graft("models", command, "something")
    assert result.status == 66
    names = [line.split()[0] for line in graft("models", "list").output.splitlines()[1:]]
    assert "cifar10" in names and f"There are {', '.join(names)}" in result.errors


def test_list_shows_aliases(graft):
    lines = graft("models", "list").output.splitlines()
    assert lines[0].split()[:3] == ["name", "also", "called"]
    assert any(line.split()[:2] == ["squeezenet1.1-7", "squeezenet"] for line in lines)


def test_a_missing_file_is_told_in_short_lines(graft, image):
    result = graft("infer", image, "--model", "vgg16")
    assert result.status == 66
    lines = result.errors.splitlines()
    assert lines[0] == "error: the model 'vgg16' is not installed. Run one of these:"
    assert "  GRAFT_OFFLINE=0 graft models pull vgg16" in lines
    assert "  graft models add vgg16 FILE" in lines
    result = graft("infer", image, "--model", "vgg16", environment={"GRAFT_OFFLINE": "0"})
    assert result.status == 66 and "  graft models pull vgg16" in result.errors.splitlines()


def test_pulling_a_name_of_an_added_file_says_so(graft, tmp_path):
    model = classifier(tmp_path / "rgb.onnx")
    for name, advice in [("mine", ""), ("squeezenet", "graft models remove squeezenet")]:
        assert graft("models", "add", name, model).status == 0
        path = graft("models", "path", name).output
        result = graft("models", "pull", name)
        assert result.status == 0 and result.output == path
        assert f"nothing was downloaded, as '{name}' is a file that was added" in result.errors
        assert advice in result.errors and ("models remove" in result.errors) == bool(advice)
        with open(path.strip(), "ab") as file:
            file.write(b"x")
        result = graft("models", "pull", name)
        assert result.status == 65 and "models add" in result.errors
        assert advice in result.errors and ("models remove" in result.errors) == bool(advice)
        os.unlink(path.strip())
        result = graft("models", "pull", name)
        assert result.status == 66 and "models add" in result.errors
        assert advice in result.errors and ("models remove" in result.errors) == bool(advice)
        classifier(model)


def test_pulling_offline(graft):
    result = graft("models", "pull", "squeezenet")
    assert result.status == 69 and not result.output
    assert "is not installed, and GRAFT_OFFLINE forbids a download" in result.errors
    assert "GRAFT_OFFLINE=0 graft models pull squeezenet1.1-7" in result.errors


def test_cache_list_names_models(graft, convolution):
    assert graft("run", *convolution).status == 0
    result = graft("cache", "list")
    assert result.status == 0
    assert "model convolution.onnx" in result.output
    cleared = graft("cache", "clear")
    assert cleared.output.startswith("removed 2 files")
    assert "0 files" in graft("cache", "list").output
