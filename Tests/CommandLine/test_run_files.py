"""graft run: which files inputs come from and outputs go to."""

import os
import socket
import struct
import subprocess

import numpy
import onnx
import onnx.parser
import pytest


def model(path, text):
    onnx.save(onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 13]> {text}'), path)
    return path


@pytest.fixture
def one(tmp_path):
    numpy.save(tmp_path / "x.npy", numpy.array([1, 2, numpy.nan, -5], numpy.float32))
    return model(tmp_path / "one.onnx", "g (float[4] x) => (float[4] y) { y = Identity(x) }")


@pytest.fixture
def two(tmp_path):
    return model(
        tmp_path / "two.onnx",
        "g (float[4] left, int64[2] right) => (float[4] y, int64[2] z) "
        "{ y = Identity(left)  z = Identity(right) }",
    )


def test_one_input_needs_no_name_and_no_output_prints(graft, one, tmp_path):
    for word in [tmp_path / "x.npy", f"x={tmp_path / 'x.npy'}"]:
        result = graft("run", one, "--input", word)
        assert result.status == 0, result.errors
        lines = [line.split() for line in result.output.splitlines()]
        assert lines[0] == ["output", "type", "min", "mean", "max"]
        assert lines[1] == ["y", "float[4]", "-5", "-0.666667", "2", "1", "NaN"]


def test_what_is_no_input_has_the_codes_of_other_files(graft, one, tmp_path):
    numpy.save((tmp_path / "array.dat").open("wb"), numpy.zeros(4, numpy.float32))
    (tmp_path / "text.txt").write_text("1 2 3 4")
    (tmp_path / "noise").write_bytes(bytes([0xFE, 0xED, 0x81]) * 9)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, status in [
        ("array.dat", 65), ("text.txt", 65), ("noise", 65),
        ("folder", 66), ("pipe", 66), ("missing.jpg", 66), ("/dev/zero", 66),
    ]:  # fmt: skip
        result = graft("run", one, "--input", tmp_path / name, timeout=20)
        assert result.status == status and str(tmp_path / name) in result.errors
        assert status == 66 or ".npy, .npz, .json or .pb" in result.errors


def test_all_that_is_missing_is_told_together(graft, two):
    result = graft("run", two)
    assert result.status == 64
    assert "2 inputs are missing: left: float[4], right: int64[2]" in result.errors
    assert "--input left=FILE --input right=FILE" in result.errors


def test_names_of_inputs(graft, two, tmp_path):
    result = graft("run", two, "--input", "lft=x.npy")
    assert result.status == 64 and "Did you mean 'left'?" in result.errors
    result = graft("run", two, "--input", "x.npy")
    assert result.status == 64 and "left, right" in result.errors
    numpy.save(tmp_path / "x.npy", numpy.zeros(4, numpy.float32))
    word = f"left={tmp_path / 'x.npy'}"
    result = graft("run", two, "--input", word, "--input", word)
    assert result.status == 64 and "'left' is given twice" in result.errors


@pytest.mark.parametrize(
    "array", [numpy.arange(4), numpy.zeros(3, numpy.float32)], ids=["type", "shape"]
)
def test_an_input_of_another_type_is_wrong_data(graft, one, tmp_path, array):
    tensor = onnx.numpy_helper.from_array(array).SerializeToString()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/input_0.pb").write_bytes(tensor)
    (tmp_path / "w.pb").write_bytes(tensor)
    numpy.save(tmp_path / "w.npy", array)
    numpy.savez(tmp_path / "w.npz", x=array)
    given = f"{'int64' if array.dtype == numpy.int64 else 'float'}[{len(array)}]"
    inputs = [["--input", f"w.{ending}"] for ending in ["npy", "npz", "pb"]]
    for words in [*inputs, ["--input-dir", "folder"]]:
        result = graft("run", one, *words, cwd=tmp_path)
        assert result.status == 65 and not result.output
        assert f"{words[1]}" in result.errors
        assert f": input 'x' is {given}; the model declares float[4]" in result.errors


def test_names_and_files_may_hold_equals_signs(graft, tmp_path):
    path = tmp_path / "equals.onnx"
    made = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 13]> '
        "g (float[2] a) => (float[2] y) { y = Identity(a) }"
    )
    made.graph.input[0].name = made.graph.node[0].input[0] = "a=b"
    onnx.save(made, path)
    numpy.save(tmp_path / "c=d.npy", numpy.array([3, 4], numpy.float32))
    result = graft("run", path, "--input", "a=b=c=d.npy", "--output", "o.npz", cwd=tmp_path)
    assert result.status == 0, result.errors
    assert numpy.load(tmp_path / "o.npz")["y"].tolist() == [3, 4]
    assert graft("run", path, "--input", "c=d.npy", cwd=tmp_path).status == 0


def test_a_model_without_outputs(graft, faults):
    result = graft("run", faults / "hostile/no-output.onnx", "--output", "o.npz")
    assert result.status == 65
    assert "has no outputs" in result.errors


