"""The output of the commands, and its targets: failing outputs, exit codes, control characters."""

import json
import os
import resource
import shutil
import signal
import subprocess

import pytest

COMMANDS = [
    ["--help"],
    ["--version"],
    ["help", "finetune"],
    ["models", "list"],
    ["cache", "list"],
    ["inspect", "MODEL"],
    ["inspect", "MODEL", "--json"],
    ["inspect", "MODEL", "--dot"],
    ["infer", "IMAGE"],
    ["infer", "IMAGE", "--json"],
    ["benchmark", "MODEL", "--runs", "1", "--warmup", "0"],
    ["--generate-completion-script", "bash"],
]


@pytest.fixture
def model(faults):
    return faults / "no-proc-arguments/model.onnx"


@pytest.fixture
def image(faults):
    return faults / "no-proc-arguments/picture.png"


@pytest.fixture
def words(model, image):
    def words(command):
        return [{"MODEL": model, "IMAGE": image}.get(word, word) for word in command]

    return words


def closing(descriptor):
    return lambda: os.close(descriptor)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_full_standard_output_is_an_error(graft, words, command):
    with open("/dev/full", "wb") as full:
        result = graft(*words(command), stdout=full)
    assert result.status == 74
    assert "error: standard output: cannot be written: No space left on device" in result.errors


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_closed_standard_output_is_an_error(graft, words, command):
    result = graft(*words(command), preexec_fn=closing(1))
    assert result.status == 74
    assert "error: standard output: cannot be written: Bad file descriptor" in result.errors


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_reader_that_went_away_ends_the_program_quietly(graft, words, command):
    read, write = os.pipe()
    os.close(read)
    result = graft(*words(command), stdout=write)
    os.close(write)
    assert result.status == -signal.SIGPIPE
    assert "error" not in result.errors


@pytest.mark.parametrize("stream", ["closed", "full", "broken"])
@pytest.mark.parametrize(
    "command, status",
    [
        (["inspect", "nosuch"], 66),
        (["infer", "IMAGE", "nosuch.jpg"], 66),
        (["infer", "IMAGE"], 0),
        (["infer", "--nosuch"], 64),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_standard_error_may_fail(graft, words, stream, command, status):
    if stream == "closed":
        options = {"preexec_fn": closing(2)}
    elif stream == "full":
        options = {"stderr": os.open("/dev/full", os.O_WRONLY)}
    else:
        read, write = os.pipe()
        os.close(read)
        options = {"stderr": write}
    result = graft(*words(command), **options)
    if "stderr" in options:
        os.close(options["stderr"])
    assert result.status == status
    if status == 0:
        assert result.output


def test_files_never_take_the_place_of_a_closed_stream(graft, model, tmp_path):
    """The first file that is opened would get the number of standard error, and its messages."""

    def close_all():
        for descriptor in range(3):
            os.close(descriptor)

    result = graft("convert", model, tmp_path / "out.onnx", preexec_fn=close_all)
    assert result.status == 0
    expected = graft("convert", model, tmp_path / "expected.onnx")
    assert expected.status == 0, expected.errors
    assert (tmp_path / "out.onnx").read_bytes() == (tmp_path / "expected.onnx").read_bytes()


def test_a_limit_on_file_sizes_is_a_failed_write(graft, faults, tmp_path):
    result = graft(
        "convert",
        faults / "file-size-limit/model.onnx",
        tmp_path / "out.onnx",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024)),
    )
    assert result.status == 74
    assert "out.onnx: cannot be written: File too large" in result.errors
    assert [path.name for path in tmp_path.iterdir()] == ["graft-home"]


def test_a_run_beyond_the_file_size_limit_says_so(graft, faults, tmp_path):
    folder = faults / "evaluate-on-trained-pictures"
    result = graft(
        "finetune", folder / "pictures", "--model", folder / "model.onnx", "--preprocess", "unit",
        "--resize", 16, "--epochs", "2,0", "--threads", 1, "-o", tmp_path / "run",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
    )  # fmt: skip
    assert result.status == 74
    assert "cannot be written: File too large" in result.errors
    assert not [
        path for path in (tmp_path / "run").iterdir() if path.name.endswith((".tmp", ".part"))
    ]


@pytest.mark.parametrize(
    "arguments, status",
    [
        (["--output", "missing/o.npz"], 73),
        (["--output", "file/o.npz"], 73),
        (["--output-dir", "file/o"], 73),
        (["--output", "folder.npz"], 73),
    ],
)
def test_a_file_that_cannot_be_created_has_one_code(graft, identity, tmp_path, arguments, status):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.npz").mkdir()
    result = graft("run", *identity, *arguments, cwd=tmp_path)
    assert result.status == status, result.errors
    assert graft("convert", identity[0], arguments[1] + ".onnx", cwd=tmp_path).status in (0, 73)


