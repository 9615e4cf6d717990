"""A file that becomes shorter while a command has it mapped ends the command with a message."""

import os
import signal
import subprocess
import time

import numpy
import onnx
import onnx.parser
import pytest


@pytest.fixture
def product(tmp_path):
    """A model whose weights are read where they lie in its file."""
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 13]> g (float[1, 1024] x) => (float[1, 4096] y) '
        "{ y = MatMul(x, w) }"
    )
    # Smaller weights are packed, in memory of their own.
    weights = numpy.ones((1024, 4096), numpy.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weights, "w"))
    onnx.save(model, tmp_path / "product.onnx")
    return tmp_path / "product.onnx"


def wait_for_work(process, seconds, deadline):
    """Until the process has computed for so long."""

    def ticks():
        with open(f"/proc/{process.pid}/stat") as file:
            return int(file.read().rpartition(")")[2].split()[11])

    start = ticks()
    while ticks() < start + os.sysconf("SC_CLK_TCK") * seconds:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)


def started(graft, arguments, mapped):
    """A benchmark that does not end by itself, and runs the model already."""
    process = subprocess.Popen(
        [graft.path, "benchmark", *arguments, "--runs", str(10**9), "--threads", "2"],
        # Swift's own report of a crash is slow.
        env={**graft.environment, "SWIFT_BACKTRACE": "enable=no"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    try:
        while str(mapped) not in open(f"/proc/{process.pid}/maps").read():
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.01)
        # Half a second of work is more than reading a small model takes.
        wait_for_work(process, 0.5, deadline)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return process


def ended(process):
    try:
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, errors.decode()


def test_a_model_becomes_shorter(graft, product):
    process = started(graft, [product, "--no-cache"], product)
    os.truncate(product, 1000)
    status, errors = ended(process)
    assert status == 74, (status, errors)
    assert errors.startswith("error: a file in use was shortened")
    assert errors.count("\n") == 1


def test_a_compiled_model_becomes_shorter(graft, convolution, home):
    model = convolution[0]
    assert graft("run", *convolution).status == 0
    (compiled,) = (home / "compiled").glob("*.model")
    process = started(graft, [model], compiled)
    os.truncate(compiled, 0)
    status, errors = ended(process)
    assert status == 74 and "a file in use was shortened" in errors, (status, errors)
    # The next start makes it again.
    assert graft("run", *convolution).status == 0
    (compiled,) = (home / "compiled").glob("*.model")
    assert compiled.stat().st_size > 0


def test_a_replaced_model_is_no_shorter_one(graft, product, tmp_path):
    """The process goes on with the old file, until that becomes shorter, which has no name any
    more.
    """
    process = started(graft, [product, "--no-cache"], product)
    try:
        with open(product, "r+b") as old:
            (tmp_path / "new").write_bytes(b"")
            os.rename(tmp_path / "new", product)
            wait_for_work(process, 0.2, time.monotonic() + 60)
            old.truncate(1000)
        status, errors = process.wait(timeout=60), process.stderr.read().decode()
    finally:
        process.kill()
        process.communicate()
    assert status == 74 and "a file in use was shortened" in errors, (status, errors)


def test_the_signal_from_elsewhere_does_what_it_did(graft, product):
    process = started(graft, [product, "--no-cache"], product)
    process.send_signal(signal.SIGBUS)
    status, errors = ended(process)
    assert status == -signal.SIGBUS and errors == "", (status, errors)
