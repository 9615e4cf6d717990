"""Times a model in Graft and onnxruntime in turns, in one run, and prints both medians and their ratio.

Usage: compare_onnxruntime.py GRAFT MODEL.onnx [THREADS]
"""

import json
import subprocess
import sys
import time

import numpy as np
import onnxruntime

graft, model = sys.argv[1:3]
threads = int(sys.argv[3]) if len(sys.argv) > 3 else 2
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = threads
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
info = session.get_inputs()[0]
shape = [extent if isinstance(extent, int) else 1 for extent in info.shape]
value = {info.name: np.random.default_rng(0).standard_normal(shape).astype(np.float32)}
for _ in range(3):
    session.run(None, value)
peer, own = [], []
for _ in range(4):
    for _ in range(8):
        start = time.perf_counter()
        session.run(None, value)
        peer.append((time.perf_counter() - start) * 1e3)
    command = [graft, "benchmark", model, "--runs", "8", "--threads", str(threads), "--json"]
    own.append(json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["p50_ms"])
print(f"graft {np.median(own):.1f} ms, onnxruntime {np.median(peer):.1f} ms, "
      f"ratio {np.median(own) / np.median(peer):.3f}")
