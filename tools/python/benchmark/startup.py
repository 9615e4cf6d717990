"""A whole process that classifies one image: time from start to end, and peak memory."""

import json
import os
import subprocess
import sys
import tempfile

from benchmark import machine, models
from benchmark.contenders import Unavailable, median

# Starts a program; prints its wall time and peak memory. A process begins with its parent's peak,
# so that a small one has to stand between.
STARTER = """
import json, os, subprocess, sys, time
start = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(json.dumps({"seconds": time.perf_counter() - start, "megabytes": usage.ru_maxrss / 1024}))
sys.exit(status != 0)
"""


def start(arguments, environment, processors):
    result = subprocess.run(
        [sys.executable, "-S", "-c", STARTER, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        preexec_fn=lambda: os.sched_setaffinity(0, processors),
    )
    if result.returncode != 0:
        reason = (result.stderr.strip().splitlines() or [""])[-1]
        raise Unavailable(f"{os.path.basename(arguments[0])} failed: {reason}")
    return json.loads(result.stdout)


def _medians(results):
    return {key: median([result[key] for result in results]) for key in results[0]}


def measure(setting):
    """First starts with an empty cache folder, then second ones in turns with onnxruntime."""
    model, processors = setting.vgg16(), machine.cores(2)
    with tempfile.TemporaryDirectory(dir=setting.folder) as folder:
        image = models.image(folder)
        own = [setting.graft, "infer", image, "--model", model]
        own += ["--preprocess", "keras-caffe", "--threads", str(len(processors))]
        script = os.path.join(os.path.dirname(__file__), "onnxruntime_infer.py")
        other = [sys.executable, script, image, model, str(len(processors))]
        with open(model, "rb") as file:  # into the page cache
            while file.read(1 << 24):
                pass
        firsts, seconds, others = [], [], []
        for index in range(min(3, setting.rounds)):
            home = os.path.join(folder, f"home-{index}")
            environment = {**os.environ, "GRAFT_HOME": home, "GRAFT_OFFLINE": "1"}
            firsts.append(start(own, environment, processors))
            os.sync()
        for _ in range(max(5, setting.rounds)):
            seconds.append(start(own, environment, processors))
            others.append(start(other, environment, processors))
    return {
        "graft": {"first": _medians(firsts), "second": _medians(seconds)},
        "onnxruntime": _medians(others),
        "starts": {"first": firsts, "second": seconds, "onnxruntime": others},
    }
