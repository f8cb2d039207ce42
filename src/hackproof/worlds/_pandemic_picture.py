"""The town's evening as a picture, for `hackproof render`."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from hackproof.worlds._pandemic_params import BEDS, PEOPLE, STAGES

if TYPE_CHECKING:
    from hackproof.worlds._pandemic import Pandemic, State
    from hackproof.worlds._pandemic_people import Waves

Colour = tuple[int, int, int]

HIGH, WIDE = 300, 480
PAPER, TRACK, PALE = (250, 250, 248), (229, 230, 226), (150, 152, 152)
INK, FAINT = (52, 54, 58), (112, 114, 116)
BARS = {
    "susceptible": (128, 146, 160),
    "exposed": (226, 178, 60),
    "infected": (226, 122, 44),
    "critical": (204, 48, 44),
    "dead": (34, 34, 38),
    "recovered": (84, 156, 104),
}
"""What the people are counted by, from above to below, and the colour of its bars."""
LIGHTS = ((82, 164, 96), (164, 184, 66), (228, 190, 52), (228, 128, 44), (204, 48, 44))
"""Colour of the light of each stage, 0 to 4."""

LEFT, FULL = 112, 316
"""Column at which bars begin, and pixels of all people."""
TOP, LINE, BAR = 62, 29, 11
"""Row of the first bar, from a line to the next, and pixels of a bar's height."""
LIGHT_ROW, LIGHT_COLUMN, LIGHT_PITCH, RADIUS = 27, 262, 40, 14
BED_TOP, BED_WIDE, BED_HIGH, BED_PITCH = 243, 26, 16, 32
DAYS_TOP, DAYS_HIGH = 281, 7


def draw(world: Pandemic, state: State) -> np.ndarray:
    """Return the stage, the people, the beds and the day, (300, 480, 3) uint8.

    Of the five lights that of the stage in force is lit. Beside each name the upper bar is wave
    1 and the lower, paler one wave 2; the number at its end is people. A bed with a patient is
    red, and each further red square is a critical person without a bed: beds are given the day
    after, so there may be some while beds are free. The bar below is how much of the episode
    has passed.

    Args:
        world: Its horizon scales the days.
        state: One environment's state.
    """
    image = _empty().copy()
    stage, day = int(state.stage), int(state.day)
    texts = [((14, 13), f"day {day}", 22, INK)]
    _disc(image, LIGHT_ROW, LIGHT_COLUMN + stage * LIGHT_PITCH, RADIUS, LIGHTS[stage])
    texts += [
        ((LIGHT_COLUMN + i * LIGHT_PITCH - 4, LIGHT_ROW - 8), str(i), 14, PAPER if lit else PALE)
        for i in range(STAGES)
        for lit in [i == stage]
    ]
    for line, (name, counts) in enumerate(people(state.waves).items()):
        for wave in (0, 1):
            row = TOP + line * LINE + wave * (BAR + 1)
            number = round(float(counts[wave]))
            colour = _pale(BARS[name]) if wave else BARS[name]
            image[row : row + BAR, LEFT : LEFT + _width(number)] = colour
            texts.append(((LEFT + FULL + 8, row - 1), str(number), 10, INK))
    _hospital(image, int(np.sum(state.waves.bed)), int(np.sum(state.waves.waiting)))
    passed = round(FULL * min(day / world.horizon, 1.0))
    image[DAYS_TOP : DAYS_TOP + DAYS_HIGH, LEFT : LEFT + passed] = PALE
    return _written(image, texts)


def people(waves: Waves) -> dict[str, np.ndarray]:
    """Return how many people are what, by the names of `BARS`; (2,) each, a wave's sum is 500.

    The infected are those who are infectious and not critical, ill or not.
    """
    infectious = (waves.quiet, waves.early, waves.without, waves.ill)
    return {
        "susceptible": np.asarray(waves.susceptible),
        "exposed": np.asarray(waves.exposed),
        "infected": np.sum([np.asarray(part) for part in infectious], axis=(0, 2)),
        "critical": np.asarray(waves.waiting) + np.asarray(waves.bed),
        "dead": np.asarray(waves.dead),
        "recovered": np.asarray(waves.recovered),
    }


