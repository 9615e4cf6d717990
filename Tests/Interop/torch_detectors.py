"""torchvision's detectors, with small images and networks."""

import torchvision_shim  # noqa: F401
import torch
from torchvision.models import detection, mobilenetv3
from torchvision.models.detection import (
    anchor_utils,
    backbone_utils,
    faster_rcnn,
    fcos,
    keypoint_rcnn,
    mask_rcnn,
    ssd,
)
from torchvision.ops import MultiScaleRoIAlign, misc

from torch_cases import DYNAMO, Call, Case, case, randomize

CLASSES = 4
CHANNELS = 32
SIDE = 96
TRANSFORM = {"min_size": SIDE, "max_size": 2 * SIDE}
# Few anchors and few detections: where many scores are nearly equal, rounding decides which of two
# overlapping boxes remains.
ASPECT_RATIOS = (0.5, 1.0, 2.0)
# How many boxes remain decides what comes next.
REFUSALS = {DYNAMO: "Could not guard on data-dependent expression"}


def pyramid():
    """A narrow MobileNetV3 with a feature pyramid: strides of 16, 32 and 64."""
    setting, last = mobilenetv3._mobilenet_v3_conf("mobilenet_v3_small", width_mult=0.5)
    network = mobilenetv3.MobileNetV3(
        setting, last, num_classes=1, norm_layer=misc.FrozenBatchNorm2d
    ).features
    stages = [4, len(network) - 1]
    return backbone_utils.BackboneWithFPN(
        network,
        {str(stage): str(index) for index, stage in enumerate(stages)},
        [network[stage].out_channels for stage in stages],
        CHANNELS,
    )


def anchors(sizes=((16,), (32,), (64,)), ratios=ASPECT_RATIOS):
    return anchor_utils.AnchorGenerator(sizes, (ratios,) * len(sizes))


def regions(side):
    return MultiScaleRoIAlign(featmap_names=["0", "1"], output_size=side, sampling_ratio=2)


def two_stages(kind, classes=CLASSES, **options):
    """One of the detectors with proposals."""
    return kind(
        pyramid(),
        rpn_anchor_generator=anchors(),
        rpn_post_nms_top_n_test=40,
        box_roi_pool=regions(7),
        box_head=faster_rcnn.TwoMLPHead(CHANNELS * 7 * 7, 48),
        box_predictor=faster_rcnn.FastRCNNPredictor(48, classes),
        box_detections_per_img=20,
        **TRANSFORM,
        **options,
    )


def detect(network, image):
    (found,) = network([image])
    return tuple(found.values())


def detector(network, function=detect):
    """A case of random weights, whose boxes stay near their anchors."""
    randomize(network)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "bbox" in name:
                parameter.mul_(0.1)
    samples = [(torch.rand(3, *size),) for size in ((96, 120), (70, 64))]
    axes = [{1: "height", 2: "width"}]
    return Case(Call(function, network), samples, axes, refusals=REFUSALS, is_detector=True)


@case("Faster R-CNN")
def faster():
    return detector(two_stages(detection.FasterRCNN))


@case("Faster R-CNN for two images")
def two_images():
    def detect_two(network, first, second):
        return [tuple(found.values()) for found in network([first, second])]

    made = detector(two_stages(detection.FasterRCNN), detect_two)
    made.samples = [(torch.rand(3, 80, 96), torch.rand(3, 64, 100))]
    made.axes = None
    return made


@case("Mask R-CNN")
def mask():
    return detector(
        two_stages(
            detection.MaskRCNN,
            mask_roi_pool=regions(14),
            mask_head=mask_rcnn.MaskRCNNHeads(CHANNELS, (16, 16), 1),
            mask_predictor=mask_rcnn.MaskRCNNPredictor(16, 16, CLASSES),
        )
    )


@case("Keypoint R-CNN")
def keypoint():
    return detector(
        two_stages(
            detection.KeypointRCNN,
            classes=2,
            keypoint_roi_pool=regions(14),
            keypoint_head=keypoint_rcnn.KeypointRCNNHeads(CHANNELS, (16, 16)),
            keypoint_predictor=keypoint_rcnn.KeypointRCNNPredictor(16, 5),
        )
    )


@case("RetinaNet")
def retina():
    network = detection.RetinaNet(
        pyramid(),
        CLASSES,
        anchor_generator=anchors(),
        score_thresh=0.4,
        topk_candidates=60,
        detections_per_img=20,
        **TRANSFORM,
    )
    return detector(network)


@case("FCOS")
def fully_convolutional():
    network = fcos.FCOS(
        pyramid(),
        CLASSES,
        anchor_generator=anchors(ratios=(1.0,)),
        topk_candidates=60,
        detections_per_img=20,
        **TRANSFORM,
    )
    return detector(network)


@case("SSD")
def single_shot():
    network = ssd.SSD(
        pyramid(),
        anchor_utils.DefaultBoxGenerator([[2], [2, 3], [2]]),
        (SIDE, SIDE),
        CLASSES,
        head=ssd.SSDHead([CHANNELS] * 3, [4, 6, 4], CLASSES),
        score_thresh=0.2,
        topk_candidates=60,
        detections_per_img=20,
    )
    return detector(network)


@case("SSDlite")
def lite():
    network = detection.ssdlite320_mobilenet_v3_large(
        weights=None,
        weights_backbone=None,
        num_classes=CLASSES,
        width_mult=0.25,
        score_thresh=0.4,
        topk_candidates=60,
        detections_per_img=20,
    )
    return detector(network)
