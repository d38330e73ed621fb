"""Uses the library without the system: a photo, a model of your own, and loops over a video.

    uv run python docs/how-to/own_model.py OUT.jpg [IN.mp4 OUT.mp4]

The photo is NASA's portrait of Eileen Collins, in the public domain, which comes with scikit-image.
"""

import subprocess
import sys

import cv2
import numpy as np
from skimage.data import astronaut

from clients.reassembly.grid import apply_grid
from edge.any_model.fitted import FittedStylizer
from edge.grid_model.stylizer import GridStylizer
from pipeline.contract.image_codec import decode_image
from pipeline.styles.catalog import find_shipped


class CrossProcess:
    """A model of your own: slide film in the wrong chemicals. It answers with pixels, for any style."""

    model_version = "1"

    def style(self, picture: np.ndarray) -> None:
        """There is only one style."""

    def follow(
        self, picture: np.ndarray, statistics: None, state: None, *, elapsed_s: float
    ) -> tuple[np.ndarray, None]:
        """RGB uint8 H W 3 to the same: an S-curve on red and green, and blue squeezed from both ends."""
        x = picture / np.float32(255)
        red, green, blue = cv2.split(x)
        curved = [channel * channel * (3 - 2 * channel) for channel in (red, green)]
        return (cv2.merge([*curved, 0.2 + 0.55 * blue]) * 255).round().astype(np.uint8), None


def stylize_with_opencv(source: str, out: str, stylizer: GridStylizer, style: object) -> int:
    """Stylize a video with one key frame in ten. Returns the number of frames."""
    video, writer, state, grid, count = cv2.VideoCapture(source), None, None, None, 0
    rate = video.get(cv2.CAP_PROP_FPS)
    while (read := video.read())[0]:
        rgb = cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB)
        if grid is None or count % 10 == 0:
            grid, state = stylizer.follow(rgb, style, state, elapsed_s=10 / rate if count else 0.0)
        if writer is None:
            writer = cv2.VideoWriter(out, cv2.VideoWriter_fourcc(*"mp4v"), rate, rgb.shape[1::-1])
        writer.write(cv2.cvtColor(apply_grid(rgb, grid), cv2.COLOR_RGB2BGR))
        count += 1
    if writer is not None:
        writer.release()
    return count


def stylize_with_ffmpeg(source: str, out: str, size: tuple[int, int], stylizer: GridStylizer, style: object) -> int:
    """The same between two pipes of FFmpeg, which read and write any format. `size` is (width, height)."""
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[0]}x{size[1]}"]
    reader = ["ffmpeg", "-v", "error", "-i", source, *raw, "-"]
    writer = ["ffmpeg", "-v", "error", "-y", *raw, "-r", "25", "-i", "-", "-pix_fmt", "yuv420p", out]
    state, grid, count, length = None, None, 0, size[0] * size[1] * 3
    with (
        subprocess.Popen(reader, stdout=subprocess.PIPE) as frames,
        subprocess.Popen(writer, stdin=subprocess.PIPE) as encoder,
    ):
        assert frames.stdout and encoder.stdin
        while len(data := frames.stdout.read(length)) == length:
            rgb = np.frombuffer(data, np.uint8).reshape(size[1], size[0], 3)
            if grid is None or count % 10 == 0:
                grid, state = stylizer.follow(rgb, style, state, elapsed_s=0.4 if count else 0.0)
            encoder.stdin.write(apply_grid(rgb, grid))
            count += 1
    return count


def main(out: str, *videos: str) -> None:
    photo, dusk = astronaut(), find_shipped("dusk")
    assert dusk

    stylizer = GridStylizer.load()
    style = stylizer.style(decode_image(dusk.jpeg))
    shipped = apply_grid(photo, stylizer.stylize(photo, style))

    own = FittedStylizer(CrossProcess())  # a grid is fitted to its pixels
    grid = own.stylize(photo, own.style(photo))  # it serves any resolution, and following frames
    large = apply_grid(cv2.resize(photo, (1024, 1024), interpolation=cv2.INTER_CUBIC), grid)

    row = np.hstack((photo, shipped, cv2.resize(large, photo.shape[1::-1], interpolation=cv2.INTER_AREA)))
    cv2.imwrite(out, cv2.cvtColor(row, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 88])
    if videos:
        print(f"{stylize_with_opencv(*videos, stylizer, style)} frames.")


if __name__ == "__main__":
    main(*sys.argv[1:])
