"""Renders the shipped styles, with the same bytes every time:

uv run python -m pipeline.styles.paint.render [NAME ...]
"""

import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from pipeline.contract.image_codec import encode_jpeg
from pipeline.styles.paint import scenes
from pipeline.styles.paint.brushes import bloom, develop

SIZE = (768, 512)
OVERSAMPLING = 2
JPEG_QUALITY = 85

SCENES: dict[str, Callable[[tuple[int, int]], np.ndarray]] = {
    "autumn": scenes.autumn,
    "dusk": scenes.dusk,
    "golden_hour": scenes.golden_hour,
    "misty_forest": scenes.misty_forest,
    "neon_rain": scenes.neon_rain,
    "night_city": scenes.night_city,
    "snow": scenes.snow,
    "teal_and_orange": scenes.teal_and_orange,
}


def render(name: str) -> np.ndarray:
    """Render the scene with this name, RGB uint8 512 x 768 x 3."""
    width, height = SIZE
    light = SCENES[name]((height * OVERSAMPLING, width * OVERSAMPLING))
    photograph = cv2.resize(bloom(light, 0.6), SIZE, interpolation=cv2.INTER_AREA)
    return develop(photograph, seed=len(name))


def main() -> None:
    for name in sys.argv[1:] or SCENES:
        path = Path(__file__).parent.parent / "pictures" / f"{name}.jpg"
        path.write_bytes(encode_jpeg(render(name), JPEG_QUALITY))
        print(f"{path.name}: {path.stat().st_size // 1000} KB")


if __name__ == "__main__":
    main()
