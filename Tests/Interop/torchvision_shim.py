"""Makes torchvision's Python files usable where its compiled operators are not.

torchvision of PyPI is compiled for CUDA, and its operators do not load beside a PyTorch for CPUs;
without them it cannot even be imported. Here are the two that its detectors call, nms and
roi_align, written with PyTorch's own operators, with the same names, arguments and results. So both
exporters translate them as always, to NonMaxSuppression and RoiAlign. Import this file first.
"""

import sys

import torch

library = torch.library.Library("torchvision", "DEF")
library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
library.define(
    "roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, "
    "SymInt pooled_width, int sampling_ratio, bool aligned) -> Tensor"
)


def nms(boxes, scores, iou_threshold):
    """The boxes that remain, by falling scores, of those that overlap by more than a threshold."""
    order = scores.argsort(descending=True, stable=True)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept = []
    while order.numel():
        first, order = order[0], order[1:]
        kept.append(first)
        corner = torch.maximum(boxes[first, :2], boxes[order, :2])
        opposite = torch.minimum(boxes[first, 2:], boxes[order, 2:])
        overlap = (opposite - corner).clamp(min=0).prod(1)
        # Boxes without an area overlap with nothing: 0 / 0 is above no threshold.
        order = order[~(overlap / (areas[first] + areas[order] - overlap) > iou_threshold)]
    return torch.stack(kept) if kept else torch.zeros(0, dtype=torch.int64)


def nms_shape(boxes, scores, iou_threshold):
    return boxes.new_empty(torch.library.get_ctx().new_dynamic_size(), dtype=torch.int64)


def axis_weights(start, size, bins, samples, extent):
    """The share of each of `extent` positions in each of `bins` bins: `[bins, extent]`."""
    steps = (torch.arange(bins * samples, dtype=torch.float64) + 0.5) / samples
    position = start + steps * (size / bins)
    inside = (position >= -1) & (position <= extent)
    position = position.clamp(0, extent - 1)
    # Linear interpolation: 1 at the position, 0 at a distance of 1.
    distance = (position[:, None] - torch.arange(extent)).abs()
    weights = (1 - distance).clamp(min=0) * inside[:, None]
    return weights.view(bins, samples, extent).mean(1)


def roi_align(input, rois, spatial_scale, pooled_height, pooled_width, sampling_ratio, aligned):
    """Means of interpolated samples in a grid of bins, for each region: `[K, C, PH, PW]`."""
    _, channels, height, width = input.shape
    result = input.new_zeros(len(rois), channels, pooled_height, pooled_width)
    offset = 0.5 if aligned else 0.0
    for index, roi in enumerate(rois.double()):
        left, top, right, bottom = (roi[1:] * spatial_scale - offset).tolist()
        extents = [bottom - top, right - left]
        if not aligned:
            extents = [max(extent, 1.0) for extent in extents]
        weights = []
        for start, size, bins, extent in (
            (top, extents[0], pooled_height, height),
            (left, extents[1], pooled_width, width),
        ):
            samples = sampling_ratio if sampling_ratio > 0 else max(1, -int(-size // bins))
            weights.append(axis_weights(start, size, bins, samples, extent).to(input.dtype))
        result[index] = weights[0] @ input[int(roi[0])] @ weights[1].T
    return result


def roi_align_shape(
    input, rois, spatial_scale, pooled_height, pooled_width, sampling_ratio, aligned
):
    return input.new_empty(len(rois), input.shape[1], pooled_height, pooled_width)


for name, function, shape in (
    ("nms", nms, nms_shape),
    ("roi_align", roi_align, roi_align_shape),
):
    library.impl(name, function, "CPU")
    torch.library.register_fake(f"torchvision::{name}", shape, lib=library)

import torchvision.ops  # noqa: E402, F401


def has_operators():
    return True


for name in ("torchvision.extension", "torchvision.ops.roi_align"):
    sys.modules[name]._has_ops = has_operators
