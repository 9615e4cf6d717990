"""Small networks of timm and transformers, with random weights."""

# timm imports torchvision.
import torchvision_shim  # noqa: F401
import timm
import torch
import transformers
from timm import models

from torch_cases import DYNAMO, TORCHSCRIPT, Call, Case, case, randomize

CLASSES = 5

# timm


# With a free batch, for attention whose heads are put together by a view.
NO_VIEW = {DYNAMO: "Cannot view a tensor with shape"}


def images(network, side, function=lambda network, image: network(image), **options):
    samples = [(torch.randn(batch, 3, side, side),) for batch in (2, 1)]
    return Case(Call(function, randomize(network)), samples, [{0: "batch"}], **options)


def register_timm(name, make, side=32, **options):
    @case(f"timm: {name}")
    def network():
        return images(make(), side, **options)


register_timm(
    "ViT",
    lambda: models.VisionTransformer(
        img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=3, num_classes=CLASSES
    ),
)
register_timm(
    "ViT with normalized queries, scaled layers and mean pooling",
    lambda: models.VisionTransformer(
        img_size=32,
        patch_size=8,
        embed_dim=24,
        depth=2,
        num_heads=3,
        num_classes=CLASSES,
        qk_norm=True,
        init_values=0.5,
        class_token=False,
        global_pool="avg",
    ),
)
register_timm(
    "EVA with rotary positions",
    lambda: models.Eva(
        img_size=32,
        patch_size=8,
        embed_dim=24,
        depth=2,
        num_heads=3,
        num_classes=CLASSES,
        use_rot_pos_emb=True,
        swiglu_mlp=True,
    ),
    refusals={TORCHSCRIPT: "argument 'is_causal' must be bool, not Tensor"},
)
register_timm(
    "BEiT",
    lambda: models.Beit(
        img_size=32,
        patch_size=8,
        embed_dim=24,
        depth=2,
        num_heads=3,
        num_classes=CLASSES,
        use_rel_pos_bias=True,
        use_abs_pos_emb=False,
    ),
    refusals=NO_VIEW,
)
register_timm(
    "ConvNeXt",
    lambda: models.ConvNeXt(depths=(1, 1, 2, 1), dims=(8, 16, 24, 32), num_classes=CLASSES),
)
register_timm(
    "ConvNeXt V2",
    lambda: models.ConvNeXt(
        depths=(1, 1, 2, 1), dims=(8, 16, 24, 32), num_classes=CLASSES, use_grn=True
    ),
)
register_timm(
    "Swin",
    lambda: models.SwinTransformer(
        img_size=64,
        window_size=4,
        embed_dim=12,
        depths=(2, 2),
        num_heads=(2, 3),
        num_classes=CLASSES,
    ),
    side=64,
)
register_timm(
    "Swin V2",
    lambda: models.SwinTransformerV2(
        img_size=64,
        window_size=4,
        embed_dim=12,
        depths=(2, 2),
        num_heads=(2, 3),
        num_classes=CLASSES,
    ),
    side=64,
)
register_timm(
    "MLP-Mixer",
    lambda: models.MlpMixer(
        img_size=32, patch_size=8, embed_dim=24, num_blocks=2, num_classes=CLASSES
    ),
)
for name in (
    "mobilenetv3_small_050",
    "lcnet_050",
    "ghostnet_050",
    "regnetx_002",
    "mobilevit_xxs",
    "edgenext_xx_small",
):
    register_timm(name, lambda name=name: timm.create_model(name, num_classes=CLASSES), side=64)


# transformers

WORDS = 50
SIZES = {"vocab_size": WORDS, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3}
SHAPE = {0: "batch", 1: "length"}


def texts(lengths=((2, 7), (1, 3), (3, 12))):
    """Words, and which of them are there: at the start of each row."""
    samples = []
    for batch, length in lengths:
        count = torch.randint(1, length + 1, (batch, 1))
        samples.append(
            (torch.randint(0, WORDS, (batch, length)), (torch.arange(length) < count).long())
        )
    return samples


def states(network, words, mask):
    outputs = network(input_ids=words, attention_mask=mask).last_hidden_state
    # What stands for no word is of no interest.
    return outputs * mask[..., None]


def register_text(name, make, function=states, refusals={}):
    for attention in ("sdpa", "eager"):

        @case(f"transformers: {name}, {attention} attention")
        def network(attention=attention):
            network = make()
            network.set_attn_implementation(attention)
            module = Call(function, randomize(network, 0.7))
            refused = refusals.get(attention, {})
            return Case(module, texts(), [SHAPE, SHAPE], refusals=refused)


