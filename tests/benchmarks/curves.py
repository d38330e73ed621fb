"""Draws learning curves with OpenCV alone."""

from pathlib import Path

import cv2
import numpy as np

PANEL, MARGIN = (420, 320), (58, 44)
COLOURS = {1: (190, 120, 40), 2: (60, 160, 60), 4: (50, 50, 210)}  # BGR
LINE_COLOURS = (*COLOURS.values(), (140, 60, 140))
INK, PAPER = (60, 60, 60), 255

Curve = list[tuple[int, dict[str, float]]]


def draw(path: Path, curves: dict[int, Curve]) -> None:
    """Total, content and style loss against images per edge, and the total against images of all edges: one PNG.

    Losses are on a logarithmic scale: what matters comes after a steep start.
    """
    panels = [panel(curves, loss, total=False) for loss in ("total", "content", "style")]
    panels.append(panel(curves, "total", total=True))
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.hstack(panels))


def panel(curves: dict[int, Curve], loss: str, *, total: bool) -> np.ndarray:
    """One loss; `total` counts the images of all edges."""
    image = np.full((PANEL[1], PANEL[0], 3), PAPER, np.uint8)
    lines = {
        n: np.array([(images * (n if total else 1), np.log(losses[loss])) for images, losses in curve])
        for n, curve in curves.items()
    }
    points = np.concatenate(list(lines.values()))
    low, high = points.min(0), points.max(0)
    for n, line in lines.items():
        cv2.polylines(image, [places(line, low, high)], False, COLOURS[n], 2, cv2.LINE_AA)
        write(image, f"N = {n}", (PANEL[0] - 112, 66 + 22 * list(lines).index(n)), COLOURS[n])
    frame(image, low, high)
    write(image, f"{loss} loss", (MARGIN[0], 18))
    write(image, "images of all edges" if total else "images per edge", (MARGIN[0] + 100, PANEL[1] - 8))
    return image


def draw_lines(path: Path, panels: list[tuple[str, dict[str, list[tuple[float, float]]]]], across: str) -> None:
    """One panel for each title and its named lines of (x, y), side by side in one PNG; both axes are logarithmic."""
    images = []
    for title, lines in panels:
        image = np.full((PANEL[1], PANEL[0], 3), PAPER, np.uint8)
        logs = {name: np.log(np.array(line)) for name, line in lines.items()}
        points = np.concatenate(list(logs.values()))
        low, high = points.min(0), points.max(0)
        for (name, line), colour in zip(logs.items(), LINE_COLOURS):
            cv2.polylines(image, [places(line, low, high)], False, colour, 2, cv2.LINE_AA)
            write(image, name, (PANEL[0] - 112, 66 + 22 * list(logs).index(name)), colour)
        frame(image, low, high, is_log=True)
        write(image, title, (MARGIN[0], 18))
        write(image, across, (MARGIN[0] + 80, PANEL[1] - 8))
        images.append(image)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.hstack(images))


def places(line: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Pixels of points, with y upwards."""
    size = np.array(PANEL) - 2 * np.array(MARGIN)
    x, y = ((line - low) / np.maximum(high - low, 1e-9) * size).T
    return np.stack((MARGIN[0] + x, PANEL[1] - MARGIN[1] - y), 1).round().astype(np.int32)


def frame(image: np.ndarray, low: np.ndarray, high: np.ndarray, *, is_log: bool = False) -> None:
    """Frame the curves and label the ends of both axes, of which y is logarithmic, and x where `is_log` says so."""
    cv2.rectangle(image, MARGIN, (PANEL[0] - MARGIN[0], PANEL[1] - MARGIN[1]), INK, 1)
    for value, y in ((high[1], MARGIN[1]), (low[1], PANEL[1] - MARGIN[1])):
        write(image, f"{np.exp(value):.2g}" if is_log else f"{np.exp(value):.3f}", (4, y + 5))
    for value, x in ((low[0], MARGIN[0]), (high[0], PANEL[0] - MARGIN[0])):
        write(image, f"{np.exp(value):.2g}" if is_log else f"{value:.0f}", (x - 12, PANEL[1] - MARGIN[1] + 16))


def write(image: np.ndarray, text: str, where: tuple[int, int], colour: tuple[int, int, int] = INK) -> None:
    cv2.putText(image, text, where, cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)