@pytest.mark.parametrize("path", ["missing/trace.json", "file/trace.json", "folder.json"])
def test_a_trace_that_cannot_be_written_is_said_before_anything_runs(graft, tmp_path, path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.json").mkdir()
    # Otherwise the model would be reported as missing.
    result = graft("benchmark", "nosuch.onnx", "--profile", path, cwd=tmp_path)
    assert result.status == 73 and path in result.errors
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.json", "graft-home"]


@pytest.mark.parametrize("path", ["identity.onnx", "", "trace", ".json"])
def test_a_trace_does_not_take_the_place_of_a_file_of_another_kind(graft, identity, tmp_path, path):
    before = identity[0].read_bytes()
    result = graft("benchmark", identity[0], "--profile", path, cwd=tmp_path)
    assert result.status == 64 and ".json" in result.errors
    assert identity[0].read_bytes() == before


@pytest.mark.parametrize("command", ["finetune", "train"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["--output", "file/run"],
        ["--output", "file"],
        ["--preview", "missing/sheet.png"],
        ["--preview", "folder.png"],
    ],
)
def test_what_a_run_cannot_write_is_said_before_images_are_read(
    graft, tmp_path, command, arguments
):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.png").mkdir()
    # Otherwise the images would be reported as missing.
    result = graft(command, "nosuch", *arguments, cwd=tmp_path)
    assert result.status == 73 and arguments[1] in result.errors
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.png", "graft-home"]


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
def test_a_trace_that_was_written_is_said(graft, identity, tmp_path, options):
    words = ["benchmark", identity[0], "--runs", "1", "--warmup", "0", "--profile", "trace.json"]
    result = graft(*words, *options, cwd=tmp_path)
    assert result.status == 0
    assert result.errors.startswith("note: wrote trace.json (")
    assert "wrote" not in result.output
    assert json.loads((tmp_path / "trace.json").read_text())["traceEvents"]


@pytest.mark.parametrize("arguments", [["--output", "missing/o.npz"], ["--output-dir", "file/o"]])
def test_an_output_that_cannot_be_written_is_said_before_the_model_runs(graft, tmp_path, arguments):
    import numpy
    import onnx

    text = "g (float[4] x, int64[1] i) => (float[1] y) { y = Gather(x, i) }"
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 13]> {text}')
    onnx.save(model, tmp_path / "gather.onnx")
    numpy.save(tmp_path / "x.npy", numpy.arange(4, dtype=numpy.float32))
    numpy.save(tmp_path / "i.npy", numpy.array([9]))
    (tmp_path / "file").write_text("")
    words = ["run", "gather.onnx", "--input", "x=x.npy", "--input", "i=i.npy"]
    assert graft(*words, cwd=tmp_path).status == 65
    result = graft(*words, *arguments, cwd=tmp_path)
    assert result.status == 73 and arguments[1].split("/")[0] in result.errors


@pytest.fixture
def identity(tmp_path):
    """A model that gives back its input, and arguments that run it."""
    import numpy
    import onnx

    onnx.save(
        onnx.parser.parse_model(
            '<ir_version: 8, opset_import: ["" : 13]> g (float[4] x) => (float[4] y) '
            "{ y = Identity(x) }"
        ),
        tmp_path / "identity.onnx",
    )
    numpy.save(tmp_path / "x.npy", numpy.arange(4, dtype=numpy.float32))
    return [tmp_path / "identity.onnx", "--input", tmp_path / "x.npy"]