def test_an_output_that_is_there_twice(graft, faults, tmp_path):
    numpy.save(tmp_path / "x.npy", numpy.zeros(4, numpy.float32))
    words = ["run", faults / "hostile/same-output-twice.onnx", "--input", tmp_path / "x.npy"]
    result = graft(*words, "--output", tmp_path / "o.npz")
    assert result.status == 65, result.errors
    assert "two arrays named" in result.errors
    assert not (tmp_path / "o.npz").exists()
    assert graft(*words, "--output-dir", tmp_path / "o").status == 0


def test_processes_with_one_output_file_do_not_disturb_each_other(graft, one, tmp_path):
    words = [graft.path, "run", one, "--input", tmp_path / "x.npy", "--output", tmp_path / "o.npz"]
    running = [
        subprocess.Popen(words, env=graft.environment, stderr=subprocess.PIPE) for _ in range(6)
    ]
    for process in running:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    assert list(numpy.load(tmp_path / "o.npz")) == ["y"]
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"graft-home", "one.onnx", "x.npy", "o.npz"}


def test_an_impossible_offset_in_an_archive(graft, one, tmp_path):
    numpy.savez(tmp_path / "x.npz", x=numpy.zeros(4, numpy.float32))
    data = bytearray((tmp_path / "x.npz").read_bytes())
    # A zip64 end record that is said to lie beyond everything.
    end = data.rindex(b"PK\x05\x06")
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, 1 << 62, 1)
    record = bytearray(data[end:])
    record[16:20] = b"\xff" * 4
    (tmp_path / "x.npz").write_bytes(bytes(data[:end]) + locator + bytes(record))
    result = graft("run", one, "--input", tmp_path / "x.npz")
    assert result.status == 65, result.errors


class TestWhatIsNoRegularFile:
    """Named pipes, sockets and devices are refused at once, wherever a path is opened."""

    @pytest.fixture(params=["pipe", "socket", "device", "folder"])
    def path(self, request, tmp_path):
        path = tmp_path / "special"
        if request.param == "pipe":
            os.mkfifo(path)
        elif request.param == "socket":
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(path))
        elif request.param == "device":
            path.symlink_to("/dev/zero")
        else:
            path.mkdir()
        return path

    @pytest.mark.parametrize(
        "command",
        [
            ["inspect", "PATH"],
            ["convert", "PATH", "out.onnx"],
            ["benchmark", "PATH"],
            ["infer", "IMAGE", "--model", "PATH"],
            ["infer", "PATH"],
            ["infer", "IMAGE", "--labels", "PATH"],
            ["infer", "IMAGE", "--model", "vgg16", "--weights", "PATH"],
            ["run", "ONE", "--input", "x=PATH.npy"],
            ["run", "ONE", "--input", "x=PATH.npz"],
            ["run", "ONE", "--input", "x=PATH.pb"],
            ["models", "add", "mine", "PATH"],
            ["finetune", "DATA", "--recipe", "PATH"],
            ["evaluate", "PATH", "DATA"],
        ],
        ids=" ".join,
    )
    def test_refused_at_once(self, graft, faults, one, path, tmp_path, command):
        if path.is_dir() and command == ["infer", "PATH"]:
            pytest.skip("folders are given to infer")
        for ending in ["npy", "npz", "pb"]:
            (tmp_path / f"special.{ending}").symlink_to(path)
        data = tmp_path / "data"
        for name in ["a", "b"]:
            (data / name).mkdir(parents=True)
            for number in range(2):
                (data / name / f"{number}.png").symlink_to(faults / "no-proc-arguments/picture.png")
        words = [
            word.replace("PATH", str(path))
            .replace("ONE", str(one))
            .replace("DATA", str(data))
            .replace("IMAGE", str(faults / "no-proc-arguments/picture.png"))
            for word in command
        ]
        result = graft(*words, cwd=tmp_path, timeout=20)
        # Where a data set is expected, too.
        assert result.status == 66, result.errors
        said = ["not a regular file", "cannot open"] + (
            ["is a folder, not"] if path.is_dir() else []
        )
        assert any(words in result.errors for words in said), result.errors

    def test_a_pipe_in_the_cache_does_not_stop_a_start(self, graft, convolution, home):
        words = ["run", *convolution]
        assert graft(*words).status == 0
        paths = list((home / "compiled").iterdir())
        assert len(paths) == 2
        for path in paths:
            path.unlink()
            os.mkfifo(path)
        assert graft(*words, timeout=20).status == 0

    def test_a_pipe_in_a_folder_of_images(self, graft, faults, tmp_path):
        folder = tmp_path / "images"
        folder.mkdir()
        (folder / "a.png").symlink_to(faults / "no-proc-arguments/picture.png")
        os.mkfifo(folder / "b.png")
        result = graft("infer", folder, timeout=20)
        assert "a.png" in result.output
