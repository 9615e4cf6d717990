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


# Decoders and windows, as networks of other libraries spell them out


class RootMeanSquare(nn.Module):
    """Normalization in float, whatever the type of the network is."""

    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(width) + 0.5)

    def forward(self, x):
        wide = x.float()
        square = wide.pow(2).mean(-1, keepdim=True)
        return self.weight * (wide * torch.rsqrt(square + 1e-6)).to(x.dtype)


class GroupedAttention(nn.Module):
    """Two heads of queries share one of keys; scores are bounded, and Softmax is in float."""

    def __init__(self, softcap):
        super().__init__()
        self.softcap = softcap
        self.norm = RootMeanSquare(32)
        self.query = nn.Linear(32, 32, bias=False)
        self.key = nn.Linear(32, 16, bias=False)
        self.value = nn.Linear(32, 16, bias=False)

    def repeated(self, x):
        batch, count, length, size = x.shape
        x = x[:, :, None, :, :].expand(batch, count, 2, length, size)
        return x.reshape(batch, count * 2, length, size)

    def forward(self, x, mask):
        batch, length, _ = x.shape
        x = self.norm(x)
        query, key, value = (
            layer(x).view(batch, length, -1, 8).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        scores = query @ self.repeated(key).transpose(2, 3) * 8**-0.5
        if self.softcap:
            scores = torch.tanh(scores / self.softcap) * self.softcap
        weights = functional.softmax(scores + mask, dim=-1, dtype=torch.float32).to(query.dtype)
        context = weights @ self.repeated(value)
        return context.transpose(1, 2).reshape(batch, length, -1)


def decoder(dtype, softcap, tolerance):
    network = randomize(GroupedAttention(softcap)).to(dtype)
    samples = [
        (torch.randn(batch, length, 32).to(dtype), torch.randn(batch, 1, length, length).to(dtype))
        for batch, length in ((2, 5), (1, 3), (3, 9))
    ]
    axes = [{0: "batch", 1: "length"}, {0: "batch", 2: "length", 3: "length"}]
    return Case(Call(lambda network, *x: network(*x), network), samples, axes, tolerance=tolerance)


@case("grouped attention")
def grouped_attention():
    return decoder(torch.float32, None, 1e-4)


@case("grouped attention, bounded")
def bounded_attention():
    return decoder(torch.float32, 2.0, 1e-4)


@case("grouped attention in float16")
def narrow_attention():
    return decoder(torch.float16, 2.0, 5e-3)


@case("attention in windows")
def windows():
    """As Swin's shifted blocks: a mask for each window of an image."""

    def attend(projection, x, bias, mask):
        count, length, _ = x.shape
        query, key, value = projection(x).view(count, length, 3, 3, 4).permute(2, 0, 3, 1, 4)
        scores = (query * 0.5) @ key.transpose(-2, -1) + bias
        scores = scores.view(-1, 4, 3, length, length) + mask.unsqueeze(1).unsqueeze(0)
        weights = functional.softmax(scores.view(-1, 3, length, length), dim=-1)
        return (weights @ value).transpose(1, 2).reshape(count, length, -1)

    sample = (torch.randn(8, 5, 12), torch.randn(1, 3, 5, 5), torch.randn(4, 5, 5))
    return Case(Call(attend, randomize(nn.Linear(12, 36))), [sample])


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
