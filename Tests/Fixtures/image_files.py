"""Writes the images and the expected arrays that the tests of GraftVision read.

    python Tests/Fixtures/image_files.py [FOLDER OF PHOTOS]

Needs numpy, pillow (13 or newer, see Image+Resampling.swift), pillow-heif, keras and
tensorflow-cpu. Everything
expected comes from those libraries: Pillow decodes and resizes, TensorFlow resizes, Keras
normalises; torchvision's few lines are spelled out.

With a folder of photos it also writes photos.tsv, which holds checksums of what becomes of them.

Images lie beside their decoded form, NAME.ppm. Files *.f32 hold `height width channels` in one
line and then little-endian floats.
"""

import io
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

FOLDER = Path(__file__).parents[1] / "GraftVisionTests" / "Fixtures"
WIDTH, HEIGHT = 21, 13


def make_image(width, height, seed):
    """Colour ramps with a little noise and one hard edge."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    image = np.stack(
        [x * 255 / max(1, width - 1), y * 255 / max(1, height - 1), (x + y) * 7 % 256], axis=-1
    )
    image += generator.normal(0, 12, image.shape)
    image[height // 3 : height // 2, width // 4 : width // 2] = (250, 3, 128)
    return np.clip(image, 0, 255).astype(np.uint8)


def write_ppm(name, pixels):
    height, width, channels = pixels.shape
    magic = {1: "P5", 3: "P6"}[channels]
    header = f"{magic}\n{width} {height}\n255\n".encode()
    (FOLDER / f"{name}.ppm").write_bytes(header + pixels.astype(np.uint8).tobytes())


def write_floats(name, values):
    header = " ".join(str(extent) for extent in values.shape) + "\n"
    (FOLDER / f"{name}.f32").write_bytes(header.encode() + values.astype("<f4").tobytes())


def add(name, data, expected=None):
    """Stores a file and Pillow's result for it, unless another one is expected."""
    (FOLDER / name).write_bytes(data)
    if expected is None:
        expected = np.array(Image.open(io.BytesIO(data)).convert("RGB"))
    write_ppm(name, expected)


