"""A picture-to-picture network in an ONNX file as a stylizer."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    import onnxruntime

#: A network whose input may have any size gets pictures whose sides are multiples of this, as most networks need it.
MULTIPLE = 8
#: The longest side of an input of any size, in pixels.
LONG_SIDE_PX = 512
#: The levels that networks have for black and white, by the name that chooses them.
RANGES = {"1": (0.0, 1.0), "255": (0.0, 255.0), "-1..1": (-1.0, 1.0)}
#: A picture as networks are trained on has at least this much contrast; of an answer in 0..1 less is left beyond it.
BEYOND = 1.5


class OnnxStylizer:
    """A network with one input, the picture, or with two, the picture and the style. Both are 1 3 H W, float32, RGB.

    Its levels are 0..1, 0..255 or -1..1. A network with one input has one style, and ignores the one that is chosen.
    """

    def __init__(self, file: Path, levels: str = "") -> None:
        """`levels` is one of RANGES; without it, they are found out by a trial.

        Raises ValueError with a sentence if onnxruntime is missing, or if the network is not such a one.
        """
        self._name = file.name
        self._session = _session(file)
        self.model_version = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) not in (1, 2) or not outputs:
            raise ValueError(f"{self._name} has {len(inputs)} inputs; a stylizer has a picture, and maybe a style")
        self._inputs = [(each.name, fixed_size(file.name, each.name, each.type, each.shape)) for each in inputs]
        self._has_style = len(inputs) == 2
        if levels and levels not in RANGES:
            raise ValueError(f"the levels of {self._name} must be one of {', '.join(RANGES)}, not {levels}")
        self._range = RANGES[levels] if levels else self._found_range()

    @classmethod
    def of_argument(cls, argument: str) -> "OnnxStylizer":
        """The entry point `onnx`: `FILE`, or `FILE?LEVELS` with LEVELS of RANGES."""
        name, _, levels = argument.partition("?")
        if not name:
            raise ValueError("name the file of the network: --stylizer onnx:model.onnx")
        return cls(Path(name), levels)

    def style(self, picture: np.ndarray) -> np.ndarray:
        """The style picture itself (RGB uint8 H W 3), as this network takes it."""
        return picture

    def follow(
        self, picture: np.ndarray, statistics: np.ndarray, state: None, *, elapsed_s: float
    ) -> tuple[np.ndarray, None]:
        """The stylized picture, RGB uint8, of the size at which the network draws. It remembers nothing."""
        drawn = self._run(picture, statistics, self._range)
        low, high = self._range
        return ((drawn - low) * (255 / (high - low))).clip(0, 255).round().astype(np.uint8), None

    def _run(self, picture: np.ndarray, style: np.ndarray, levels: tuple[float, float]) -> np.ndarray:
        """What the network draws, float32 h w 3 in its own levels. Raises ValueError if that is no picture."""
        given = [picture, style][: len(self._inputs)]
        feed = {name: tensor(each, size, levels) for (name, size), each in zip(self._inputs, given, strict=True)}
        try:
            drawn = self._session.run(None, feed)[0]
        except Exception as error:  # onnxruntime's errors have no common class
            raise ValueError(f"{self._name} cannot run: {str(error).splitlines()[0][:160]}") from error
        if drawn.ndim != 4 or drawn.shape[:2] != (1, 3):
            raise ValueError(f"{self._name} answers with the shape {list(drawn.shape)}, not 1 3 H W")
        if not np.isfinite(drawn).all():
            raise ValueError(f"{self._name} answers with numbers that are not finite")
        return np.asarray(drawn[0].transpose(1, 2, 0), np.float32)

    def _found_range(self) -> tuple[float, float]:
        """The levels of a network that does not say them, from what it draws of a trial picture in 0..1."""
        drawn = self._run(TRIAL, TRIAL, RANGES["1"])
        if drawn.max() > BEYOND:
            return RANGES["255"]
        return RANGES["-1..1"] if drawn.min() < -0.5 else RANGES["1"]


#: A grey wedge in three colours, RGB uint8 64 64 3.
TRIAL = np.stack(np.broadcast_arrays(*np.ogrid[0:256:4, 0:256:4], np.full((64, 64), 128)), -1).astype(np.uint8)


def _session(file: Path) -> "onnxruntime.InferenceSession":
    try:
        import onnxruntime  # an extra
    except ImportError:
        raise ValueError("an ONNX network needs onnxruntime: pip install 'mvstylizer[onnx]'") from None
    if not file.is_file():
        raise ValueError(f"{file} is not a file")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # more threads than free cores make it several times slower
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common class
        raise ValueError(f"{file} is not a network that onnxruntime can run") from error


def fixed_size(file: str, name: str, kind: str, shape: list) -> tuple[int, int] | None:
    """The height and width of an input, or None if it takes any. Raises ValueError for what is no picture."""
    fits = len(shape) == 4 and shape[0] in (1, None) or isinstance(shape[0], str)
    if kind != "tensor(float)" or not fits or len(shape) != 4 or shape[1] != 3:
        raise ValueError(f"input {name} of {file} is a {kind} of shape {shape}, not float32 1 3 H W")
    height, width = shape[2:]
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None


def tensor(picture: np.ndarray, size: tuple[int, int] | None, levels: tuple[float, float]) -> np.ndarray:
    """A picture (RGB uint8 H W 3) as float32 1 3 H W in some levels, at a size (height, width) or near its own."""
    height, width = size or network_size(*picture.shape[:2])
    low, high = levels
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.ascontiguousarray((small * ((high - low) / 255) + low).transpose(2, 0, 1)[None])


def network_size(height: int, width: int) -> tuple[int, int]:
    """Height and width, multiples of MULTIPLE and at most LONG_SIDE_PX, at which a picture is shown to a network."""
    scale = min(1.0, LONG_SIDE_PX / max(height, width))
    return max(1, round(height * scale / MULTIPLE)) * MULTIPLE, max(1, round(width * scale / MULTIPLE)) * MULTIPLE
