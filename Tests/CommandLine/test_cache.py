"""The folder of compiled models: which files are used, made again, and kept."""

import json
import os
import stat
import struct

import numpy
import pytest


def run(graft, arguments, output, **options):
    result = graft("run", *arguments, "--output", output, **options)
    assert result.status == 0, (result.status, result.errors)
    with numpy.load(output) as arrays:
        return arrays["y"].tobytes()


@pytest.fixture
def kept(graft, convolution, home, tmp_path):
    """The folder with the compiled form of a model, and the model's output."""
    answer = run(graft, convolution, tmp_path / "first.npz")
    return home / "compiled", answer


def one(folder, kind):
    (path,) = folder.glob(f"*.{kind}")
    return path


def test_nobody_else_may_look(kept):
    folder, _ = kept
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.suffix for path in folder.iterdir()} == {".model", ".content"}
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def replaced_by_pipe(path):
    path.unlink()
    os.mkfifo(path)


def replaced_by_link(path):
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def given_away(path):
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    os.chown(path, 12345, 12345)


def replaced_by_folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("kind", ["model", "content"])
@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.chmod(0o620),
        lambda path: path.chmod(0o602),
        given_away,
        replaced_by_pipe,
        replaced_by_link,
        replaced_by_folder,
    ],
    ids=["group", "world", "owner", "pipe", "link", "folder"],
)
def test_what_others_may_have_written_is_made_anew(
    graft, convolution, kept, tmp_path, kind, change
):
    folder, answer = kept
    path = one(folder, kind)
    change(path)
    before = path.lstat()
    assert run(graft, convolution, tmp_path / "again.npz", timeout=60) == answer
    after = path.lstat()
    # A folder cannot be replaced.
    if not stat.S_ISDIR(before.st_mode):
        assert after.st_ino != before.st_ino
        assert stat.S_ISREG(after.st_mode) and stat.S_IMODE(after.st_mode) == 0o600
        assert after.st_uid == os.geteuid()
    assert run(graft, convolution, tmp_path / "last.npz") == answer


@pytest.mark.parametrize(
    "field, value",
    [
        ("time", -(2**63)),
        ("time", 2**63 - 1),
        ("changeTime", -(2**63)),
        ("changeTime", 2**63 - 1),
        ("modificationTime", 2**63 - 1),
        ("modificationTime", 2**64),
        ("byteCount", -1),
        ("device", -1),
        ("inode", 2**64 - 1),
        ("files", []),
        ("hash", "00"),
        ("name", "../../../../etc/passwd"),
    ],
)
def test_changed_records(graft, convolution, kept, tmp_path, field, value):
    folder, answer = kept
    path = one(folder, "content")
    record = json.loads(path.read_text())
    target = record if field in record else record["files"][0]
    assert field in target
    target[field] = value
    path.write_text(json.dumps(record))
    assert run(graft, convolution, tmp_path / "again.npz") == answer
    assert graft("cache", "list").status == 0


FACTOR = 0x9E37_79B9_7F4A_7C15
MASK = 2**64 - 1


def fingerprint(data):
    """GraftTensor's Fingerprint of less than a mebibyte."""

    def step(state, word):
        product = (state ^ word) * FACTOR & MASK
        return (product << 29 | product >> 35) & MASK

    def mixed(state):
        for shift in (32, 29):
            state = (state ^ state >> shift) * FACTOR & MASK
        return state ^ state >> 32

    def hashed(data):
        lanes = [FACTOR * factor & MASK for factor in range(1, 16, 2)]
        whole = len(data) // 64 * 64
        for number, (word,) in enumerate(struct.iter_unpack("<Q", data[:whole])):
            lanes[number % 8] = step(lanes[number % 8], word)
        for byte in data[whole:]:
            lanes[0] = step(lanes[0], byte)
        state = len(data)
        for lane in lanes:
            state = mixed(step(state, lane))
        return state

    assert len(data) < 1 << 20
    return mixed(hashed(struct.pack("<Q", hashed(data))) ^ len(data))


