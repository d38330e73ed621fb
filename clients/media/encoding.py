"""Which encoder writes the pictures of a video, and with which options."""

from dataclasses import dataclass, field, replace
from fnmatch import fnmatch

from av.codec import Codec
from av.codec.codec import UnknownCodecError

from pipeline.contract.errors import BadSetting

#: The pixel format of frames whose planes may be painted; encoders that do not take it take the other one.
PLANES, HARDWARE_PLANES = "yuv420p", "nv12"
BEST_CRF, WORST_CRF = 0, 63
#: Pictures of more pixels are large: the frames that an encoder holds take more memory than anything else.
LARGE_PIXELS = 2560 * 1440


@dataclass(frozen=True, slots=True)
class Encoding:
    """What the user wants; None stands for a default."""

    encoder: str | None = None
    crf: int | None = None  # constant quality; less is better, in the encoder's own numbers
    preset: str | None = None  # how slow and thorough, in the encoder's own words


@dataclass(frozen=True, slots=True)
class VideoEncoder:
    """An encoder of FFmpeg with its options, and the options for what an Encoding names."""

    name: str
    options: dict[str, str]
    quality: tuple[str, ...] = ("crf",)
    speed: str = "preset"
    #: Options for large pictures, unless a preset is wanted.
    sparing: dict[str, str] = field(default_factory=dict)

    @property
    def pixel_format(self) -> str:
        formats = [format_.name for format_ in Codec(self.name, "w").video_formats or ()]
        return PLANES if PLANES in formats or not formats else HARDWARE_PLANES


#: Encoders by their name, or by the names of a family. Without B-frames, players agree on how long a file lasts: until
#: its last picture was shown. libx264 looks ahead at 5 large frames instead of `veryfast`'s 10: in 3840x2160 it takes
#: 120 MB less, for 0.08 dB less and a file that is 0.6 % smaller.
ENCODERS = (
    VideoEncoder("libx264", {"crf": "18", "preset": "veryfast", "bf": "0"}, sparing={"rc-lookahead": "5"}),
    VideoEncoder("libx265", {"crf": "20", "preset": "veryfast", "bf": "0", "x265-params": "log-level=error"}),
    VideoEncoder("libsvtav1", {"crf": "25", "preset": "10"}),
    VideoEncoder("libvpx-vp9", {"crf": "24", "deadline": "realtime", "cpu-used": "5", "row-mt": "1"}, speed="cpu-used"),
    VideoEncoder("*_nvenc", {"rc": "vbr", "cq": "20", "preset": "p4", "bf": "0"}, quality=("cq",)),
    VideoEncoder("*_qsv", {"global_quality": "20", "preset": "veryfast", "bf": "0"}, quality=("global_quality",)),
    VideoEncoder("*_amf", {"rc": "cqp", "qp_i": "20", "qp_p": "20", "preset": "balanced"}, quality=("qp_i", "qp_p")),
)
KNOWN = ", ".join(encoder.name for encoder in ENCODERS)


def encoder_for(wanted: Encoding, default: str, *, pixels: int = 0) -> VideoEncoder:
    """The encoder that is wanted, or else the one named `default`, with its options for so many pixels a picture.

    Raises BadSetting if there is no such encoder in this FFmpeg, or if nothing is known about it.
    """
    name = wanted.encoder or default
    known = next((encoder for encoder in ENCODERS if fnmatch(name, encoder.name)), None)
    if known is None or not _is_there(name):
        raise BadSetting(f"--encoder must be one of {KNOWN}, and in PyAV's FFmpeg, not {name}.")
    options = dict(known.options)
    if wanted.crf is not None:
        options |= dict.fromkeys(known.quality, str(wanted.crf))
    if wanted.preset is not None:
        options[known.speed] = wanted.preset
    elif pixels > LARGE_PIXELS:
        options |= known.sparing
    return replace(known, name=name, options=options)


def check_encoding(wanted: Encoding, *, is_video: bool) -> None:
    """Raise BadSetting for a number out of range, and for anything that is wanted of a folder of PNG frames."""
    if wanted != Encoding() and not is_video:
        raise BadSetting("A folder gets lossless PNG frames: --encoder, --crf and --preset are for videos.")
    if wanted.crf is not None and not BEST_CRF <= wanted.crf <= WORST_CRF:
        raise BadSetting(f"--crf must be {BEST_CRF} to {WORST_CRF}, not {wanted.crf}.")
    if wanted.encoder is not None:
        encoder_for(wanted, wanted.encoder)


def _is_there(name: str) -> bool:
    try:
        return Codec(name, "w").type == "video"
    except UnknownCodecError:
        return False
