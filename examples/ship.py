"""Draws examples/ship.jpg, the image of the first command in README: a freighter at sea.

    python examples/ship.py examples/ship.jpg

Needs numpy and Pillow. The scene is drawn, so that anybody may use it.
"""

import sys

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT, SCALE = 640, 480, 2
HORIZON = 300


def noise(generator, width, height, cell_width, cell_height):
    """Smooth random values from 0 to 1."""
    small = generator.random((height // cell_height + 2, width // cell_width + 2))
    image = Image.fromarray((small * 255).astype(np.uint8))
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC)) / 255


def blended(low, high, share):
    """Colours between two: `share` is [H, W], from 0 to 1."""
    return np.array(low) + (np.array(high) - np.array(low)) * share[..., None]


def sea_and_sky(generator):
    height, width = HEIGHT * SCALE, WIDTH * SCALE
    horizon = HORIZON * SCALE
    rows = np.linspace(0, 1, horizon)[:, None] * np.ones(width)
    sky = blended((70, 130, 200), (190, 215, 235), rows)
    clouds = sum(
        noise(generator, width, horizon, 320 // part, 90 // part) / part for part in (1, 2, 4, 8)
    )
    clouds = np.clip((clouds - 1.05) * 2.2, 0, 0.8)
    sky = sky + (np.array((250, 250, 252)) - sky) * clouds[..., None]
    rows = np.linspace(0, 1, height - horizon)[:, None] * np.ones(width)
    sea = blended((70, 120, 150), (18, 55, 85), rows)
    waves = noise(generator, width, height - horizon, 40, 6) - 0.5
    ripples = noise(generator, width, height - horizon, 14, 3) - 0.5
    sea += ((waves * 46 + ripples * 30) * (0.35 + rows))[..., None]
    return np.concatenate([sky, sea]).clip(0, 255).astype(np.uint8)


def polygon(draw, colour, *points):
    draw.polygon([(x * SCALE, y * SCALE) for x, y in points], fill=colour)


def box(draw, colour, left, top, right, bottom):
    draw.rectangle([left * SCALE, top * SCALE, right * SCALE, bottom * SCALE], fill=colour)


def draw_ship(draw, generator):
    polygon(draw, (40, 52, 70), (70, 262), (575, 262), (600, 245), (556, 330), (96, 330))
    polygon(draw, (150, 45, 40), (91, 318), (562, 318), (556, 332), (96, 332))
    rail = (70, 262), (575, 262), (600, 245), (597, 252), (574, 268), (72, 268)
    polygon(draw, (225, 228, 230), *rail)
    colours = [(178, 60, 48), (52, 92, 140), (205, 150, 60), (70, 120, 88), (150, 150, 155)]
    for column in range(9):
        for row in range(int(generator.integers(2, 5))):
            left, bottom = 205 + column * 38, 261 - row * 17
            colour = colours[int(generator.integers(len(colours)))]
            box(draw, colour, left, bottom - 16, left + 36, bottom)
            for rib in range(4, 36, 6):
                shade = tuple(part * 4 // 5 for part in colour)
                box(draw, shade, left + rib, bottom - 15, left + rib + 1, bottom - 1)
    box(draw, (236, 236, 232), 100, 172, 190, 262)
    box(draw, (244, 244, 240), 92, 160, 196, 176)
    box(draw, (246, 246, 242), 112, 138, 180, 162)
    for floor in range(4):
        for window in range(7):
            left = 108 + window * 11
            box(draw, (50, 62, 78), left, 186 + floor * 19, left + 5, 192 + floor * 19)
    box(draw, (45, 58, 74), 116, 144, 176, 152)
    box(draw, (190, 70, 50), 120, 104, 146, 140)
    box(draw, (35, 38, 44), 120, 104, 146, 112)
    box(draw, (210, 210, 210), 160, 92, 163, 140)
    box(draw, (210, 210, 210), 560, 196, 563, 250)


def main(output):
    generator = np.random.default_rng(7)
    image = Image.fromarray(sea_and_sky(generator))
    draw_ship(ImageDraw.Draw(image), generator)
    pixels = np.asarray(image).astype(float)
    # The hull's reflection, broken by waves.
    top, depth = 331 * SCALE, 70 * SCALE
    share = np.linspace(0.45, 0, depth)[:, None] * noise(generator, WIDTH * SCALE, depth, 50, 8)
    mirrored = pixels[top - depth : top][::-1]
    pixels[top : top + depth] += (mirrored - pixels[top : top + depth]) * share[..., None]
    pixels += generator.normal(0, 5, pixels.shape)
    image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    image = image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    image = image.filter(ImageFilter.GaussianBlur(0.5))
    image.save(output, quality=82)


if __name__ == "__main__":
    main(sys.argv[1])