def saved(image, format, **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


# JPEG


def make_jpegs(image):
    add("baseline-420.jpg", saved(image, "JPEG", quality=90, subsampling=2))
    add("baseline-422.jpg", saved(image, "JPEG", quality=90, subsampling=1))
    add("baseline-444.jpg", saved(image, "JPEG", quality=90, subsampling=0))
    add("baseline-411.jpg", saved(image, "JPEG", quality=90, subsampling="4:1:1"))
    add("rgb.jpg", saved(image, "JPEG", quality=90, keep_rgb=True))
    add("restart.jpg", saved(image, "JPEG", restart_marker_blocks=1))
    add("progressive.jpg", saved(image, "JPEG", progressive=True))
    add("grey.jpg", saved(image.convert("L"), "JPEG"))
    add("grey-progressive.jpg", saved(image.convert("L"), "JPEG", progressive=True))
    cmyk = saved(image.convert("CMYK"), "JPEG", quality=90)
    add("cmyk.jpg", cmyk)
    # The last byte of Adobe's segment says whether the inks are stored as YCCK.
    transform = cmyk.index(b"Adobe") + 11
    add("ycck.jpg", cmyk[:transform] + b"\x02" + cmyk[transform + 1 :])
    start, end = cmyk.index(b"\xff\xee"), cmyk.index(b"Adobe") + 12
    add("cmyk-without-adobe.jpg", cmyk[:start] + cmyk[end:])


# PNG


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def pack_row(samples, bits):
    """The bytes of one row of samples (any shape)."""
    samples = samples.reshape(-1)
    if bits == 16:
        return samples.astype(">u2").tobytes()
    if bits == 8:
        return samples.astype(np.uint8).tobytes()
    digits = (samples[:, None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(digits.reshape(-1).astype(np.uint8)).tobytes()


# Of each pass the first column and row, and the steps between columns and rows.
ADAM7 = [
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
]


def make_png(samples, bits, color_type, extra=b"", interlaced=False):
    height, width = samples.shape[:2]
    passes = ADAM7 if interlaced else [(0, 0, 1, 1)]
    rows = b""
    for x, y, dx, dy in passes:
        part = samples[y::dy, x::dx]
        if part.size:
            rows += b"".join(b"\0" + pack_row(row, bits) for row in part)
    header = struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, int(interlaced))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def make_pngs(image):
    generator = np.random.default_rng(7)
    deep = np.array(image).astype(np.uint32) * 257 + 3
    grey = np.array(image.convert("L")).astype(np.uint32)
    alpha = generator.integers(0, 256, (HEIGHT, WIDTH, 1)).astype(np.uint32)
    deep_grey = np.where(grey < 128, grey, grey * 257)
    # Pillow clips deep greys at 255. TensorFlow keeps the upper byte, as both do with deep colours.
    upper_grey = np.repeat((deep_grey >> 8)[..., None], 3, -1)
    cases = {
        "grey-1": (grey >> 7, 1, 0),
        "grey-2": (grey >> 6, 2, 0),
        "grey-4": (grey >> 4, 4, 0),
        "grey-8": (grey, 8, 0),
        "grey-16": (deep_grey, 16, 0),
        "rgb-8": (np.array(image), 8, 2),
        "rgb-16": (deep, 16, 2),
        "grey-alpha-8": (np.concatenate([grey[..., None], alpha], -1), 8, 4),
        "grey-alpha-16": (np.concatenate([grey[..., None] * 257, alpha * 200], -1), 16, 4),
        "rgb-alpha-8": (np.concatenate([np.array(image), alpha], -1), 8, 6),
        "rgb-alpha-16": (np.concatenate([deep, alpha * 200], -1), 16, 6),
    }
    for bits in (1, 2, 4, 8):
        indices = generator.integers(0, 1 << bits, (HEIGHT, WIDTH))
        cases[f"palette-{bits}"] = (indices, bits, 3)
    for name, (samples, bits, color_type) in cases.items():
        extra = b""
        if color_type == 3:
            colors = generator.integers(0, 256, 3 << bits).astype(np.uint8)
            extra = chunk(b"PLTE", colors.tobytes())
        expected = upper_grey if name == "grey-16" else None
        add(f"{name}.png", make_png(samples, bits, color_type, extra), expected)
        add(f"{name}-interlaced.png", make_png(samples, bits, color_type, extra, True), expected)
    colors = chunk(b"PLTE", bytes(range(30, 90)))
    indices = generator.integers(0, 20, (HEIGHT, WIDTH))
    transparent = chunk(b"tRNS", bytes([0, 128, 255, 7]))
    add("palette-transparent.png", make_png(indices, 8, 3, colors + transparent))
    add("palette-short.png", make_png(indices + 3, 8, 3, colors))
    level = chunk(b"tRNS", struct.pack(">H", int(grey[0, 0])))
    add("grey-transparent.png", make_png(grey, 8, 0, level))
    color = struct.pack(">HHH", *(int(value) for value in np.array(image)[2, 2]))
    add("rgb-transparent.png", make_png(np.array(image), 8, 2, chunk(b"tRNS", color)))
    gamma = chunk(b"gAMA", struct.pack(">I", 100000))
    add("rgb-gamma.png", make_png(np.array(image), 8, 2, gamma))


# PNM


def make_pnms(image):
    colors = np.array(image).astype(np.uint32)
    grey = np.array(image.convert("L")).astype(np.uint32)
    bits = grey >> 7
    comment = b"# a comment\n"

    def header(magic, maximum=None):
        sides = f"{magic}\n".encode() + comment + f"{WIDTH} {HEIGHT}\n".encode()
        return sides if maximum is None else sides + f"{maximum}\n".encode()

    def plain(values):
        return b"\n".join(
            b" ".join(b"%d" % value for value in row) for row in values.reshape(HEIGHT, -1)
        )

    add(
        "bits-plain.pnm",
        header("P1") + b"\n".join(b"".join(b"%d" % b for b in r) for r in bits) + b"\n",
    )
    add("grey-plain.pnm", header("P2", 15) + comment + plain(grey >> 4) + b"\n")
    add("rgb-plain.pnm", header("P3", 1000) + plain(colors * 3) + b"\n")
    add("bits.pnm", header("P4") + b"".join(pack_row(row, 1) for row in bits))
    add("grey.pnm", header("P5", 255) + grey.astype(np.uint8).tobytes())
    add("grey-100.pnm", header("P5", 100) + (grey * 110 // 255).astype(np.uint8).tobytes())
    add("rgb.pnm", header("P6", 255) + colors.astype(np.uint8).tobytes())
    add("rgb-10-bits.pnm", header("P6", 1023) + (colors * 4).astype(">u2").tobytes())
    # Pillow clips deep greys at 255; they are expected as its colours are.
    deep = (grey * 257 + 100).clip(0, 65535).astype(">u2")
    as_colors = header("P6", 65535) + np.repeat(deep[..., None], 3, -1).tobytes()
    expected = np.array(Image.open(io.BytesIO(as_colors)).convert("RGB"))
    add("grey-16.pnm", header("P5", 65535) + deep.tobytes(), expected)
    add("grey-16-plain.pnm", header("P2", 65535) + plain(deep) + b"\n", expected)


# WebP


def make_webps(image):
    alpha = image.copy()
    alpha.putalpha(image.convert("L"))
    add("lossy.webp", saved(image, "WEBP", quality=80))
    add("lossless.webp", saved(image, "WEBP", lossless=True))
    add("lossy-alpha.webp", saved(alpha, "WEBP", quality=80))
    add("lossless-alpha.webp", saved(alpha, "WEBP", lossless=True, exact=True))
    frames = [image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    animation = saved(image, "WEBP", save_all=True, append_images=frames, lossless=True)
    add("animated.webp", animation)
    # The first frame, 4 and 6 pixels away from the corner of a larger canvas.
    moved = bytearray(animation)
    canvas = animation.index(b"VP8X") + 12
    for index, side in enumerate((WIDTH + 10, HEIGHT + 9)):
        moved[canvas + 3 * index : canvas + 3 * index + 3] = side.to_bytes(3, "little")
    frame = animation.index(b"ANMF") + 8
    moved[frame : frame + 6] = (2).to_bytes(3, "little") + (3).to_bytes(3, "little")
    add("animated-offset.webp", bytes(moved))


# GIF


def lzw(indices, bits):
    """The blocks of a GIF's pixels, each code for one index only, with clear codes in between."""
    clear = 1 << bits
    codes = []
    for place, index in enumerate(indices):
        # The codes stay as short as they are at the start.
        if place % (clear - 2) == 0:
            codes.append(clear)
        codes.append(int(index))
    codes.append(clear + 1)
    number = sum(code << (bits + 1) * place for place, code in enumerate(codes))
    data = number.to_bytes((len(codes) * (bits + 1) + 7) // 8, "little")
    blocks = [data[start : start + 100] for start in range(0, len(data), 100)]
    return bytes([bits]) + b"".join(bytes([len(b)]) + b for b in blocks) + b"\0"


def gif_palette(colors):
    return np.asarray(colors, np.uint8).tobytes()


def make_gif(
    indices, bits, *, palette=b"", local=b"", place=(0, 0), canvas=None, extra=b"", flags=0
):
    height, width = indices.shape
    canvas = canvas or (width, height)
    screen = struct.pack("<HHBBB", *canvas, 0x80 | (bits - 1) if palette else 0, 0, 0)
    frame = struct.pack(
        "<HHHHB", *place, width, height, flags | (0x80 | (bits - 1) if local else 0)
    )
    data = lzw(indices.reshape(-1), max(2, bits))
    return b"GIF89a" + screen + palette + extra + b"," + frame + local + data + b";"


def make_gifs(image):
    generator = np.random.default_rng(13)
    few = image.quantize(16)
    indices = np.array(few) % 16
    colors = gif_palette(generator.integers(0, 256, (16, 3)))
    other = gif_palette(generator.integers(0, 256, (16, 3)))
    add("palette.gif", saved(image, "GIF"))
    add("grey.gif", saved(image.convert("L"), "GIF"))
    noise = generator.integers(0, 256, (90, 110)).astype(np.uint8)
    # Its codes reach 12 bits, and are cleared.
    add("noise.gif", saved(Image.fromarray(noise), "GIF"))
    add("flat.gif", saved(Image.new("P", (WIDTH, HEIGHT), 3), "GIF"))
    add("interlaced.gif", saved(few, "GIF", interlace=1))
    frames = [image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    add("animated.gif", saved(image, "GIF", save_all=True, append_images=frames))
    add("codes.gif", make_gif(indices, 4, palette=colors))
    add("local.gif", make_gif(indices, 4, palette=colors, local=other))
    add("without-palette.gif", make_gif(indices, 4))
    add("two-colors.gif", make_gif(indices % 2, 1, palette=colors[:6]))
    offset = {"place": (3, 2), "canvas": (WIDTH + 9, HEIGHT + 5)}
    add("offset.gif", make_gif(indices, 4, palette=colors, **offset))
    control = b"!\xf9\x04\x01\x00\x00\x07\x00"
    comment = b"!\xfe\x05hello\x03abc\x00"
    extra = comment + control
    add("transparent.gif", make_gif(indices, 4, palette=colors, extra=extra, **offset))
    beyond = {"place": (5, 4), "canvas": (WIDTH, HEIGHT)}
    add("beyond.gif", make_gif(indices, 4, palette=colors, **beyond))


# TIFF


def make_tiff(width, height, tags, blocks, *, big=False, tiled=False):
    """A file of strips or tiles; tags are lists of numbers of 16 bits, or of 32."""
    order = ">" if big else "<"
    short, long = 3, 4
    data = b""
    offsets = []
    for block in blocks:
        offsets.append(8 + len(data))
        data += block + bytes(len(block) % 2)
    entries = {
        256: (long, [width]),
        257: (long, [height]),
        **{tag: (short, values) for tag, values in tags.items()},
        324 if tiled else 273: (long, offsets),
        325 if tiled else 279: (long, [len(block) for block in blocks]),
    }
    start = 8 + len(data)
    more = b""
    more_start = start + 2 + 12 * len(entries) + 4
    directory = struct.pack(order + "H", len(entries))
    for tag, (kind, values) in sorted(entries.items()):
        packed = struct.pack(f"{order}{len(values)}{'H' if kind == short else 'I'}", *values)
        if len(packed) > 4:
            place = struct.pack(order + "I", more_start + len(more))
            more += packed + bytes(len(packed) % 2)
        else:
            place = packed + bytes(4 - len(packed))
        directory += struct.pack(order + "HHI", tag, kind, len(values)) + place
    header = (b"MM\0*" if big else b"II*\0") + struct.pack(order + "I", start)
    return header + data + directory + bytes(4) + more


def tiff_strips(samples, bits, rows, big=False):
    """Blocks of some rows of samples."""

    def packed(row):
        if bits == 16:
            return row.astype(">u2" if big else "<u2").tobytes()
        return pack_row(row, bits)

    blocks = []
    for start in range(0, len(samples), rows):
        blocks.append(b"".join(packed(row.reshape(-1)) for row in samples[start : start + rows]))
    return blocks


def make_tiffs(image):
    generator = np.random.default_rng(17)
    alpha = image.copy()
    alpha.putalpha(image.convert("L"))
    grey = image.convert("L")
    for name, compression in [
        ("raw", None),
        ("lzw", "tiff_lzw"),
        ("deflate", "tiff_adobe_deflate"),
        ("packbits", "packbits"),
        ("zstd", "zstd"),
    ]:
        add(f"{name}.tiff", saved(image, "TIFF", compression=compression))
    add("jpeg-rgb.tiff", saved(image, "TIFF", compression="jpeg", quality=95))
    add("jpeg-grey.tiff", saved(grey, "TIFF", compression="jpeg", quality=95))
    add("group4.tiff", saved(image.convert("1"), "TIFF", compression="group4"))
    add("bits.tiff", saved(image.convert("1"), "TIFF"))
    add("grey.tiff", saved(grey, "TIFF"))
    add("palette.tiff", saved(image.quantize(40), "TIFF"))
    add("cmyk.tiff", saved(image.convert("CMYK"), "TIFF"))
    add("alpha.tiff", saved(alpha, "TIFF", compression="tiff_lzw"))

    pixels = np.array(image).astype(np.uint32)
    greys = np.array(grey).astype(np.uint32)
    rgb = {258: [8, 8, 8], 259: [1], 262: [2], 277: [3]}
    one = {259: [1], 277: [1]}

    def with_rows(tags, rows):
        return {**tags, 278: [rows]}

    size = (WIDTH, HEIGHT)
    add(
        "big-endian.tiff",
        make_tiff(*size, with_rows(rgb, 4), tiff_strips(pixels, 8, 4), big=True),
    )
    # Of 16-bit samples the upper byte is used.
    deep = pixels * 257 % 65536
    for big in (False, True):
        tags = with_rows({**rgb, 258: [16, 16, 16]}, 5)
        blocks = tiff_strips(deep, 16, 5, big)
        add(f"rgb-16{'-big' if big else ''}.tiff", make_tiff(*size, tags, blocks, big=big), pixels)
    planes = [block for c in range(3) for block in tiff_strips(pixels[..., c], 8, 6)]
    add("planes.tiff", make_tiff(*size, with_rows({**rgb, 284: [2]}, 6), planes))
    for bits in (2, 4, 8, 16):
        values = greys >> (8 - bits) if bits < 16 else greys * 257
        tags = with_rows({**one, 258: [bits], 262: [1]}, HEIGHT)
        expected = values * 255 // ((1 << bits) - 1)
        expected = np.repeat(expected[..., None], 3, -1)
        add(
            f"grey-{bits}.tiff", make_tiff(*size, tags, tiff_strips(values, bits, HEIGHT)), expected
        )
        if bits < 16:
            data = make_tiff(*size, {**tags, 262: [0]}, tiff_strips(values, bits, HEIGHT))
            add(f"white-{bits}.tiff", data, 255 - expected)
    indices = generator.integers(0, 16, (HEIGHT, WIDTH))
    colors = generator.integers(0, 65536, 48).tolist()
    tags = with_rows({**one, 258: [4], 262: [3], 320: colors}, HEIGHT)
    add("palette-4.tiff", make_tiff(*size, tags, tiff_strips(indices, 4, HEIGHT)))
    # Some programs write colours of 8 bits.
    narrow = [color >> 8 for color in colors]
    expected = np.array(narrow).reshape(3, 16).T[indices]
    tags[320] = narrow
    add("palette-narrow.tiff", make_tiff(*size, tags, tiff_strips(indices, 4, HEIGHT)), expected)
    # Tiles of 16 x 16, which reach beyond the image.
    padded = np.pad(pixels, [(0, 3), (0, 11), (0, 0)], mode="edge")
    tiles = [
        padded[y : y + 16, x : x + 16].astype(np.uint8).tobytes()
        for y in range(0, 16, 16)
        for x in range(0, 32, 16)
    ]
    tiled = {**rgb, 322: [16], 323: [16]}
    add("tiles.tiff", make_tiff(*size, tiled, tiles, tiled=True))
    # Colours that were multiplied by alpha.
    opacity = generator.integers(0, 256, (HEIGHT, WIDTH, 1)).astype(np.uint32)
    premultiplied = np.concatenate([pixels * opacity // 255, opacity], -1)
    tags = with_rows({**rgb, 258: [8] * 4, 277: [4], 338: [1]}, HEIGHT)
    add("premultiplied.tiff", make_tiff(*size, tags, tiff_strips(premultiplied, 8, HEIGHT)))
    for orientation in (3, 6, 7):
        tags = with_rows({**rgb, 274: [orientation]}, HEIGHT)
        data = make_tiff(*size, tags, tiff_strips(pixels, 8, HEIGHT))
        add(f"turned-{orientation}.tiff", data)


# JPEG 2000


def make_jpeg2000s(image):
    alpha = image.copy()
    alpha.putalpha(image.convert("L"))
    grey = image.convert("L")
    add("lossless.jp2", saved(image, "JPEG2000"))
    add("lossy.jp2", saved(image, "JPEG2000", irreversible=True, quality_layers=[8]))
    add("grey.jp2", saved(grey, "JPEG2000"))
    add("alpha.jp2", saved(alpha, "JPEG2000"))
    add("grey-alpha.jp2", saved(alpha.convert("LA"), "JPEG2000"))
    add("tiles.jp2", saved(image, "JPEG2000", tile_size=(8, 8)))
    add("layers.jp2", saved(image, "JPEG2000", quality_layers=[20, 8, 1], progression="RPCL"))
    add("stream.j2k", saved(image, "JPEG2000", no_jp2=True))
    deep = Image.fromarray((np.array(grey).astype(np.uint16) * 257))
    # Pillow clips deep greys at 255.
    expected = np.repeat(np.array(grey)[..., None], 3, -1)
    add("grey-16.jp2", saved(deep, "JPEG2000"), expected)


# HEIC and AVIF


def make_heifs(image):
    """Smooth images, to compare with a tolerance: libraries convert colours differently."""
    smooth = image.resize((64, 48), Image.Resampling.BICUBIC)
    # Pillow writes no HEIC; pillow-heif does.
    import pillow_heif

    pillow_heif.register_heif_opener()
    add("picture.avif", saved(smooth, "AVIF", quality=90, subsampling="4:4:4"))
    add("picture.heic", saved(smooth, "HEIF", quality=90, chroma=444))
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(smooth, "AVIF", quality=90, subsampling="4:4:4", exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    add("turned.avif", data, np.array(upright))


# BMP


def make_bmp(
    data, bits, *, palette=b"", colors=0, compression=0, top_down=False, masks=(), header=40
):
    height = -HEIGHT if top_down else HEIGHT
    if header == 12:
        info = struct.pack("<IHHHH", 12, WIDTH, HEIGHT, 1, bits)
    else:
        info = struct.pack(
            "<IiiHHIIiiII", header, WIDTH, height, 1, bits, compression, len(data), 0, 0, colors, 0
        )
        info += b"".join(struct.pack("<I", mask) for mask in masks)
        info += bytes(max(0, header - len(info)))
    offset = 14 + len(info) + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset) + info + palette + data


def bmp_rows(rows, bits):
    result = b""
    for row in rows:
        packed = pack_row(row, bits)
        result += packed + bytes(-len(packed) % 4)
    return result


def bmp_pixels(values, byte_count):
    rows = [
        b"".join(int(value).to_bytes(4, "little")[:byte_count] for value in row) for row in values
    ]
    return b"".join(row + bytes(-len(row) % 4) for row in rows)


def make_bmps(image):
    generator = np.random.default_rng(11)
    pixels = np.array(image).astype(np.uint32)
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    for bits in (1, 4, 8):
        indices = generator.integers(0, 1 << bits, (HEIGHT, WIDTH))
        colors = generator.integers(0, 256, (1 << bits, 4)).astype(np.uint8)
        data = bmp_rows(indices, bits)
        add(f"palette-{bits}.bmp", make_bmp(data, bits, palette=colors.tobytes()))
        os2 = make_bmp(data, bits, palette=colors[:, :3].tobytes(), header=12)
        add(f"palette-{bits}-os2.bmp", os2)
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 4, 1).tobytes()
    grey = np.array(image.convert("L"))
    add("grey-8.bmp", make_bmp(bmp_rows(grey, 8), 8, palette=greys, colors=256))
    few = generator.integers(0, 9, (HEIGHT, WIDTH))
    colors = generator.integers(0, 256, (9, 4)).astype(np.uint8).tobytes()
    add("palette-short.bmp", make_bmp(bmp_rows(few, 8), 8, palette=colors, colors=9))

    bgr = (red << 16) | (green << 8) | blue
    add("rgb-24.bmp", make_bmp(bmp_pixels(bgr, 3), 24))
    add("rgb-24-top-down.bmp", make_bmp(bmp_pixels(bgr, 3), 24, top_down=True))
    add("rgb-32.bmp", make_bmp(bmp_pixels(bgr, 4), 32))
    thin = (red >> 3 << 10) | (green >> 3 << 5) | (blue >> 3)
    add("rgb-555.bmp", make_bmp(bmp_pixels(thin, 2), 16))
    uneven = (red >> 3 << 11) | (green >> 2 << 5) | (blue >> 3)
    masks = (0xF800, 0x7E0, 0x1F)
    add("fields-565.bmp", make_bmp(bmp_pixels(uneven, 2), 16, compression=3, masks=masks))
    masks = (0xFF000000, 0xFF0000, 0xFF00)
    xbgr = make_bmp(bmp_pixels(bgr << 8, 4), 32, compression=3, masks=masks)
    add("fields-32.bmp", xbgr)
    masks = (0xFF, 0xFF00, 0xFF0000, 0xFF000000)
    rgba = (0x55 << 24) | (blue << 16) | (green << 8) | red
    v5 = make_bmp(bmp_pixels(rgba, 4), 32, compression=3, masks=masks, header=124)
    add("fields-v5.bmp", v5)

    runs = b""
    for row in range(HEIGHT):
        # Nine of one colour, then five copied as they are (with a byte of padding), then a run.
        runs += bytes([9, row, 0, 5]) + bytes(range(row, row + 5)) + b"\0" + bytes([WIDTH - 14, 40])
        runs += b"\0\0"
    colors = generator.integers(0, 256, (256, 4)).astype(np.uint8).tobytes()
    add("runs-8.bmp", make_bmp(runs + b"\0\1", 8, palette=colors, compression=1))
    runs = bytes([4, 7, 0, 0]) + bytes([0, 2, 3, 2]) + bytes([5, 9, 0, 0])
    runs += b"".join(bytes([WIDTH, row, 0, 0]) for row in range(4, HEIGHT))
    add("runs-8-skipping.bmp", make_bmp(runs + b"\0\1", 8, palette=colors, compression=1))
    runs = b""
    for row in range(HEIGHT):
        # Pillow pads what is copied to an even place in the file, which is the case here.
        runs += bytes([9, 0x3A, 0, 7, 0x12, 0x34, 0x56, 0x70]) + bytes([WIDTH - 16, row << 4 | 5])
        runs += b"\0\0"
    add("runs-4.bmp", make_bmp(runs + b"\0\1", 4, palette=colors[:64], compression=2))


# Orientation


def make_oriented():
    image = Image.fromarray(make_image(9, 5, 3))
    write_ppm("oriented-0", np.array(image))
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x010F] = "maker"
        exif[0x0112] = orientation
        data = saved(image, "PNG", exif=exif)
        (FOLDER / f"oriented-{orientation}.png").write_bytes(data)
        upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
        write_ppm(f"oriented-{orientation}", np.array(upright))
    exif = Image.Exif()
    exif[0x0112] = 6
    (FOLDER / "oriented-6.jpg").write_bytes(saved(image, "JPEG", exif=exif))
    (FOLDER / "oriented-6.webp").write_bytes(saved(image, "WEBP", lossless=True, exif=exif))
    make_oriented_by_text(image)


def xmp_packet(property):
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        f'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" {property}</rdf:RDF></x:xmpmeta>'
    ).encode()


def make_oriented_by_text(image):
    """Files that tell their orientation elsewhere than in EXIF data of their format's own place.

    The names begin with the number that counts.
    """
    attribute = xmp_packet('tiff:Orientation="6"/>')
    element = xmp_packet("><tiff:Orientation>6</tiff:Orientation></rdf:Description>")
    exif = Image.Exif()
    exif[0x0112] = 3

    def write(name, data):
        upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
        expected = np.array(Image.open(FOLDER / f"oriented-{name[9]}.ppm"))
        if not name.endswith(".jpg"):
            assert (np.array(upright) == expected).all(), name
        assert upright.size == expected.shape[1::-1], name
        (FOLDER / name).write_bytes(data)

    png = saved(image, "PNG")
    header, rest = png[:33], png[33:]

    def text(kind, keyword, data):
        return header + chunk(kind, keyword.encode() + b"\0" + data) + rest

    def profile(data):
        digits = data.hex()
        lines = [digits[start : start + 72] for start in range(0, len(digits), 72)]
        return f"\nexif\n{len(data):8}\n".encode() + "\n".join(lines).encode() + b"\n"

    write("oriented-6-xmp.jpg", saved(image, "JPEG", xmp=attribute))
    write("oriented-6-xmp-element.jpg", saved(image, "JPEG", xmp=element))
    write("oriented-3-exif-and-xmp.jpg", saved(image, "JPEG", xmp=attribute, exif=exif))
    write("oriented-6-xmp.webp", saved(image, "WEBP", lossless=True, xmp=attribute))
    write(
        "oriented-3-exif-and-xmp.webp",
        saved(image, "WEBP", lossless=True, xmp=attribute, exif=exif),
    )
    write("oriented-6-xmp.png", text(b"iTXt", "XML:com.adobe.xmp", b"\0\0\0\0" + element))
    packed = b"\1\0\0\0" + zlib.compress(attribute)
    write("oriented-6-xmp-packed.png", text(b"iTXt", "XML:com.adobe.xmp", packed))
    keyword = "Raw profile type exif"
    raw = profile(exif.tobytes())
    write("oriented-3-profile.png", text(b"zTXt", keyword, b"\0" + zlib.compress(raw)))
    write("oriented-3-profile-plain.png", text(b"tEXt", keyword, raw))


def make_damaged(image):
    """PNG files whose pixels are all there: Pillow decodes them, which is checked."""
    pixels = np.array(image)

    def write(name, data):
        assert (np.array(Image.open(io.BytesIO(data)).convert("RGB")) == pixels).all(), name
        (FOLDER / name).write_bytes(data)

    for kind, interlaced in [("", False), ("-interlaced", True)]:
        png = make_png(pixels, 8, 2, interlaced=interlaced)
        end = png.index(b"IEND") - 4
        wrong = bytearray(png)
        wrong[end - 1] ^= 1
        write(f"damaged-checksum{kind}.png", bytes(wrong))
        write(f"damaged-end{kind}.png", png[:end])
        write(f"damaged-data-checksum{kind}.png", png[: end - 4])
        write(f"damaged-data{kind}.png", png[: end - 7])


# Resizing and preprocessing

# Of 58x40 and 57x40 one is on each side of the line between the two orders of passes.
SIZES = [(20, 31), (61, 31), (97, 47), (130, 90), (1, 1), (224, 3), (58, 40), (57, 40), (12, 90)]


def make_resized(pixels):
    import tensorflow as tf

    image = Image.fromarray(pixels)
    (FOLDER / "source.png").write_bytes(saved(image, "PNG"))
    write_ppm("source-grey", np.array(image.convert("L"))[..., None])
    filters = {
        "nearest": Image.Resampling.NEAREST,
        "bilinear": Image.Resampling.BILINEAR,
        "bicubic": Image.Resampling.BICUBIC,
    }
    for width, height in SIZES:
        for name, method in filters.items():
            resized = image.resize((width, height), method)
            write_ppm(f"resized-{name}-{width}x{height}", np.array(resized))
        resized = tf.image.resize(pixels, (height, width), method="bilinear").numpy()
        if width * height < 5000:
            write_floats(f"resized-tf-bilinear-{width}x{height}", resized)
    grey = image.convert("L").resize((33, 20), Image.Resampling.BICUBIC)
    write_ppm("resized-grey-bicubic-33x20", np.array(grey)[..., None])


def center_crop(image, width, height):
    """torchvision.transforms.functional.center_crop, for arrays [height, width, channels]."""
    old_height, old_width = image.shape[:2]
    if width > old_width or height > old_height:
        x, y = max(0, width - old_width), max(0, height - old_height)
        image = np.pad(image, [(y // 2, (y + 1) // 2), (x // 2, (x + 1) // 2), (0, 0)])
        old_height, old_width = image.shape[:2]
    top = int(round((old_height - height) / 2.0))
    left = int(round((old_width - width) / 2.0))
    return image[top : top + height, left : left + width]


def resize_shorter(image, side, method=Image.Resampling.BILINEAR):
    """torchvision.transforms.functional.resize with one number."""
    short, long = sorted(image.size)
    longer = int(side * long / short)
    size = (side, longer) if image.size[0] <= image.size[1] else (longer, side)
    return image.resize(size, method)


def torch_normalized(image):
    """ToTensor and Normalize, but [height, width, channels]."""
    mean = np.array([0.485, 0.456, 0.406], np.float32)
    deviation = np.array([0.229, 0.224, 0.225], np.float32)
    return (image.astype(np.float32) / np.float32(255) - mean) / deviation


def make_preprocessed(pixels):
    from keras.src.applications.imagenet_utils import preprocess_input

    image = Image.fromarray(pixels)
    for width, height in [(30, 20), (31, 22), (80, 20), (70, 60)]:
        write_ppm(f"cropped-{width}x{height}", center_crop(pixels, width, height))
    nearest = np.array(image.resize((16, 12), Image.Resampling.NEAREST)).astype(np.float32)
    for scheme in ("caffe", "tf"):
        write_floats(f"preprocessed-keras-{scheme}", preprocess_input(nearest.copy(), mode=scheme))
    torch = torch_normalized(center_crop(np.array(resize_shorter(image, 20)), 16, 12))
    write_floats("preprocessed-torch", torch)
    bicubic = np.array(image.resize((16, 12), Image.Resampling.BICUBIC)).astype(np.float32)
    write_floats("preprocessed-unit", bicubic / np.float32(255))
    grey = np.array(image.convert("L").resize((16, 12), Image.Resampling.BILINEAR))[..., None]
    write_floats("preprocessed-unit-grey", grey.astype(np.float32) / np.float32(255))
    import tensorflow as tf

    resized = tf.image.resize(pixels, (20, 24), method="bilinear").numpy()
    bilinear = preprocess_input(center_crop(resized, 16, 12), mode="tf")
    write_floats("preprocessed-keras-tf-bilinear", bilinear)


def make_photos(photos):
    """One line for each photo: checksums (CRC-32) of the libraries' results."""
    import tensorflow as tf
    from keras.src.applications.imagenet_utils import preprocess_input

    def checksum(values):
        return f"{zlib.crc32(np.ascontiguousarray(values).tobytes()):08x}"

    titles = ["file", "size", "decoded", "nearest", "torch-image", "bicubic", "keras-caffe"]
    lines = ["\t".join(titles + ["torch", "tf-bilinear"])]
    for path in sorted(photos.glob("*.JPEG")):
        image = Image.open(path).convert("RGB")
        pixels = np.array(image)
        nearest = np.array(image.resize((224, 224), Image.Resampling.NEAREST))
        cropped = center_crop(np.array(resize_shorter(image, 256)), 224, 224)
        bicubic = np.array(image.resize((224, 224), Image.Resampling.BICUBIC))
        caffe = preprocess_input(nearest.astype(np.float32), mode="caffe")
        torch = torch_normalized(cropped).transpose(2, 0, 1)
        resized = tf.image.resize(pixels, (224, 224), method="bilinear").numpy()
        samples = resized.reshape(-1)[:: 224 * 224 * 3 // 7][:7]
        columns = [path.name, f"{image.width}x{image.height}"]
        columns += map(checksum, (pixels, nearest, cropped, bicubic, caffe, torch))
        columns.append(",".join(f"{sample:.6f}" for sample in samples))
        lines.append("\t".join(columns))
    (FOLDER / "photos.tsv").write_text("\n".join(lines) + "\n")


def main():
    FOLDER.mkdir(exist_ok=True)
    image = Image.fromarray(make_image(WIDTH, HEIGHT, 1))
    make_jpegs(image)
    make_pngs(image)
    make_pnms(image)
    make_webps(image)
    make_gifs(image)
    make_tiffs(image)
    make_jpeg2000s(image)
    make_heifs(image)
    make_bmps(image)
    make_oriented()
    make_damaged(image)
    image = make_image(61, 47, 2)
    make_resized(image)
    make_preprocessed(image)
    if len(sys.argv) > 1:
        make_photos(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
