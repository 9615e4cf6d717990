"""Writes the results of torchvision and Pillow for the tests of GraftTraining.

    python Tests/Fixtures/augmentation_fixtures.py

Needs torchvision with Pillow 13. Images are uint8 [height, width, channels].

    augmentations.npz
        image.NAME          the images to start from
        OPERATION|MAGNITUDE|NAME    what autoaugment._apply_op makes of an image
        rotate|DEGREES|NAME, zoom|SCALE|NAME, flip|AXIS|NAME,
        pad|MODE,PADDING,LEFT,TOP|NAME      what torchvision's functions make of it
        mixup|SHARE|A,B       round(share * A + (1 - share) * B)
        policy                AutoAugment's policy for CIFAR-10, as JSON text
        space.auto, space.rand      magnitudes of the operations by level, as JSON text
"""

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

# torchvision of PyPI has its operators for CUDA only, and cannot be imported without them.
library = torch.library.Library("torchvision", "DEF")
for name in ["nms", "qnms"]:
    library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from torchvision.transforms import InterpolationMode, autoaugment  # noqa: E402
from torchvision.transforms import functional as F  # noqa: E402

TARGET = Path(__file__).parents[2] / "Tests/GraftTrainingTests/Fixtures/augmentations.npz"


def images():
    """Ramps with noise and an edge, of odd extents; dark and flat ones; grey."""
    generator = np.random.default_rng(4)
    y, x = np.mgrid[0:19, 0:26]
    ramps = np.stack([x * 9, y * 13, (x + y) * 7 % 256], -1) + generator.normal(0, 12, (19, 26, 3))
    ramps[5:9, 6:12] = (250, 3, 128)
    square = generator.integers(0, 256, (20, 20, 3))
    dark = 40 + generator.integers(0, 50, (16, 16, 3))
    flat = np.full((8, 8, 3), (90, 0, 255))
    grey = (x * 5 + y * 6)[..., None]
    named = dict(ramps=ramps, square=square, dark=dark, flat=flat, grey=grey)
    return {key: np.clip(value, 0, 255).astype(np.uint8) for key, value in named.items()}


def image(pixels):
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def array(image):
    pixels = np.asarray(image)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def text(value):
    return np.frombuffer(json.dumps(value).encode(), np.uint8)


def space(policy, levels):
    return {
        name: ([float(value) for value in magnitudes] if magnitudes.ndim else [0.0], signed)
        for name, (magnitudes, signed) in policy._augmentation_space(levels, (32, 26)).items()
    }


MAGNITUDES = {
    "ShearX": [0.1, -0.3],
    "ShearY": [0.23, -0.3],
    "TranslateX": [3.7, -9.1],
    "TranslateY": [5.2, -8.0],
    "Rotate": [13.3, -30.0],
    "Brightness": [0.3, -0.9],
    "Color": [0.5, -0.9],
    "Contrast": [0.9, -0.6],
    "Sharpness": [0.9, -0.7],
    "Posterize": [4, 8],
    "Solarize": [255.0, 113.33, 0.0],
    "AutoContrast": [0.0],
    "Equalize": [0.0],
    "Invert": [0.0],
    "Identity": [0.0],
}

arrays = {}
sources = images()
for name, pixels in sources.items():
    arrays[f"image.{name}"] = pixels
    source = image(pixels)
    for operation, magnitudes in MAGNITUDES.items():
        for magnitude in magnitudes:
            result = autoaugment._apply_op(
                source, operation, magnitude, InterpolationMode.NEAREST, None
            )
            arrays[f"{operation}|{magnitude}|{name}"] = array(result)
    for degrees in [11.25, -90.0, 143.0]:
        result = F.rotate(source, degrees, InterpolationMode.BILINEAR)
        arrays[f"rotate|{degrees}|{name}"] = array(result)
    for scale in [0.8, 1.37]:
        result = F.affine(source, 0, [0, 0], scale, [0, 0], InterpolationMode.BILINEAR)
        arrays[f"zoom|{scale}|{name}"] = array(result)
    arrays[f"flip|horizontal|{name}"] = array(F.hflip(source))
    arrays[f"flip|vertical|{name}"] = array(F.vflip(source))
    height, width, _ = pixels.shape
    for mode, padding, left, top in [
        ("constant", 4, 0, 8),
        ("constant", 40, 3, 70),
        ("reflect", 4, 1, 5),
        ("reflect", 7, 14, 0),
    ]:
        padded = F.pad(source, [padding], fill=0, padding_mode=mode)
        result = F.crop(padded, top, left, height, width)
        arrays[f"pad|{mode},{padding},{left},{top}|{name}"] = array(result)

first, second = sources["square"], np.flip(sources["square"], 0)
for share in [0.0, 0.31, 1.0]:
    mixed = np.floor(first * share + second * (1 - share) + 0.5)
    arrays[f"mixup|{share}|square"] = mixed.astype(np.uint8)

automatic = autoaugment.AutoAugment(autoaugment.AutoAugmentPolicy.CIFAR10)
arrays["policy"] = text([[list(step) for step in policy] for policy in automatic.policies])
arrays["space.auto"] = text(space(automatic, 10))
arrays["space.rand"] = text(space(autoaugment.RandAugment(), 31))
np.savez_compressed(TARGET, **arrays)
print(f"{TARGET}: {len(arrays)} arrays")
