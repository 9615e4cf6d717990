"""graft convert: preserved metadata, formats, and that a model is never lost."""

import re
import shutil
import signal
import subprocess

import numpy
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper


def opset_of(path):
    return next(
        e.version for e in onnx.load(path, load_external_data=False).opset_import if not e.domain
    )


def test_denotations_survive(graft, faults, tmp_path):
    for arguments in [(), ("--opset", 17), ("--external-data",)]:
        result = graft(
            "convert",
            faults / "convert-drops-denotations/model.onnx",
            tmp_path / "out.onnx",
            *arguments,
        )
        assert result.status == 0, result.errors
        written = onnx.load(tmp_path / "out.onnx").graph
        (value,) = written.input
        assert value.type.denotation == "IMAGE"
        assert [d.denotation for d in value.type.tensor_type.shape.dim] == [
            "DATA_BATCH", "DATA_CHANNEL", "DATA_FEATURE", "DATA_FEATURE"]  # fmt: skip
        assert not value.metadata_props


def test_denotations_of_outputs_survive(graft, tmp_path):
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 13]> '
        "g (float[N, 3] x) => (float[N, 3] y) { y = Relu(x) }"
    )
    model.graph.output[0].type.denotation = "TENSOR"
    model.graph.output[0].type.tensor_type.shape.dim[1].denotation = "DATA_CHANNEL"
    onnx.save(model, tmp_path / "in.onnx")
    assert graft("convert", tmp_path / "in.onnx", tmp_path / "out.onnx").status == 0
    (value,) = onnx.load(tmp_path / "out.onnx").graph.output
    assert value.type == model.graph.output[0].type


def test_declared_output_shapes_survive(graft, faults, tmp_path):
    source = faults / "output-shape-dropped/model.onnx"
    assert graft("convert", source, tmp_path / "out.onnx").status == 0
    assert onnx.load(tmp_path / "out.onnx").graph.output == onnx.load(source).graph.output


def test_the_opset_of_the_fault(graft, faults, tmp_path):
    source = faults / "convert-opset/model.onnx"
    for arguments in [(), ("--opset", 7)]:
        result = graft("convert", source, tmp_path / "out.onnx", *arguments)
        assert result.status == 0, result.errors
        assert opset_of(tmp_path / "out.onnx") == 7


def test_unknown_operators_keep_the_opset(graft, faults, tmp_path):
    model = onnx.load(faults / "unknown-operator-converted.onnx")
    for node in model.graph.node:
        node.op_type = node.op_type.replace("ImageScaler", "Mystery")
    onnx.save(model, tmp_path / "in.onnx")
    result = graft("convert", tmp_path / "in.onnx", tmp_path / "out.onnx")
    assert result.status == 0, result.errors
    assert "keeps opset 7" in result.errors and "Mystery" in result.errors
    assert opset_of(tmp_path / "out.onnx") == 7
    pad = onnx.load(tmp_path / "out.onnx").graph.node[-1]
    assert (
        pad.op_type == "Pad"
        and len(pad.input) == 1
        and {a.name for a in pad.attribute} == {"mode", "pads"}
    )


@pytest.mark.parametrize(
    "name",
    ["x.tflite", "y.keras", "z", "model.pb", "m.pt", "m.onnx.txt", "m.ort", ".onnx/m", "m.h5.gz"],
)
def test_other_formats_are_not_written(graft, faults, tmp_path, name):
    (tmp_path / ".onnx").mkdir()
    result = graft("convert", faults / "convert-opset/model.onnx", tmp_path / name)
    assert result.status == 64
    assert "must end in .onnx" in result.errors
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("name", ["x.onnx", "X.ONNX"])
def test_the_extension_says_onnx(graft, faults, tmp_path, name):
    result = graft("convert", faults / "convert-opset/model.onnx", tmp_path / name)
    assert result.status == 0 and f"wrote {tmp_path / name} (" in result.errors
    onnx.checker.check_model(onnx.load(tmp_path / name))


# MARK: External data


def external_model(seed, count=4096):
    weight = numpy.random.default_rng(seed).standard_normal((count // 64, 64), numpy.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, count // 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 64])],
        [numpy_helper.from_array(weight, "w")])  # fmt: skip
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8
    ), weight


def location(path):
    (tensor,) = onnx.load(path, load_external_data=False).graph.initializer
    return {e.key: e.value for e in tensor.external_data}["location"]


def weights_of(path):
    return numpy_helper.to_array(onnx.load(path).graph.initializer[0])


