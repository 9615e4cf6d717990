"""A measured program: a peer in its own process, or `graft benchmark`.

A contender computes `turn(warmup, runs)`: the median of the runs in ms. `spent` is the processor
time that it has taken so far, so that one can tell whether anything else was at work.
"""

import json
import multiprocessing
import os
import resource
import subprocess
import tempfile
import time

import numpy as np

from benchmark import machine, models
from benchmark.peers import PEERS


class Unavailable(Exception):
    """A contender cannot be measured; the message is the reason."""


def median(values):
    """The lower median, like `graft benchmark`."""
    return sorted(values)[(len(values) + 1) // 2 - 1]


def _serve(connection, name, arguments, processors, log):
    """A peer's process: answers requests for turns until the other end closes."""
    with open(log, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.sched_setaffinity(0, processors)
    os.environ["OMP_NUM_THREADS"] = str(len(processors))
    try:
        peer = PEERS[name][0](*arguments)
        peer.run()
        connection.send(np.asarray(peer.output).reshape(-1))
    except Exception as error:
        connection.send(f"{type(error).__name__}: {error}".splitlines()[0])
        return
    while True:
        try:
            warmup, runs = connection.recv()
        except EOFError:
            return
        times = []
        for index in range(warmup + runs):
            start = time.perf_counter()
            peer.run()
            if index >= warmup:
                times.append((time.perf_counter() - start) * 1e3)
        connection.send(times)


class Peer:
    """Another runtime."""

    def __init__(self, name, model, batch=1, threads=2, precision="f32"):
        self.name, self.label = name, name
        self.threads, self.arguments = threads, None
        self.model, self.batch, self.precision = model, batch, precision

    def start(self, missing):
        """Starts the process; returns its answer to the common input."""
        package = PEERS[self.name][1]
        if package in missing:
            raise Unavailable(f"not installed: {missing[package]}")
        shape = models.input_of(self.model, self.batch)[1]
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        with tempfile.NamedTemporaryFile() as log:
            self.process = context.Process(
                target=_serve,
                args=(
                    other, self.name, (self.model, shape, self.threads, self.precision),
                    machine.cores(self.threads), log.name,
                ),
                daemon=True,
            )  # fmt: skip
            self.process.start()
            other.close()
            answer = self._receive()
        if isinstance(answer, str):
            raise Unavailable(answer)
        return answer

    def _receive(self):
        try:
            return self.connection.recv()
        except EOFError:
            self.process.join()
            raise Unavailable(f"its process ended with status {self.process.exitcode}") from None

    def turn(self, warmup, runs):
        self.connection.send((warmup, runs))
        return median(self._receive())

    @property
    def spent(self):
        return machine.process_seconds(self.process.pid)

    def stop(self):
        self.connection.close()
        self.process.join(10)
        self.process.kill()


class Graft:
    """Graft, started again for every turn."""

    name = "Graft"

    def __init__(self, program, model, batch=1, threads=2, isa="", arguments=(), label="Graft"):
        self.program, self.model, self.batch, self.threads = program, model, batch, threads
        self.arguments, self.label = list(arguments), label
        self.environment = {**os.environ, "GRAFT_OFFLINE": "1"}
        self.environment |= {"GRAFT_ISA": isa} if isa else {}

    def _graft(self, command, *arguments):
        processors = machine.cores(self.threads)
        result = subprocess.run(
            [self.program, command, self.model, "--threads", str(self.threads), *arguments]
            + self.arguments,
            capture_output=True,
            text=True,
            env=self.environment,
            preexec_fn=lambda: os.sched_setaffinity(0, processors),
        )
        if result.returncode != 0:
            message = (result.stderr.strip().splitlines() or [""])[-1]
            raise Unavailable(f"graft {command} exited with {result.returncode}: {message}")
        return result.stdout

    def start(self, missing):
        name, shape = models.input_of(self.model, self.batch)
        with tempfile.TemporaryDirectory() as folder:
            source, target = (os.path.join(folder, file) for file in ("x.npy", "y.npz"))
            np.save(source, models.random_input(shape))
            self._graft("run", "--input", f"{name}={source}", "--output", target)
            with np.load(target) as outputs:
                return outputs[outputs.files[0]].reshape(-1)

    def turn(self, warmup, runs):
        batch = ["--batch", str(self.batch)] if self.batch > 1 else []
        counts = ["--warmup", str(warmup), "--runs", str(runs)]
        return json.loads(self._graft("benchmark", *batch, *counts, "--json"))["p50_ms"]

    @property
    def spent(self):
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    def stop(self):
        pass
