"""Fixtures of the tests that run the commands as people do.

The programs are those of `--graft` and `--infer` (by default the release build). Files that went
wrong once come from the folder that GRAFT_TEST_DATA names; tests that need it are skipped, with the
reason, where it is not set.
"""

import dataclasses
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def pytest_addoption(parser):
    parser.addoption("--graft", default=ROOT / ".build/release/graft", type=pathlib.Path)
    parser.addoption("--infer", default=ROOT / ".build/release/infer", type=pathlib.Path)


@dataclasses.dataclass
class Result:
    """How a command ended: its exit status (negative: that signal killed it) and its output."""

    status: int
    output: str
    errors: str


class Program:
    """A program with a cache folder of its own."""

    def __init__(self, path, home):
        self.path = path
        self.environment = {
            **os.environ,
            "GRAFT_HOME": str(home),
            "GRAFT_OFFLINE": "1",
        }

    def __call__(self, *arguments, environment=None, timeout=120, **options):
        """Runs the program; options go to subprocess.run (cwd, input, stdout, preexec_fn, …)."""
        options = {"stdin": subprocess.DEVNULL, **options}
        if "input" in options:
            del options["stdin"]
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        done = subprocess.run(
            [self.path, *[a if isinstance(a, bytes) else str(a) for a in arguments]],
            env={**self.environment, **(environment or {})},
            timeout=timeout,
            **options,
        )

        def text(data):
            return (data or b"").decode(errors="replace")

        return Result(done.returncode, text(done.stdout), text(done.stderr))


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "graft-home"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def program(request):
    """Makes the program of a name with a cache folder of its own."""
    return lambda name, home: Program(request.config.getoption(f"--{name}"), home)


@pytest.fixture
def graft(program, home):
    return program("graft", home)


@pytest.fixture
def infer(program, home):
    return program("infer", home)


@pytest.fixture
def convolution(tmp_path):
    """A model with weights that are kept packed, and the arguments that run it."""
    import numpy
    import onnx
    import onnx.parser

    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 13]> '
        "g (float[1, 256, 4, 4] x) => (float[1, 256, 4, 4] y) "
        "{ y = Conv<pads = [1, 1, 1, 1]>(x, w) }"
    )
    weights = numpy.random.default_rng(1).standard_normal((256, 256, 3, 3)).astype(numpy.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weights, "w"))
    onnx.save(model, tmp_path / "convolution.onnx")
    numpy.save(tmp_path / "convolution.npy", numpy.ones((1, 256, 4, 4), numpy.float32))
    return [tmp_path / "convolution.onnx", "--input", tmp_path / "convolution.npy"]


@pytest.fixture(scope="session")
def data():
    """The folder of real models and images."""
    folder = os.environ.get("GRAFT_TEST_DATA")
    if not folder:
        pytest.skip("GRAFT_TEST_DATA is not set")
    return pathlib.Path(folder)


@pytest.fixture(scope="session")
def faults(data):
    """The folder of small inputs that once failed, each with a NOTE of the right result."""
    folder = data / "faults"
    if not folder.is_dir():
        pytest.skip("the folder of GRAFT_TEST_DATA has no faults/")
    return folder
