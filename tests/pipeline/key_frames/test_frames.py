"""Frames that threads share, as a key frame that is also asked for previews."""

import subprocess
import sys
import textwrap

#: Prints how many different pictures four threads made of each frame at the same time. PyAV's own methods crash here.
SHARED = """
    from concurrent.futures import ThreadPoolExecutor

    import av
    import numpy as np

    from clients.media.colour import alpha, luma, to_rgb
    from pipeline.key_frames.picker import jpeg_of, thumbnail_of

    noise = np.random.default_rng(0)
    most = 0
    with ThreadPoolExecutor(8) as threads:
        for pixel_format in ["yuv420p"] * 150 + ["yuva420p", "yuv422p10le"] * 50:
            rgb = noise.integers(0, 256, (360, 640, 3), np.uint8)
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=pixel_format)
            made = [threads.submit(jpeg_of, frame, 0, 512) for _ in range(4)]
            others = [threads.submit(function, frame) for function in (to_rgb, alpha, luma, thumbnail_of)]
            most = max(most, len({picture.result() for picture in made}))
            [other.result() for other in others]
    print(most)
"""


def test_threads_that_convert_one_frame_do_not_disturb_each_other():
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(SHARED)], capture_output=True, text=True, timeout=120)

    assert (run.returncode, run.stdout.strip()) == (0, "1"), run.stderr[-2000:]
