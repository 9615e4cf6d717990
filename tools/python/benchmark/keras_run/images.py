"""Images as Graft prepares them: decoded and resized by Pillow, or resized by TensorFlow."""

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from benchmark.keras_run.graft_run import Unusable

PILLOW_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
CAFFE_MEANS = np.array([103.939, 116.779, 123.68], np.float32)
TORCH_MEANS = np.array([0.485, 0.456, 0.406], np.float32)
TORCH_DEVIATIONS = np.array([0.229, 0.224, 0.225], np.float32)

# The defaults of each scheme: resize, crop, interpolation.
SCHEMES = {
    "keras-caffe": ("224", None, "nearest"),
    "keras-tf": ("224", None, "nearest"),
    "torch": ("shorter:256", "224", "bilinear"),
    "unit": (None, None, "bilinear"),
    "none": (None, None, "bilinear"),
}


def parse_size(text):
    """Width and height of `224` or `320x240`."""
    sides = [int(side) for side in str(text).split("x")]
    return sides[0], sides[-1]


@dataclass(frozen=True)
class Preparation:
    """How an image becomes an input.

    resize: `64`, `320x240`, `shorter:256`, or None
    crop: width and height, or None
    applies_orientation: whether images are turned upright as their EXIF data say
    """

    scheme: str
    resize: str | None
    crop: tuple | None
    interpolation: str
    applies_orientation: bool

    @staticmethod
    def of(recipe, metadata):
        """The recipe's preparation, or that of the trunk's metadata, or that of Keras's VGG16."""
        scheme = metadata.get("graft.preprocessing.name", "keras-caffe")
        recorded = metadata.get("graft.preprocessing.orientation", "applied")
        applies_orientation = not recipe.get("ignore_orientation", recorded == "ignored")
        if recipe.get("preprocess", scheme) != scheme:
            scheme, metadata = recipe["preprocess"], {}
        if scheme not in SCHEMES:
            raise Unusable(f"preprocessing '{scheme}' is not known here")

        def setting(name, default):
            value = metadata.get(f"graft.preprocessing.{name}", default)
            value = str(recipe.get(name, value))
            return None if value.lower() == "none" else value

        resize, crop, interpolation = SCHEMES[scheme]
        resize, crop = setting("resize", resize), setting("crop", crop)
        crop = crop and parse_size(crop)
        if "image_size" in recipe and "resize" not in recipe and "crop" not in recipe:
            size = parse_size(recipe["image_size"])
            if resize and resize.startswith("shorter:") and crop and crop != size:
                # The same margin around the crop as the scheme has at its own size.
                side = int(resize.removeprefix("shorter:")) * min(size) / min(crop)
                resize, crop = f"shorter:{int(side + 0.5)}", size
            elif crop is None:
                resize = str(recipe["image_size"])
        interpolation = setting("interpolation", interpolation)
        preparation = Preparation(scheme, resize, crop, interpolation, applies_orientation)
        preparation.size  # It is an error if it is not fixed.
        return preparation

    @property
    def size(self):
        """Width and height that all images get."""
        if self.crop:
            return self.crop
        if self.resize is None or self.resize.startswith("shorter:"):
            raise Unusable("the recipe leaves the size of images open")
        return parse_size(self.resize)

    @property
    def element_type(self):
        """Pillow gives integers, TensorFlow also values between them."""
        return np.float32 if self.interpolation == "tf-bilinear" else np.uint8

    def read(self, path):
        """The image at its size, [H, W, 3], samples from 0 to 255."""
        try:
            with Image.open(path) as image:
                if self.applies_orientation:
                    image = ImageOps.exif_transpose(image)
                image = image.convert("RGB")
        except OSError as error:
            raise Unusable(f"{path}: {error}; only images in files can be read here") from error
        size = self._resized(image.size)
        if self.interpolation == "tf-bilinear":
            import tensorflow

            samples = np.asarray(image)
            if size != image.size:
                samples = tensorflow.image.resize(samples, (size[1], size[0]), "bilinear").numpy()
            return self._cropped(samples)
        if size != image.size:
            image = image.resize(size, PILLOW_FILTERS[self.interpolation])
        return self._cropped(np.asarray(image))

    def _resized(self, size):
        if self.resize is None:
            return size
        if not self.resize.startswith("shorter:"):
            return parse_size(self.resize)
        shorter = int(self.resize.removeprefix("shorter:"))
        longer = int(shorter * max(size) / min(size))
        return (shorter, longer) if size[0] <= size[1] else (longer, shorter)

    def _cropped(self, samples):
        """The central crop, like torchvision's CenterCrop."""
        if self.crop is None:
            return samples
        for axis, side in ((0, self.crop[1]), (1, self.crop[0])):
            spare = samples.shape[axis] - side
            if spare < 0:
                border = [(0, 0)] * 3
                border[axis] = (-spare // 2, (1 - spare) // 2)
                samples = np.pad(samples, border)
                spare = 0
            start = round(spare / 2)
            samples = np.take(samples, range(start, start + side), axis)
        return samples

    def normalized(self, samples):
        """Inputs [N, H, W, 3] of samples, in single precision."""
        samples = samples.astype(np.float32)
        match self.scheme:
            case "keras-caffe":
                return samples[..., ::-1] - CAFFE_MEANS
            case "keras-tf":
                return samples / np.float32(127.5) - 1
            case "torch":
                return (samples / np.float32(255) - TORCH_MEANS) / TORCH_DEVIATIONS
            case "unit":
                return samples / np.float32(255)
            case _:
                return samples


def scratch_array(shape, element_type):
    """An array in a file without a name, so that it may be larger than memory."""
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, element_type, "w+", shape=shape)


class PreparedImages:
    """All images of some runs, each prepared once.

    numbers: the row of each path
    """

    def __init__(self, preparation, paths):
        self.preparation = preparation
        self.numbers = {path: number for number, path in enumerate(dict.fromkeys(paths))}
        width, height = preparation.size
        self.samples = scratch_array(
            (len(self.numbers), height, width, 3), preparation.element_type
        )

        def prepare(path):
            self.samples[self.numbers[path]] = preparation.read(path)

        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            for _ in pool.map(prepare, self.numbers):
                pass

    def inputs(self, rows):
        """[N, H, W, 3]"""
        return self.preparation.normalized(self.samples[rows])
