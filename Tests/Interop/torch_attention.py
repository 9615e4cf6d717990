"""Attention: nn.Transformer, its parts, nn.MultiheadAttention, and scaled_dot_product_attention."""

import torch
from torch import nn
from torch.nn import functional

from torch_cases import DYNAMO, TORCHSCRIPT, Call, Case, Several, case, randomize

WIDTH = 12
HEADS = 3
# nn.MultiheadAttention in TorchScript.
FIXED = {TORCHSCRIPT: "a Reshape has the batch or the length of the export"}


def causal(length):
    return torch.triu(torch.full((length, length), float("-inf")), diagonal=1)


def padding(batch, length):
    """True where there is nothing; every row has something."""
    lengths = torch.randint(1, length + 1, (batch, 1))
    return torch.arange(length) >= lengths


# nn.MultiheadAttention


@case("multi-head attention")
def multi_head():
    """Separate and equal widths, with added biases, averaged weights or none."""

    def attend(network, query, key, need_weights):
        outputs, weights = network(query, key, key, need_weights=need_weights)
        return (outputs, weights) if need_weights else outputs

    module = Several(
        Call(
            lambda network, query, key, needed=needed: attend(network, query, key, needed),
            randomize(nn.MultiheadAttention(WIDTH, HEADS, batch_first=True, **options)),
        )
        for needed, options in (
            (True, {}),
            (False, {}),
            (True, {"kdim": 12, "vdim": 12, "bias": False}),
            (False, {"add_bias_kv": True}),
            (True, {"add_zero_attn": True}),
        )
    )
    samples = [
        (torch.randn(batch, length, WIDTH), torch.randn(batch, other, WIDTH))
        for batch, length, other in ((2, 4, 6), (1, 1, 3), (3, 7, 2))
    ]
    axes = [{0: "batch", 1: "length"}, {0: "batch", 1: "keys"}]
    return Case(module, samples, axes, fixed=FIXED)


@case("multi-head attention with masks")
def masked():
    def attend(network, x, mask, nothing):
        outputs, weights = network(
            x, x, x, key_padding_mask=nothing, attn_mask=mask, average_attn_weights=False
        )
        fast, _ = network(x, x, x, key_padding_mask=nothing, attn_mask=mask, need_weights=False)
        return outputs, weights, fast

    module = Call(attend, randomize(nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)))
    samples = [
        (torch.randn(batch, length, WIDTH), causal(length) < 0, padding(batch, length))
        for batch, length in ((2, 5), (3, 8))
    ]
    axes = [
        {0: "batch", 1: "length"},
        {0: "length", 1: "length"},
        {0: "batch", 1: "length"},
    ]
    return Case(module, samples, axes, fixed=FIXED)


# nn.Transformer and its parts


@case("Transformer encoder")
def encoder():
    """With normalization before and after, Relu and Gelu."""

    def make(**options):
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 20, batch_first=True, **options)
        return randomize(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False))

    module = Several(
        Call(lambda network, x: network(x), make(**options))
        for options in (
            {},
            {"norm_first": True},
            {"activation": "gelu"},
            {"norm_first": True, "activation": "gelu", "bias": False},
        )
    )
    samples = [(torch.randn(batch, length, WIDTH),) for batch, length in ((2, 5), (1, 1), (3, 9))]
    return Case(module, samples, [{0: "batch", 1: "length"}], fixed=FIXED)


@case("Transformer encoder with masks")
def masked_encoder():
    def encode(network, x, mask, nothing):
        # Where there is nothing to read, networks give what they like.
        rows = (~nothing)[..., None]
        return (
            # Whether a mask is causal is found out from its contents, unless somebody says it.
            network(x, mask=mask, is_causal=False),
            network(x, src_key_padding_mask=nothing) * rows,
            network(x, mask=mask, src_key_padding_mask=nothing, is_causal=True) * rows,
        )

    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 20, batch_first=True)
    module = Call(encode, randomize(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)))
    samples = [
        (torch.randn(batch, length, WIDTH), causal(length), padding(batch, length))
        for batch, length in ((2, 5), (3, 8))
    ]
    axes = [{0: "batch", 1: "length"}, {0: "length", 1: "length"}, {0: "batch", 1: "length"}]
    return Case(module, samples, axes, fixed=FIXED)


