"""Recurrent networks: nn.RNN, nn.LSTM, nn.GRU, their cells, projections and packed sequences."""

import itertools

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from torch_cases import DYNAMO, TORCHSCRIPT, Call, Case, Several, case

FEATURES = 5
UNITS = 7
KINDS = {
    "RNN": nn.RNN,
    "RNN with Relu": lambda *sizes, **options: nn.RNN(*sizes, nonlinearity="relu", **options),
    "LSTM": nn.LSTM,
    "GRU": nn.GRU,
}
SHAPE = {0: "length", 1: "batch"}
FIXED = {DYNAMO: "steps are unrolled, or a Reshape has the length of the export"}
SIZES = ((6, 3), (1, 1), (9, 4))


def states(kind, layers, batch):
    """Initial states, `[layers, batch, UNITS]` each."""
    count = 2 if kind == "LSTM" else 1
    return tuple(torch.randn(layers, batch, UNITS) for _ in range(count))


def with_states(network, x, *initial):
    """Calls a network with input `[length, batch, FEATURES]` and initial states, if any."""
    if network.batch_first:
        x = x.transpose(0, 1)
    if not initial:
        return network(x)
    return network(x, initial if isinstance(network, nn.LSTM) else initial[0])


def register(kind, make):
    for layers, bidirectional, given in itertools.product((1, 2), (False, True), (False, True)):
        name = f"{kind}, {layers} layer{'s' * (layers > 1)}"
        name += ", both directions" * bidirectional + ", initial states" * given

        @case(name)
        def combination(layers=layers, bidirectional=bidirectional, given=given):
            # With the batch first, and last; with biases, and without.
            module = Several(
                Call(
                    with_states,
                    make(
                        FEATURES,
                        UNITS,
                        layers,
                        bias=bias,
                        batch_first=batch_first,
                        bidirectional=bidirectional,
                        dropout=0.3 * (layers > 1),
                    ),
                )
                for batch_first, bias in ((False, True), (True, True), (False, False))
            )
            samples = [
                (torch.randn(length, batch, FEATURES),)
                + (states(kind, layers * (1 + bidirectional), batch) if given else ())
                for length, batch in SIZES
            ]
            axes = [SHAPE] + [{1: "batch"}] * (len(samples[0]) - 1)
            return Case(module, samples, axes, fixed=FIXED)


for kind, make in KINDS.items():
    register(kind, make)


for kind in ("LSTM", "GRU"):

    @case(f"{kind} of any length")
    def alone(make=KINDS[kind]):
        """By itself, as both exporters leave its axes free."""
        network = make(FEATURES, UNITS, 2, batch_first=True, bidirectional=True)
        module = Call(lambda network, x: network(x), network)
        samples = [(torch.randn(batch, length, FEATURES),) for length, batch in SIZES]
        return Case(module, samples, [{0: "batch", 1: "length"}])


@case("LSTM with a projection")
def projected():
    module = Several(
        Call(with_states, nn.LSTM(FEATURES, UNITS, layers, proj_size=3, bidirectional=both))
        for layers, both in ((1, False), (2, True))
    )
    refusals = {TORCHSCRIPT: "LSTMs with projections"}
    invalid = {DYNAMO: "LSTM of ONNX has no projection, and states have other sizes then"}
    return Case(module, [(torch.randn(6, 3, FEATURES),)], refusals=refusals, invalid=invalid)


@case("recurrent networks without a batch")
def without_batch():
    module = Several(
        Call(lambda network, x: network(x), make(FEATURES, UNITS, 2)) for make in KINDS.values()
    )
    return Case(module, [(torch.randn(6, FEATURES),)])


def packed(network, x, lengths, enforce_sorted):
    packed = pack_padded_sequence(
        x, lengths, batch_first=network.batch_first, enforce_sorted=enforce_sorted
    )
    outputs, last = network(packed)
    outputs, _ = pad_packed_sequence(outputs, batch_first=network.batch_first)
    return outputs, last