register_text(
    "BERT",
    lambda: transformers.BertModel(
        transformers.BertConfig(intermediate_size=40, max_position_embeddings=20, **SIZES)
    ),
)
register_text(
    "DistilBERT",
    lambda: transformers.DistilBertModel(
        transformers.DistilBertConfig(
            vocab_size=WORDS, dim=24, n_layers=2, n_heads=3, hidden_dim=40
        )
    ),
)
register_text(
    "GPT-2",
    lambda: transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=WORDS, n_embd=24, n_layer=2, n_head=3, n_positions=20, use_cache=False
        )
    ),
    lambda network, words, mask: (
        network(input_ids=words, attention_mask=mask).logits * mask[..., None]
    ),
)
register_text(
    "Llama",
    lambda: transformers.LlamaModel(
        transformers.LlamaConfig(
            vocab_size=WORDS,
            hidden_size=24,
            intermediate_size=40,
            num_hidden_layers=2,
            num_attention_heads=6,
            num_key_value_heads=2,
            max_position_embeddings=20,
            use_cache=False,
        )
    ),
)


def t5_config():
    return transformers.T5Config(
        vocab_size=WORDS,
        d_model=24,
        d_kv=8,
        d_ff=40,
        num_layers=2,
        num_heads=3,
        use_cache=False,
        decoder_start_token_id=0,
    )


register_text(
    "T5 encoder",
    lambda: transformers.T5EncoderModel(t5_config()),
    refusals={"sdpa": NO_VIEW},
)


@case("transformers: T5")
def t5():
    def translate(network, words, mask, target):
        return network(input_ids=words, attention_mask=mask, decoder_input_ids=target).logits

    module = Call(translate, randomize(transformers.T5ForConditionalGeneration(t5_config()), 0.7))
    targets = (torch.randint(0, WORDS, shape) for shape in ((2, 4), (1, 6), (3, 2)))
    samples = [(*text, target) for text, target in zip(texts(), targets)]
    axes = [SHAPE, SHAPE, {0: "batch", 1: "target"}]
    return Case(module, samples, axes, refusals=NO_VIEW)


@case("transformers: GPT-2 with a cache")
def cached():
    """A step of generation: the past comes as tensors, and grows by one word."""

    def step(network, words, *past):
        cache = transformers.DynamicCache()
        for layer in range(2):
            cache.update(past[2 * layer], past[2 * layer + 1], layer)
        output = network(input_ids=words, past_key_values=cache, use_cache=True)
        layers = output.past_key_values.layers
        return output.logits, [(layer.keys, layer.values) for layer in layers]

    config = transformers.GPT2Config(
        vocab_size=WORDS, n_embd=24, n_layer=2, n_head=3, n_positions=20
    )
    samples = [
        (
            torch.randint(0, WORDS, (batch, 1)),
            *(torch.randn(batch, 3, past, 8) for _ in range(4)),
        )
        for batch, past in ((2, 5), (1, 1), (3, 9))
    ]
    axes = [{0: "batch"}] + [{0: "batch", 2: "past"}] * 4
    return Case(Call(step, randomize(transformers.GPT2LMHeadModel(config), 0.7)), samples, axes)


def features(network, image):
    return network(pixel_values=image).last_hidden_state


def register_images(name, make, side=32, **options):
    @case(f"transformers: {name}")
    def network():
        return images(make(), side, features, **options)


register_images(
    "ViT",
    lambda: transformers.ViTModel(
        transformers.ViTConfig(
            image_size=32,
            patch_size=8,
            hidden_size=24,
            num_hidden_layers=2,
            num_attention_heads=3,
            intermediate_size=40,
        ),
        add_pooling_layer=False,
    ),
)
register_images(
    "ConvNeXt",
    lambda: transformers.ConvNextModel(
        transformers.ConvNextConfig(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 2, 1])
    ),
)
register_images(
    "Swin",
    lambda: transformers.SwinModel(
        transformers.SwinConfig(
            image_size=64, window_size=4, embed_dim=12, depths=[2, 2], num_heads=[2, 3]
        )
    ),
    side=64,
    refusals=NO_VIEW,
)


@case("transformers: Whisper encoder")
def whisper():
    config = transformers.WhisperConfig(
        vocab_size=WORDS,
        num_mel_bins=8,
        d_model=24,
        encoder_layers=2,
        decoder_layers=1,
        encoder_attention_heads=3,
        decoder_attention_heads=3,
        encoder_ffn_dim=40,
        decoder_ffn_dim=40,
        max_source_positions=20,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    encoder = transformers.WhisperModel(config).encoder
    module = Call(lambda encoder, x: encoder(x).last_hidden_state, randomize(encoder, 0.7))
    return Case(module, [(torch.randn(batch, 8, 40),) for batch in (2, 1)], [{0: "batch"}])
