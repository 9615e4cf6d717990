"""External data through links: what lies in the model's folder is read, what leads elsewhere is
not.
"""

import os

import numpy
import pytest
from onnx import TensorProto, helper


def save(path, location):
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2])
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value=location)
    vector = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [2]) for n in ("x", "y")]
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])], "g", [vector[0]], [vector[1]], [weights]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(model.SerializeToString())


@pytest.fixture
def folder(tmp_path):
    """A model's folder, with a folder and a file within, and the same beside it."""
    folder = tmp_path / "model"
    for place in (folder / "inner", tmp_path / "outside"):
        place.mkdir(parents=True)
        numpy.array([1, 2], numpy.float32).tofile(place / "w.bin")
    numpy.array([1, 2], numpy.float32).tofile(folder / "w.bin")
    numpy.save(tmp_path / "x.npy", numpy.array([10, 20], numpy.float32))
    return folder


def run(graft, model):
    root = model.parent
    while not (root / "x.npy").exists():
        root = root.parent
    result = graft("run", model, "--input", f"x={root / 'x.npy'}", "--output", root / "out.npz")
    if result.status == 0:
        with numpy.load(root / "out.npz") as outputs:
            numpy.testing.assert_array_equal(outputs["y"], [11, 22])
    return result


def test_the_folder_that_went_wrong(graft, faults, tmp_path):
    folder = faults / "huggingface-cache-layout"
    # Copies of such folders may hold the texts of the links instead.
    snapshot = tmp_path / "snapshots" / "rev" / "onnx"
    snapshot.mkdir(parents=True)
    (tmp_path / "blobs").mkdir()
    for name in ("aaa", "bbb"):
        (tmp_path / "blobs" / name).write_bytes((folder / "blobs" / name).read_bytes())
    for name in ("model.onnx", "model.onnx_data"):
        source = folder / "snapshots" / "rev" / "onnx" / name
        target = os.readlink(source) if source.is_symlink() else source.read_text().strip()
        (snapshot / name).symlink_to(target)
    arguments = []
    with numpy.load(folder / "input.npz") as inputs:
        for name in inputs.files:
            numpy.save(tmp_path / f"{name}.npy", inputs[name])
            arguments += ["--input", f"{name}={tmp_path / name}.npy"]
    model = snapshot / "model.onnx"
    # The second run finds the model in the cache.
    for _ in range(2):
        result = graft("run", model, *arguments, "--output", tmp_path / "out.npz")
        assert result.status == 0, result.errors
        with (
            numpy.load(tmp_path / "out.npz") as outputs,
            numpy.load(folder / "expected.npz") as expected,
        ):
            for name in expected.files:
                numpy.testing.assert_array_equal(outputs[name], expected[name])


@pytest.mark.parametrize(
    "location, links",
    [
        ("w.bin", {}),
        ("inner/../w.bin", {}),
        ("./inner/./w.bin", {}),
        ("link.bin", {"link.bin": "w.bin"}),
        ("link.bin", {"link.bin": "inner/w.bin"}),
        ("link.bin", {"link.bin": "second.bin", "second.bin": "inner/../w.bin"}),
        ("link.bin", {"link.bin": "../model/w.bin"}),
        ("link.bin", {"link.bin": "{folder}/w.bin"}),
        ("linked/w.bin", {"linked": "inner"}),
        ("linked/../w.bin", {"linked": "inner"}),
        ("inner/up/w.bin", {"inner/up": ".."}),
    ],
)
def test_what_stays_in_the_folder_is_read(graft, folder, location, links):
    for name, target in links.items():
        (folder / name).symlink_to(target.format(folder=folder))
    save(folder / "model.onnx", location)
    result = run(graft, folder / "model.onnx")
    assert result.status == 0, result.errors


@pytest.mark.parametrize(
    "location, links",
    [
        ("../outside/w.bin", {}),
        ("inner/../../outside/w.bin", {}),
        ("{folder}/w.bin", {}),
        ("link.bin", {"link.bin": "../outside/w.bin"}),
        ("link.bin", {"link.bin": "{folder}/../outside/w.bin"}),
        ("link.bin", {"link.bin": "/dev/zero"}),
        ("linked/w.bin", {"linked": "../outside"}),
        ("linked/../outside/w.bin", {"linked": "../outside"}),
        ("link.bin", {"link.bin": "link.bin"}),
        ("link.bin", {"link.bin": "second.bin", "second.bin": "../outside/w.bin"}),
    ],
)
def test_what_leads_elsewhere_is_refused(graft, folder, location, links):
    for name, target in links.items():
        (folder / name).symlink_to(target.format(folder=folder))
    save(folder / "model.onnx", location.format(folder=folder))
    result = run(graft, folder / "model.onnx")
    assert result.status == 65, result.errors
    assert "external data" in result.errors


def test_pipes_and_folders_are_no_data(graft, folder):
    os.mkfifo(folder / "pipe")
    (folder / "link.bin").symlink_to("pipe")
    for location in ("pipe", "link.bin", "inner"):
        save(folder / "model.onnx", location)
        result = run(graft, folder / "model.onnx")
        assert result.status == 66, result.errors
        assert "is not a regular file" in result.errors


def test_a_missing_file_and_a_link_to_nothing(graft, folder):
    (folder / "link.bin").symlink_to("nothing")
    for location in ("absent.bin", "link.bin", "absent/w.bin"):
        save(folder / "model.onnx", location)
        assert run(graft, folder / "model.onnx").status == 66


@pytest.mark.parametrize(
    "target", ["../../outside/w.bin", "../../other/blobs/w", "../../blobs/sub/w"]
)
def test_the_cache_of_hugging_face_opens_its_own_blobs_only(graft, tmp_path, folder, target):
    snapshot = tmp_path / "snapshots" / "rev"
    snapshot.mkdir(parents=True)
    for place in ("blobs/sub", "other/blobs"):
        (tmp_path / place).mkdir(parents=True)
        numpy.array([1, 2], numpy.float32).tofile(tmp_path / place / "w")
    numpy.array([1, 2], numpy.float32).tofile(tmp_path / "blobs" / "w")
    save(snapshot / "model.onnx", "data")
    (snapshot / "data").symlink_to("../../blobs/w")
    assert run(graft, snapshot / "model.onnx").status == 0
    (snapshot / "data").unlink()
    (snapshot / "data").symlink_to(target)
    assert run(graft, snapshot / "model.onnx").status == 65