def register_packed(kind, make):
    for bidirectional in (False, True):
        for enforce_sorted in (True, False):
            name = f"{kind} of packed sequences" + ", both directions" * bidirectional

            @case(name + ", in any order" * (not enforce_sorted))
            def combination(bidirectional=bidirectional, enforce_sorted=enforce_sorted):
                module = Call(
                    lambda network, x, lengths: packed(network, x, lengths, enforce_sorted),
                    make(FEATURES, UNITS, 2, batch_first=True, bidirectional=bidirectional),
                )
                lengths = ([6, 4, 3], [9, 9, 5, 2], [4])
                if not enforce_sorted:
                    lengths = ([3, 6, 4], [5, 9, 2, 9], [4])
                samples = [
                    (torch.randn(len(each), max(each), FEATURES), torch.tensor(each))
                    for each in lengths
                ]
                axes = [{0: "batch", 1: "length"}, {0: "batch"}]
                refusals = {DYNAMO: "failed to unpack the object"}
                return Case(module, samples, axes, refusals=refusals)


for kind, make in KINDS.items():
    register_packed(kind, make)


@case("recurrent cells")
def cells():
    """One step, and three in a row."""

    def steps(cell, x):
        state = None
        for _ in range(3):
            state = cell(x, state)
        return cell(x), state

    module = Several(
        Call(steps, make(FEATURES, UNITS, bias=bias))
        for make in (nn.RNNCell, nn.LSTMCell, nn.GRUCell)
        for bias in (True, False)
    )
    samples = [(torch.randn(batch, FEATURES),) for batch in (3, 1)]
    return Case(module, samples, [{0: "batch"}])


@case("classifier of words by an LSTM")
def classifier():
    embedding, network, linear = (
        nn.Embedding(11, 6),
        nn.LSTM(6, 8, batch_first=True),
        nn.Linear(8, 4),
    )

    def classify(embedding, network, linear, words):
        _, (last, _) = network(embedding(words))
        return linear(last[-1]).softmax(-1)

    samples = [(torch.randint(0, 11, shape),) for shape in ((3, 6), (1, 1), (2, 9))]
    return Case(Call(classify, embedding, network, linear), samples, [{0: "batch", 1: "length"}])


@case("translation by GRUs with attention")
def translation():
    """An encoder of both directions, and a decoder that attends to its outputs."""

    def translate(encoder, decoder, query, output, source, target):
        memory, last = encoder(source)
        states, _ = decoder(target, last[:1])
        weights = (query(states) @ memory.transpose(1, 2)).softmax(-1)
        return output(torch.cat([states, weights @ memory], -1)), weights

    modules = (
        nn.GRU(FEATURES, UNITS, batch_first=True, bidirectional=True),
        nn.GRU(FEATURES, UNITS, batch_first=True),
        nn.Linear(UNITS, 2 * UNITS),
        nn.Linear(3 * UNITS, 5),
    )
    samples = [
        (torch.randn(batch, source, FEATURES), torch.randn(batch, target, FEATURES))
        for batch, source, target in ((2, 6, 4), (1, 3, 7))
    ]
    axes = [{0: "batch", 1: "source"}, {0: "batch", 1: "target"}]
    return Case(Call(translate, *modules), samples, axes)


class Decoder(nn.Module):
    """A loop with a trip for each step, which ends early where all outputs are small."""

    def __init__(self):
        super().__init__()
        self.cell = nn.Linear(FEATURES + UNITS, UNITS)
        self.linear = nn.Linear(UNITS, FEATURES)

    def forward(self, x: torch.Tensor, state: torch.Tensor, steps: torch.Tensor):
        outputs = []
        step = 0
        while step < int(steps) and bool((x.abs() > 0.25).any()):
            state = torch.tanh(self.cell(torch.cat([x, state], 1)))
            x = self.linear(state)
            outputs.append(x)
            step += 1
        return torch.stack(outputs), state


@case("decoder with a loop")
def decoder():
    samples = [
        (torch.randn(3, FEATURES), torch.randn(3, UNITS), torch.tensor(n)) for n in (4, 1, 7)
    ]
    # Not in a Call: a script is exported as it is.
    return Case(
        torch.jit.script(Decoder()),
        samples,
        [{0: "batch"}, {0: "batch"}, {}],
        refusals={DYNAMO: "ScriptModule"},
    )