def forge(path, change):
    """Changes the records of tensors that lie in a compiled model, and makes all fingerprints fit.

    `change` gets the element type, the shape and the place of a tensor, and returns others.
    """
    data = path.read_bytes()
    trailer = list(struct.unpack("<6Q", data[-48:]))
    start, count = trailer[2], trailer[3]
    index = data[start : start + count]
    assert trailer[4] == fingerprint(index) and trailer[5] == fingerprint(data[-48:-8])
    position = 0

    def number():
        nonlocal position
        position += 8
        return struct.unpack_from("<q", index, position - 8)[0]

    key_size = number()
    position += key_size
    for _ in range(number()):
        number()  # bytes of the model's files
    new, changed = [index[:position]], 0
    tensor_count = number()
    new.append(struct.pack("<q", tensor_count))
    for _ in range(tensor_count):
        begin = position
        element_type, shape = number(), [number() for _ in range(number())]
        place = index[position]
        position += 1
        assert place in (0, 1), "a tensor of strings"
        values = number(), number()
        if place == 0:
            new.append(index[begin:position])
            continue
        element_type, shape, offset = change(element_type, shape, values[0])
        changed += 1
        size = int(numpy.prod(shape)) * 4
        new.append(struct.pack(f"<{2 + len(shape)}q", element_type, len(shape), *shape) + b"\x01")
        new.append(struct.pack("<qQ", offset, fingerprint(data[offset : offset + size])))
    new = b"".join(new) + index[position:]
    assert changed
    trailer[3], trailer[4] = len(new), fingerprint(new)
    end = struct.pack("<5Q", *trailer[:5])
    path.write_bytes(data[:start] + new + end + struct.pack("<Q", fingerprint(end)))


@pytest.mark.parametrize(
    "change",
    [
        lambda kind, shape, offset: (kind, [1], offset),
        lambda kind, shape, offset: (kind, [0], offset),
        lambda kind, shape, offset: (kind, [1, 64], offset),
        # int32
        lambda kind, shape, offset: (6, [64], offset),
        lambda kind, shape, offset: (kind, [64], offset + 1),
    ],
    ids=["one element", "none", "rank", "type", "place"],
)
def test_forged_constants_are_made_anew(graft, convolution, kept, tmp_path, change):
    folder, answer = kept
    forge(one(folder, "model"), change)
    assert run(graft, convolution, tmp_path / "again.npz") == answer
    assert run(graft, convolution, tmp_path / "last.npz") == answer


def test_other_files_are_left_alone(graft, convolution, home, tmp_path):
    folder = home / "compiled"
    folder.mkdir()
    contents = {
        "thesis.pdf": b"%PDF" + bytes(4_000_000),
        "d41d8cd98f00b204e9800998ecf8427e.model": bytes(5000),
        "d41d8cd98f00b204e9800998ecf8427e.features": b"features",
        "network.model": b"mine",
        "1-2-3.content": b"table of contents",
        "page.content": b"{}",
        "model.tmp": b"draft",
        "model.1-2.txt": b"draft",
        ".hidden": b"",
    }
    for name, data in contents.items():
        (folder / name).write_bytes(data)
        os.utime(folder / name, (1, 1))
    (folder / "models").mkdir()
    (folder / "link.model").symlink_to("thesis.pdf")
    others = len(contents) + 2

    def check():
        left = {path.name for path in folder.iterdir()}
        assert left >= {*contents, "models", "link.model"}
        for name, data in contents.items():
            assert (folder / name).read_bytes() == data
        return left - {*contents, "models", "link.model"}

    for limit in ("3M", "1000"):
        run(graft, convolution, tmp_path / "y.npz", environment={"GRAFT_CACHE_LIMIT": limit})
        check()
    run(graft, convolution, tmp_path / "y.npz")
    assert len(check()) == 2
    # Left by a process that was stopped.
    (folder / "model.123-456.tmp").write_bytes(b"")
    listed = graft("cache", "list")
    assert listed.status == 0 and "thesis" not in listed.output
    assert f"{others} entries of" in listed.output
    cleared = graft("cache", "clear")
    assert cleared.status == 0 and "removed 3 files" in cleared.output
    assert f"{others} entries of" in cleared.output
    assert check() == set()


def test_an_empty_folder_has_no_other_files(graft):
    for command in ("list", "clear"):
        result = graft("cache", command)
        assert result.status == 0 and "left alone" not in result.output


