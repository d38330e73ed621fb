"""A virtual camera of this machine, which OBS, Zoom and Meet take for a real one."""

from fractions import Fraction
from typing import TYPE_CHECKING

import av
import numpy as np

from clients.feeds.outputs import Target
from pipeline.contract.errors import MissingExtra, MVStylizerError

if TYPE_CHECKING:
    import pyvirtualcam

#: What to do where there is no virtual camera.
HELP = "On Linux load one with `sudo modprobe v4l2loopback`; on macOS and Windows install OBS, which brings one."


class VirtualCamera:
    """The output of a video to a virtual camera, without its sound."""

    def __init__(self, target: Target, size: tuple[int, int], rate: Fraction) -> None:
        """Raises MissingExtra without pyvirtualcam, and MVStylizerError if there is no such camera."""
        self._camera = _open(target, size, float(rate))

    def blank(self) -> None:
        """It takes no planes."""

    def write(self, picture: np.ndarray | av.VideoFrame, frame: av.VideoFrame) -> None:
        self._camera.send(picture if isinstance(picture, np.ndarray) else picture.to_ndarray(format="rgb24"))

    def packet(self, packet: av.Packet) -> None:
        pass

    def close(self) -> None:
        self._camera.close()

    def abandon(self) -> None:
        self._camera.close()


def _open(target: Target, size: tuple[int, int], rate: float) -> "pyvirtualcam.Camera":
    try:
        import pyvirtualcam  # an extra
    except ImportError:
        raise MissingExtra("pyvirtualcam", "virtual-camera") from None
    try:
        return pyvirtualcam.Camera(*size, rate, device=str(target.path) if target.path else None)
    except (RuntimeError, ValueError) as error:
        reason = str(error).partition(". ")[0].rstrip(".")
        raise MVStylizerError(f"{target.name} cannot be opened: {reason}. {HELP}") from error
