"""A minimal program to classify an image: onnxruntime_infer.py IMAGE MODEL THREADS"""

import sys

import numpy as np
import onnxruntime
from PIL import Image

image, model, threads = sys.argv[1:4]
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(threads)
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
pixels = np.asarray(Image.open(image).convert("RGB").resize((224, 224), Image.NEAREST))
values = pixels[..., ::-1].astype(np.float32) - np.float32([103.939, 116.779, 123.68])
values = np.ascontiguousarray(values.transpose(2, 0, 1)[None])
(probabilities,) = session.run(None, {session.get_inputs()[0].name: values})
for index in np.argsort(-probabilities[0])[:5]:
    print(index, probabilities[0][index])