def test_external_data_is_named_after_its_content(graft, tmp_path):
    for seed in (1, 2):
        onnx.save(external_model(seed)[0], tmp_path / f"in{seed}.onnx")
    out = tmp_path / "out.onnx"
    names = []
    for seed in (1, 2, 2, 1):
        assert graft("convert", tmp_path / f"in{seed}.onnx", out, "--external-data").status == 0
        names.append(location(out))
        assert re.fullmatch(r"out\.onnx-[0-9a-f]{16}\.data", names[-1])
        assert numpy.array_equal(weights_of(out), external_model(seed)[1])
        # The weights of the model before are gone.
        assert sorted(p.name for p in tmp_path.glob("out*")) == ["out.onnx", names[-1]]
    assert names[0] == names[3] != names[1] == names[2]
    # Converted back, the model includes its weights again.
    assert graft("convert", out, out).status == 0
    assert [p.name for p in tmp_path.glob("out*")] == ["out.onnx"]
    assert numpy.array_equal(weights_of(out), external_model(1)[1])


def test_both_files_are_named_with_their_sizes(graft, tmp_path):
    onnx.save(external_model(1)[0], tmp_path / "in.onnx")
    for folder in ["", f"{tmp_path}/"]:
        result = graft("convert", "in.onnx", f"{folder}out.onnx", "--external-data", cwd=tmp_path)
        assert result.status == 0
        data = location(tmp_path / "out.onnx")
        [sizes] = re.findall(
            f"wrote {re.escape(folder)}out.onnx \\((.*?)\\) "
            f"and {re.escape(folder + data)} \\((.*?)\\)\n",
            result.errors,
        )
        # 4,096 numbers of 4 bytes.
        assert sizes[1] == "16.4 KB" and sizes[0].endswith(" B")
    result = graft("convert", "in.onnx", "out.onnx", cwd=tmp_path)
    assert re.search(r"wrote out.onnx \(16\.. KB\)\n", result.errors)


def test_weights_of_others_stay(graft, tmp_path):
    onnx.save(external_model(1)[0], tmp_path / "in1.onnx")
    onnx.save(external_model(2)[0], tmp_path / "in2.onnx")
    out = tmp_path / "out.onnx"
    assert graft("convert", tmp_path / "in1.onnx", out, "--external-data").status == 0
    first = location(out)
    shutil.copy(out, tmp_path / "copy.onnx")
    strange = tmp_path / "out.onnx-0123456789abcdef.data"
    strange.write_bytes(b"not ours")
    assert graft("convert", tmp_path / "in2.onnx", out, "--external-data").status == 0
    # A copy refers to the old weights; the other file was never the model's.
    assert (tmp_path / first).exists() and strange.exists()
    assert numpy.array_equal(weights_of(tmp_path / "copy.onnx"), external_model(1)[1])
    # Files that other programs named stay as well.
    onnx.save(
        external_model(3)[0],
        tmp_path / "torch.onnx",
        save_as_external_data=True,
        location="torch.onnx.data",
        size_threshold=0,
    )
    assert (
        graft("convert", tmp_path / "torch.onnx", tmp_path / "torch.onnx", "--external-data").status
        == 0
    )
    assert (tmp_path / "torch.onnx.data").exists()
    assert numpy.array_equal(weights_of(tmp_path / "torch.onnx"), external_model(3)[1])


SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static int calls;
static void step(void) {
  const char *limit = getenv("KILL_AT");
  if (limit && ++calls == atoi(limit)) kill(getpid(), SIGKILL);
}
int rename(const char *from, const char *to) {
  step();
  return ((int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename"))(from, to);
}
int fsync(int descriptor) {
  step();
  return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(descriptor);
}
int unlink(const char *path) {
  step();
  return ((int (*)(const char *))dlsym(RTLD_NEXT, "unlink"))(path);
}
"""


@pytest.fixture(scope="session")
def shim(tmp_path_factory):
    """A library that kills its process before the n-th change of the folder."""
    compiler = shutil.which("cc") or shutil.which("clang")
    if not compiler:
        pytest.skip("there is no C compiler")
    folder = tmp_path_factory.mktemp("shim")
    (folder / "shim.c").write_text(SHIM)
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", folder / "shim.so", folder / "shim.c", "-ldl"],
        check=True,
    )
    return folder / "shim.so"


@pytest.mark.parametrize("where", ["in place", "over an older pair"])
def test_killed_at_any_moment_the_model_is_the_old_or_the_new(graft, tmp_path, shim, where):
    new = external_model(2)
    onnx.save(external_model(1)[0], tmp_path / "old.onnx")
    onnx.save(new[0], tmp_path / "new.onnx")
    feed = numpy.ones((1, 64), numpy.float32)
    numpy.save(tmp_path / "x.npy", feed)
    seen = set()
    for moment in range(1, 40):
        folder = tmp_path / f"{moment}"
        folder.mkdir()
        out = folder / "model.onnx"
        if where == "in place":
            # Another layout of the data: one more weight in front.
            old = external_model(1)
            old[0].graph.initializer.insert(
                0, numpy_helper.from_array(numpy.zeros(999, numpy.float32), "unused")
            )
            onnx.save(
                old[0],
                out,
                save_as_external_data=True,
                location="model.onnx.data",
                size_threshold=0,
            )
            expected = {old[1].sum(axis=0).tobytes()}
            source = out
        else:
            assert graft("convert", tmp_path / "old.onnx", out, "--external-data").status == 0
            expected = {external_model(1)[1].sum(axis=0).tobytes(), new[1].sum(axis=0).tobytes()}
            source = tmp_path / "new.onnx"
        environment = {"LD_PRELOAD": str(shim), "KILL_AT": str(moment)}
        result = graft("convert", source, out, "--external-data", environment=environment)
        # Whoever reads now sees a whole model.
        answer = graft(
            "run",
            out,
            "--input",
            f"x={tmp_path}/x.npy",
            "--output",
            tmp_path / "y.npz",
            "--no-cache",
        )
        assert answer.status == 0, f"before change {moment}: {answer.errors}"
        with numpy.load(tmp_path / "y.npz") as outputs:
            value = outputs["y"]
        right = [
            v
            for v in expected
            if numpy.allclose(value, numpy.frombuffer(v, numpy.float32), atol=1e-4)
        ]
        assert right, f"before change {moment}: neither the old model nor the new"
        seen.update(right)
        if result.status == 0:
            break
        assert result.status == -signal.SIGKILL
    else:
        pytest.fail("it never finished")
    # Two files synced and named, at least.
    assert moment > 4
    assert seen == expected


@pytest.mark.parametrize("name", ["out.bak", "out.onnx.orig", "older"])
def test_weights_that_a_copy_of_any_name_needs_stay(graft, tmp_path, name):
    for seed in (1, 2):
        onnx.save(external_model(seed)[0], tmp_path / f"in{seed}.onnx")
    out, copy = tmp_path / "out.onnx", tmp_path / name
    assert graft("convert", tmp_path / "in1.onnx", out, "--external-data").status == 0
    shutil.copy(out, copy)
    assert graft("convert", tmp_path / "in2.onnx", out, "--external-data").status == 0
    assert numpy.array_equal(weights_of(copy), external_model(1)[1])
    # Nothing but the new weights stays once the copy is gone.
    second = location(out)
    copy.replace(out)
    assert graft("convert", tmp_path / "in2.onnx", out, "--external-data").status == 0
    assert [path.name for path in tmp_path.glob("out.onnx-*")] == [second]


def test_a_reader_beside_a_writer_sees_whole_models(graft, tmp_path):
    for seed in (1, 2):
        onnx.save(external_model(seed)[0], tmp_path / f"in{seed}.onnx")
    out = tmp_path / "model.onnx"
    assert graft("convert", tmp_path / "in1.onnx", out, "--external-data").status == 0
    program = str(graft.path.resolve())
    loop = (
        "for i in 1 2 3 4 5 6; do for s in 1 2; do "
        f'"{program}" convert in$s.onnx model.onnx --external-data; done; done'
    )
    writer = subprocess.Popen(["bash", "-c", loop], cwd=tmp_path, env=graft.environment)
    while writer.poll() is None:
        result = graft("convert", out, tmp_path / "read.onnx")
        assert result.status == 0, result.errors
        assert any(
            numpy.array_equal(weights_of(tmp_path / "read.onnx"), external_model(s)[1])
            for s in (1, 2)
        )
    assert writer.returncode == 0
    assert len(list(tmp_path.glob("model.onnx-*.data"))) == 1


def test_a_failed_write_leaves_the_old_model(graft, tmp_path):
    onnx.save(external_model(1)[0], tmp_path / "in1.onnx")
    onnx.save(external_model(2, count=1 << 20)[0], tmp_path / "in2.onnx")
    out = tmp_path / "model.onnx"
    assert graft("convert", tmp_path / "in1.onnx", out, "--external-data").status == 0
    before = {p.name: p.read_bytes() for p in tmp_path.glob("model.onnx*")}
    import resource

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    result = graft("convert", tmp_path / "in2.onnx", out, "--external-data", preexec_fn=limit)
    assert result.status == 74, result.errors
    assert {p.name: p.read_bytes() for p in tmp_path.glob("model.onnx*")} == before