@case("Transformer")
def transformer():
    def translate(network, source, target):
        mask = nn.Transformer.generate_square_subsequent_mask(target.shape[1])
        return (
            network(source, target),
            network(source, target, tgt_mask=mask, tgt_is_causal=False),
            network(source, target, tgt_mask=mask, tgt_is_causal=True),
        )

    network = randomize(nn.Transformer(WIDTH, HEADS, 1, 2, 20, batch_first=True))
    samples = [
        (torch.randn(batch, source, WIDTH), torch.randn(batch, target, WIDTH))
        for batch, source, target in ((2, 6, 4), (3, 2, 7))
    ]
    axes = [{0: "batch", 1: "source"}, {0: "batch", 1: "target"}]
    return Case(Call(translate, network), samples, axes, fixed=FIXED)


@case("Transformer with masks")
def masked_transformer():
    def translate(network, source, target, mask, missing_source, missing_target):
        outputs = network(
            source,
            target,
            tgt_mask=mask,
            src_key_padding_mask=missing_source,
            tgt_key_padding_mask=missing_target,
            memory_key_padding_mask=missing_source,
            tgt_is_causal=False,
        )
        return outputs * (~missing_target)[..., None]

    network = randomize(nn.Transformer(WIDTH, HEADS, 2, 1, 20, batch_first=True, norm_first=True))
    samples = [
        (
            torch.randn(batch, source, WIDTH),
            torch.randn(batch, target, WIDTH),
            causal(target) < 0,
            padding(batch, source),
            padding(batch, target),
        )
        for batch, source, target in ((2, 6, 4), (3, 2, 7))
    ]
    axes = [
        {0: "batch", 1: "source"},
        {0: "batch", 1: "target"},
        {0: "target", 1: "target"},
        {0: "batch", 1: "source"},
        {0: "batch", 1: "target"},
    ]
    return Case(Call(translate, network), samples, axes, fixed=FIXED)


@case("Transformer encoder with a mask that may be causal")
def detected():
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 20, batch_first=True)
    network = randomize(nn.TransformerEncoder(layer, 1, enable_nested_tensor=False))
    module = Call(lambda network, x, mask: network(x, mask=mask), network)
    return Case(
        module,
        [(torch.randn(2, 5, WIDTH), causal(5))],
        refusals={DYNAMO: "Could not guard on data-dependent expression"},
    )


# scaled_dot_product_attention at each opset


def heads(length, *, count=HEADS, width=8, batch=2):
    return torch.randn(batch, count, length, width)


def attentions(query, key, value, mask, allowed):
    """Forms of attention. No row of the Boolean mask is empty."""
    attention = functional.scaled_dot_product_attention
    return (
        attention(query, key, value),
        attention(query, key, value, scale=0.7),
        attention(query, key, value, attn_mask=mask),
        attention(query, key, value, attn_mask=allowed),
        attention(query, query, query, is_causal=True),
    )


def grouped(query, key, value):
    attention = functional.scaled_dot_product_attention
    return attention(query, key, value, enable_gqa=True)


def register(opset):
    @case(f"attention at opset {opset}")
    def plain():
        samples = []
        for length, keys, batch in ((5, 7, 2), (1, 3, 1), (9, 4, 3)):
            query = heads(length, batch=batch)
            key, value = heads(keys, batch=batch), heads(keys, batch=batch)
            mask = torch.randn(batch, 1, length, keys)
            allowed = torch.rand(length, keys) < 0.6
            allowed[:, 0] = True
            samples.append((query, key, value, mask, allowed))
        rows, columns = {0: "batch", 2: "length"}, {0: "batch", 2: "keys"}
        axes = [rows, columns, columns, {0: "batch", 2: "length", 3: "keys"}]
        return Case(Call(attentions), samples, [*axes, {0: "length", 1: "keys"}], opset)

    @case(f"attention with grouped heads at opset {opset}")
    def with_groups():
        samples = []
        for length, keys, batch in ((5, 7, 2), (9, 4, 3)):
            key, value = (heads(keys, count=2, batch=batch) for _ in range(2))
            samples.append((heads(length, count=6, batch=batch), key, value))
        rows, columns = {0: "batch", 2: "length"}, {0: "batch", 2: "keys"}
        refusals = {TORCHSCRIPT: "not implemented if enable_gqa is True"}
        return Case(Call(grouped), samples, [rows, columns, columns], opset, refusals)


for opset in range(17, 24):
    register(opset)