@pytest.mark.parametrize(
    "make",
    [lambda path: path.write_text("mine"), os.mkfifo, lambda path: path.symlink_to("nowhere")],
    ids=["file", "pipe", "link"],
)
def test_what_is_no_folder_is_said_and_left_alone(graft, convolution, home, tmp_path, make):
    folder = home / "compiled"
    make(folder)
    before = folder.lstat()
    for words in [["run", *convolution], ["cache", "list"], ["cache", "clear"]]:
        result = graft(*words)
        assert result.status == 0, result.errors
        assert result.errors.count(f"{folder}: is not a folder; nothing is cached there") == 1
    after = folder.lstat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    # Whoever keeps nothing need not know.
    assert not graft("run", *convolution, "--no-cache").errors


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o722])
def test_a_folder_that_others_may_write_is_closed(graft, convolution, home, tmp_path, mode):
    folder = home / "compiled"
    folder.mkdir()
    folder.chmod(mode)
    errors = []
    for _ in range(2):
        result = graft("run", *convolution, "--output", tmp_path / "y.npz")
        assert result.status == 0, result.errors
        errors.append(result.errors)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.suffix for path in folder.iterdir()} == {".model", ".content"}
    # The change is said once.
    assert f"other users could write to {folder}; its mode is now 700" in errors[0]
    assert "mode is now 700" not in errors[1]


def test_a_folder_that_a_link_leads_to_keeps_its_mode(graft, convolution, home, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    (home / "compiled").symlink_to(shared)
    shared.chmod(0o775)
    result = graft("run", *convolution, "--output", tmp_path / "y.npz")
    assert result.status == 0, result.errors
    assert f"{home / 'compiled'}: is a link to a folder that others may write to" in result.errors
    assert result.errors.count("nothing is cached there") == 1
    assert stat.S_IMODE(shared.stat().st_mode) == 0o775 and list(shared.iterdir()) == []
    # Nobody else may write this one.
    shared.chmod(0o755)
    run(graft, convolution, tmp_path / "y.npz")
    assert {path.suffix for path in shared.iterdir()} == {".model", ".content"}


def test_a_folder_that_others_may_read_keeps_its_mode(graft, convolution, home, tmp_path):
    folder = home / "compiled"
    folder.mkdir()
    folder.chmod(0o755)
    run(graft, convolution, tmp_path / "y.npz")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755


def test_a_folder_of_another_user_that_others_may_write_is_not_used(
    graft, convolution, home, tmp_path
):
    if os.geteuid() != 0:
        pytest.skip("only root gives folders away")
    folder = home / "compiled"
    folder.mkdir()
    folder.chmod(0o777)
    os.chown(folder, 12345, 12345)
    result = graft("run", *convolution, "--output", tmp_path / "y.npz")
    assert result.status == 0, result.errors
    assert result.errors.count("nothing is cached there") == 1 and str(folder) in result.errors
    assert stat.S_IMODE(folder.stat().st_mode) == 0o777 and list(folder.iterdir()) == []


def test_a_tuning_record_that_is_not_used_is_named(graft, convolution, home):
    words = ["benchmark", convolution[0], "--runs", 1]
    assert graft(*words, "--tune").status == 0
    (record,) = (home / "tuning").iterdir()
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    assert stat.S_IMODE(record.parent.stat().st_mode) == 0o700
    assert "tuning record" not in graft(*words).errors
    # As an editor, or `cp` with umask 002, leaves it.
    record.chmod(0o664)
    result = graft(*words)
    assert result.status == 0 and result.errors.count("the tuning record is not used") == 1
    assert f"`chmod 600 {record}`" in result.errors
    # Commands that do not read it print nothing.
    for others in [[*words, "--no-cache"], ["models", "list"]]:
        result = graft(*others)
        assert result.status == 0 and "tuning record" not in result.errors
    # Measured again, it is the user's.
    assert graft(*words, "--tune").status == 0
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    assert "tuning record" not in graft(*words).errors


@pytest.mark.parametrize("change", [given_away, replaced_by_link, replaced_by_folder])
def test_a_tuning_record_that_a_mode_does_not_help(graft, convolution, home, change):
    words = ["benchmark", convolution[0], "--runs", 1]
    assert graft(*words, "--tune").status == 0
    (record,) = (home / "tuning").iterdir()
    change(record)
    result = graft(*words)
    assert result.status == 0 and result.errors.count("the tuning record is not used") == 1
    assert str(record) in result.errors and "chmod" not in result.errors


def test_a_tuning_record_that_cannot_be_written_is_said_before_anything_is_measured(
    graft, convolution, home
):
    words = ["benchmark", convolution[0], "--runs", 1, "--tune"]
    (home / "tuning").write_text("")
    result = graft(*words)
    assert result.status == 73 and "measuring" not in result.errors
    (home / "tuning").unlink()
    assert graft(*words).status == 0
    (record,) = (home / "tuning").iterdir()
    replaced_by_folder(record)
    result = graft(*words)
    assert result.status == 73 and "measuring" not in result.errors
    assert [path.name for path in record.parent.iterdir()] == [record.name]
