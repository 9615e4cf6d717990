"""What the cases of torch_interop.py consist of."""

import dataclasses
from collections.abc import Callable, Sequence

import torch
from torch import nn

TORCHSCRIPT = "TorchScript"
DYNAMO = "dynamo"


@dataclasses.dataclass
class Case:
    """A network, inputs to try, and how to export it."""

    module: nn.Module
    # The first ones are those of the export.
    samples: Sequence[tuple[torch.Tensor, ...]]
    # For each input, the names of its free axes.
    axes: Sequence[dict[int, str]] | None = None
    # None is the exporter's own choice.
    opset: int | None = None
    # Exporters that do not export it, with a part of what they say.
    refusals: dict[str, str] = dataclasses.field(default_factory=dict)
    # Exporters whose files are no valid models, with the reason: every runtime has to refuse them.
    invalid: dict[str, str] = dataclasses.field(default_factory=dict)
    # Exporters whose files only take inputs of the sizes that they saw, with the reason. The dynamo
    # exporter is not asked for free axes then.
    fixed: dict[str, str] = dataclasses.field(default_factory=dict)
    # Peers that do not compute the same, with the reason: the name of an exporter where the file is
    # not the network, "onnxruntime" where it errs.
    differences: dict[str, str] = dataclasses.field(default_factory=dict)
    # Relative to the largest number of an output.
    tolerance: float = 1e-4
    # Whether outputs are lists of detections, which may trade places where their scores are equal.
    is_detector: bool = False


# Every case by its name: a function, so that only those that run are made.
CASES: dict[str, Callable[[], Case]] = {}


def case(name):
    """Registers the function that makes a case."""

    def register(make):
        if name in CASES:
            raise ValueError(f"there are two cases {name}")
        CASES[name] = make
        return make

    return register


class Call(nn.Module):
    """A function of modules and tensors as a network.

    The TorchScript exporter turns optional arguments of a network into inputs, so that every
    network stands in one that has none.
    """

    def __init__(self, function, *modules):
        super().__init__()
        self.function = function
        self.modules_ = nn.ModuleList(modules)

    def forward(self, *inputs):
        return self.function(*self.modules_, *inputs)


class Several(nn.Module):
    """Networks that read the same inputs, side by side: one export for all."""

    def __init__(self, modules):
        super().__init__()
        self.modules_ = nn.ModuleList(modules)

    def forward(self, *inputs):
        return [module(*inputs) for module in self.modules_]


def randomize(module, scale=1.0):
    """Random weights everywhere, also where initialization leaves zeros and ones."""
    for name, parameter in module.named_parameters():
        with torch.no_grad():
            if parameter.dim() > 1:
                fan = parameter[0].numel()
                parameter.normal_(0, scale / fan**0.5)
            elif name.endswith("weight"):
                parameter.uniform_(0.5, 1.5)
            else:
                parameter.normal_(0, 0.2)
    for name, buffer in module.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.2)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    return module