@functools.cache
def _empty() -> np.ndarray:
    """Return the picture without what changes, (300, 480, 3) uint8."""
    image = np.empty((HIGH, WIDE, 3), np.uint8)
    image[:] = PAPER
    for i in range(STAGES):
        _disc(image, LIGHT_ROW, LIGHT_COLUMN + i * LIGHT_PITCH, RADIUS, TRACK)
    texts = [((LIGHT_COLUMN - 62, LIGHT_ROW - 9), "stage", 14, INK)]
    for line, name in enumerate(BARS):
        row = TOP + line * LINE
        texts.append(((14, row + 4), name, 13, INK))
        for wave in (0, 1):
            top = row + wave * (BAR + 1)
            image[top : top + BAR, LEFT : LEFT + FULL] = TRACK
    texts += [((LEFT, TOP - 16), "above wave 1, below wave 2, in people of 500", 10, FAINT)]
    texts += [((14, BED_TOP), "beds", 13, INK), ((14, DAYS_TOP - 5), "days", 13, INK)]
    image[DAYS_TOP : DAYS_TOP + DAYS_HIGH, LEFT : LEFT + FULL] = TRACK
    return _written(image, texts)


def _hospital(image: np.ndarray, taken: int, waiting: int) -> None:
    """Paint the beds, and the critical people without one, in place.

    Args:
        image: (height, width, 3) uint8.
        taken: Beds with a patient; more than five are not drawn.
        waiting: Critical people without a bed; more than fit, 34, are not drawn.
    """
    for i in range(BEDS):
        left = LEFT + i * BED_PITCH
        image[BED_TOP : BED_TOP + BED_HIGH, left : left + BED_WIDE] = PALE
        inside = BARS["critical"] if i < taken else PAPER
        image[BED_TOP + 2 : BED_TOP + BED_HIGH - 2, left + 2 : left + BED_WIDE - 2] = inside
        image[BED_TOP + 4 : BED_TOP + BED_HIGH - 4, left + 4 : left + 8] = TRACK  # the pillow
    begin, side, columns = LEFT + BEDS * BED_PITCH + 6, 6, 17
    for i in range(min(waiting, 2 * columns)):
        top, left = BED_TOP + 1 + i // columns * 8, begin + i % columns * 8
        image[top : top + side, left : left + side] = BARS["critical"]


def _width(number: int) -> int:
    """Return the pixels of a bar, at least 2 so that a single person can be seen."""
    return min(max(round(FULL * number / PEOPLE), 2 * (number > 0)), FULL)


def _pale(colour: Colour) -> Colour:
    """Return a colour two fifths of the way to white."""
    red, green, blue = ((2 * 255 + 3 * part) // 5 for part in colour)
    return red, green, blue


def _disc(image: np.ndarray, row: int, column: int, radius: int, colour: Colour) -> None:
    """Paint a disc with a smooth edge, in place."""
    patch = image[row - radius - 1 : row + radius + 2, column - radius - 1 : column + radius + 2]
    steps = np.arange(-radius - 1, radius + 2)
    share = np.clip(radius + 0.5 - np.hypot(steps[:, None], steps), 0, 1)[..., None]
    patch[:] = np.round(patch + share * (np.array(colour) - patch.astype(float)))


def _written(
    image: np.ndarray, texts: list[tuple[tuple[int, int], str, int, Colour]]
) -> np.ndarray:
    """Return the picture with texts, each at column and row, of a size and colour."""
    from PIL import Image, ImageDraw

    page = Image.fromarray(image)
    pen = ImageDraw.Draw(page)
    for place, text, size, colour in texts:
        pen.text(place, text, fill=colour, font=_font(size))
    return np.array(page)


@functools.cache
def _font(size: int) -> Any:
    """Return Pillow's own font in a size of pixels."""
    from PIL import ImageFont

    return ImageFont.load_default(size)
