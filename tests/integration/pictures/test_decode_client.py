"""Real processes that read strangers' pictures may hang, crash or be taken over without harm to the gateway."""

import asyncio
import os
import signal
import subprocess
import sys

import numpy as np
import psutil
import pytest
import pytest_asyncio
from PIL import Image

from pipeline.contract.errors import BadImage, Busy, PictureTooHard
from pipeline.contract.image_codec import decode_image
from pipeline.pictures.decode_client import PictureReader
from support.pictures import bombs
from support.webrtc.peers import until

PHOTO = bombs.encoded(Image.new("RGB", (1500, 1000), "teal"), "JPEG")
#: The real program, but in the place of its decoder it runs the code at the beginning of a file.
TAKEN_OVER = """
from pipeline.pictures import decode_process
honest = decode_process.decode.style_files
def style_files(data):
    if data.startswith(b"run:"):
        exec(data[4:].decode())
    return honest(data)
decode_process.decode.style_files = style_files
decode_process.main()
"""


@pytest_asyncio.fixture
async def reader():
    reader = PictureReader(["-c", TAKEN_OVER])
    yield reader
    reader.close()


async def test_a_photo_becomes_a_style_and_its_thumbnail(reader):
    files = await reader.read(PHOTO)

    assert decode_image(files.style).shape == (683, 1024, 3)
    assert decode_image(files.thumbnail).shape == (160, 240, 3)
    np.testing.assert_allclose(decode_image(files.style).mean((0, 1)), (0, 128, 128), atol=4)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "MPO"])
@pytest.mark.parametrize("turned", [False, True])
async def test_every_kind_is_read_without_opening_a_file(reader, kind, turned):
    exif = Image.Exif()
    if turned:
        exif[0x0112] = 6
    options = {"save_all": True, "append_images": [Image.new("RGB", (30, 20))]} if kind == "MPO" else {}
    picture = bombs.encoded(Image.new("RGB", (60, 40), "teal"), kind, exif=exif, **options)

    files = await reader.read(picture)

    assert decode_image(files.style).shape == ((60, 40, 3) if turned else (40, 60, 3))


@pytest.mark.parametrize(
    ("size", "kind", "options"),
    [
        ((8064, 6048), "JPEG", {}),
        ((8064, 6048), "JPEG", {"progressive": True}),
        ((30_000, 2000), "JPEG", {}),
        ((4032, 3024), "WEBP", {"method": 0}),
        ((3840, 2160), "PNG", {"compress_level": 1}),
        ((4032, 3024), "AVIF", {"speed": 10}),
    ],
    ids=["48 MP JPEG", "48 MP progressive JPEG", "60 MP panorama", "12 MP WebP", "4K PNG", "12 MP AVIF"],
)
async def test_an_honest_photo_fits_into_the_limits(reader, size, kind, options):
    photo = Image.linear_gradient("L").resize(size).convert("RGB")

    assert (await reader.read(bombs.encoded(photo, kind, **options))).style


@pytest.mark.parametrize("data", [b"", b"no picture", PHOTO[:5000], b"\xff\xd8\xff\xe0"])
async def test_what_is_no_picture_gets_its_sentence(reader, data):
    with pytest.raises(BadImage) as refused:
        await reader.read(data)

    assert str(refused.value).endswith(".")


@pytest.mark.parametrize("body", [bytes(10_000_000), b"\xff\xd8\xff" + bytes(9_000_000)])
async def test_large_bodies_pass_without_a_thread(reader, body):
    with pytest.raises(BadImage):
        await reader.read(body)


@pytest.mark.parametrize(
    "attack",
    [
        "while True: pass",
        "[bytearray(1 << 20) for _ in range(2000)]",
        "import os; os.kill(os.getpid(), 11)",
        "import time; time.sleep(60)",
        "import os; os._exit(0)",
    ],
)
async def test_a_decoder_that_runs_away_is_stopped_and_the_next_picture_is_read(reader, attack, monkeypatch):
    monkeypatch.setattr("pipeline.pictures.decode_client.WALL_S", 3.0)

    with pytest.raises(PictureTooHard):
        await reader.read(b"run:" + attack.encode())

    assert (await reader.read(PHOTO)).style


@pytest.mark.parametrize(
    "attack",
    [
        "open('/proc/self/environ').read()",
        "import socket; socket.socket()",
        "import os; os.fork()",
        "import subprocess; subprocess.run(['true'])",
        "open('/dev/null', 'w')",
    ],
)
async def test_a_decoder_that_is_taken_over_gets_hold_of_nothing(reader, attack):
    """If one of these attempts worked, there would be another sentence: that this is no picture."""
    if "fork" in attack and os.geteuid() == 0 and not can_become_nobody():
        pytest.skip("root may fork, and this container does not let it become nobody")

    with pytest.raises(BadImage, match="no attack"):
        await reader.read(
            f"run:try: {attack}\n"
            "except OSError as error: raise decode_process.BadImage('no attack.') from error".encode()
        )


async def test_secrets_of_the_environment_stay_in_the_gateway(monkeypatch):
    monkeypatch.setenv("MVS_REDIS_URL", "redis://:secret@redis/0")
    program = TAKEN_OVER.replace(
        "decode_process.main()", "import os\nif not [n for n in os.environ if 'MVS' in n]: decode_process.main()"
    )
    reader = PictureReader(["-c", program])

    assert (await reader.read(PHOTO)).style

    reader.close()


async def test_several_are_read_at_once(reader):
    files = await asyncio.gather(*(reader.read(PHOTO) for _ in range(5)))

    assert len({file.style for file in files}) == 1


async def test_a_process_that_was_killed_is_started_again(reader):
    await reader.read(PHOTO)
    os.kill(reader._running[0].pid, signal.SIGKILL)
    reader._running[0].wait()

    assert (await reader.read(PHOTO)).style


async def test_a_process_that_hangs_is_replaced(reader, monkeypatch):
    await reader.read(PHOTO)
    os.kill(reader._running[0].pid, signal.SIGSTOP)
    monkeypatch.setattr("pipeline.pictures.decode_client.WALL_S", 0.2)
    with pytest.raises(PictureTooHard):
        await reader.read(PHOTO)
    monkeypatch.undo()
    reader._running[0].wait()

    assert (await reader.read(PHOTO)).style


async def test_a_process_that_cannot_start_says_so():
    reader = PictureReader(["-c", "raise SystemExit(1)"])

    with pytest.raises(Busy):
        await reader.read(PHOTO)

    reader.close()


async def test_no_process_and_no_socket_is_left_behind(reader):
    await reader.read(PHOTO)
    process, fds = psutil.Process(reader._running[0].pid), psutil.Process().num_fds()
    for data in (PHOTO, b"x", b"run:while True: pass"):
        try:
            await reader.read(data)
        except BadImage:
            pass

    assert psutil.Process().num_fds() == fds
    await until(lambda: not process.children())
    reader.close()
    assert not process.is_running()


async def test_the_process_ends_with_a_gateway_that_is_killed():
    parent = f"""
import asyncio, sys
from pipeline.pictures.decode_client import PictureReader
reader = PictureReader()
asyncio.run(reader.read({bombs.encoded(Image.new("RGB", (8, 8)), "JPEG")!r}))
print(reader._running[0].pid, flush=True)
sys.stdin.read()
"""
    gateway = subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process = psutil.Process(int(await asyncio.to_thread(gateway.stdout.readline)))

    gateway.kill()
    gateway.communicate()

    await until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)


def can_become_nobody() -> bool:
    return subprocess.run([sys.executable, "-c", "import os; os.setuid(65534)"], capture_output=True).returncode == 0