@pytest.mark.parametrize(
    "command", [["run", "--output"], ["convert"]], ids=lambda command: command[0]
)
def test_a_full_disk_has_one_code(graft, identity, tmp_path, command):
    if shutil.which("unshare") is None or os.geteuid() != 0:
        pytest.skip("mounting a small file system takes root and unshare")
    disk = tmp_path / "disk"
    disk.mkdir()
    target = f"{disk}/out.{'npz' if command[0] == 'run' else 'onnx'}"
    words = (
        ["run", *identity, "--output", target]
        if command[0] == "run"
        else ["convert", identity[0], target]
    )
    script = f'mount -t tmpfs -o size=4k none "{disk}" && head -c 4096 /dev/zero >"{disk}/filler"'
    done = subprocess.run(
        [
            "unshare",
            "-m",
            "sh",
            "-c",
            f'{script} || exit 99; "$@"; code=$?; ls "{disk}"; exit $code',
        ]
        + ["sh", str(graft.path), *map(str, words)],
        env=graft.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.returncode == 99 or done.returncode == 1:
        pytest.skip(f"a small file system cannot be mounted: {done.stderr}")
    assert done.returncode == 74, done.stderr
    assert "No space left on device" in done.stderr
    assert done.stdout.split() == ["filler"]


class TestControlCharacters:
    """Escape sequences of files never reach a terminal."""

    def assert_clean(self, *texts):
        for text in texts:
            bad = [c for c in text if (ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160]
            assert not bad, repr(text)

    @pytest.mark.parametrize("options", [[], ["--json"], ["--dot"]], ids=str)
    def test_names_in_a_model(self, graft, faults, options):
        result = graft("inspect", faults / "hostile/escape.onnx", *options)
        assert result.status == 0
        self.assert_clean(result.output, result.errors)
        if "--json" in options:
            assert json.loads(result.output)["layers"][0]["type"] == "\x1b[31mred\x1b]0;title\x07"
        else:
            assert "\\u001b[31mred\\u001b]0;title\\u0007" in result.output

    @pytest.mark.parametrize("command", ["run", "benchmark", "infer", "convert"])
    def test_names_in_messages(self, graft, faults, tmp_path, image, command):
        path = faults / "hostile/escape.onnx"
        arguments = {
            "run": [path],
            "benchmark": [path],
            "infer": [image, "--model", path],
            "convert": [path, tmp_path / "out.onnx", "--opset", "9999"],
        }
        result = graft(command, *arguments[command])
        assert result.status != 0
        self.assert_clean(result.output, result.errors)

    def test_labels_and_file_names(self, graft, image, tmp_path):
        labels = tmp_path / "labels.txt"
        labels.write_text("\n".join(f"\x1b[31mred{i}\x9b2J\u202e" for i in range(10)))
        path = tmp_path / "a\x1b]0;title\x07\r.png"
        shutil.copy(image, path)
        for options in [[], ["--json"]]:
            result = graft("infer", path, "--labels", labels, *options)
            assert result.status == 0, result.errors
            self.assert_clean(result.output, result.errors)
            assert "red" in result.output
        answer = json.loads(result.output)
        assert answer["file"] == str(path)
        assert answer["predictions"][0]["label"].startswith("\x1b[31mred")

    def test_words_of_the_command_line(self, graft):
        for words in [["inspect", "a\x1b[31m"], ["infer", "--\x1b[31m"], ["x\x1b[31m"]]:
            result = graft(*words)
            assert result.status in (64, 66)
            self.assert_clean(result.errors)


def test_errors_have_one_prefix(graft, image):
    for words in [["infer", image, "--nosuch"], ["infer"], ["infer", "nosuch.png"], ["nosuch"]]:
        result = graft(*words)
        assert result.status in (64, 66)
        assert result.errors.startswith("error: "), result.errors
        assert "Error:" not in result.errors


def test_a_place_is_said_once(graft, tmp_path):
    for words in [
        ["inspect", tmp_path / "no.h5"],
        ["infer", tmp_path / "no.png"],
        ["infer", "x.png", "--labels", tmp_path / "no.txt"],
        ["finetune", tmp_path, "--recipe", tmp_path / "no.yaml"],
    ]:
        result = graft(*words)
        assert result.status == 66
        assert result.errors.count(str(tmp_path)) == 1, result.errors


def test_lists_in_messages_are_bounded(graft, tmp_path):
    import onnx

    nodes = [onnx.helper.make_node(f"Unknown{i:05}" * 20, ["x"], [f"y{i}"]) for i in range(5000)]
    x = onnx.helper.make_tensor_value_info("x", 1, [4])
    y = onnx.helper.make_tensor_value_info("y0", 1, [4])
    graph = onnx.helper.make_graph(nodes, "g", [x], [y])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "many.onnx")
    result = graft("benchmark", tmp_path / "many.onnx")
    assert result.status == 69
    assert len(result.errors) < 5000
    assert "4990 more" in result.errors or " … " in result.errors


def test_a_large_file_of_labels_is_called_what_it_is(graft, image, tmp_path):
    labels = tmp_path / "labels.txt"
    with open(labels, "wb") as file:
        file.truncate((64 << 20) + 1)
    result = graft("infer", image, "--labels", labels)
    assert result.status == 65
    assert "too large for a list of labels" in result.errors
