"""Servers that give a test a video: by HTTP, and by RTSP as a camera does."""

import contextlib
import functools
import http.server
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
import psutil
from av.container import OutputContainer

from support.pictures.clips import picture


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@contextmanager
def http_server(folder: Path) -> Iterator[str]:
    """A web server of the files in a folder, on loopback; yields its address."""
    with _served(functools.partial(_Quiet, directory=str(folder))) as url:
        yield url


@contextmanager
def _served(handler: Callable[..., _Quiet]) -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def endless_server(file: Path) -> Iterator[tuple[str, list[str]]]:
    """A web server that sends a file like a live stream, without its length; yields its address and what was asked."""
    requests: list[str] = []

    class Handler(_Quiet):
        def do_GET(self) -> None:
            requests.append(self.path)
            self.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Type: video/mp2t\r\n\r\n" + file.read_bytes())

    with _served(Handler) as url:
        yield f"{url}/live.ts", requests


class FfmpegServer:
    """The program ffmpeg as a web server of a live stream on loopback, for one viewer; it can be killed and started."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.url = f"http://127.0.0.1:{free.getsockname()[1]}/live.ts"
        self.start()

    def start(self) -> None:
        made = ["-re", "-f", "lavfi", "-i", "testsrc=s=320x176:r=25", "-f", "lavfi", "-i", "sine=r=48000"]
        sent = ["-c:v", "libx264", "-tune", "zerolatency", "-g", "25", "-pix_fmt", "yuv420p", "-c:a", "aac"]
        output = ["-f", "mpegts", "-listen", "1", self.url]
        self._program = subprocess.Popen(["ffmpeg", "-v", "quiet", "-nostdin", *made, *sent, *output])
        until_s, process = time.monotonic() + 30, psutil.Process(self._program.pid)
        while not process.net_connections():  # it answers one connection only, so none can be made to see
            assert time.monotonic() < until_s, "ffmpeg does not listen"
            time.sleep(0.05)

    def kill(self) -> None:
        self._program.kill()
        self._program.wait()


class RtspCamera:
    """An IP camera on loopback: an RTSP server that sends H.264 by RTP inside the connection, for one viewer.

    It goes on until it is closed; it can fall silent, or break the connection off.
    """

    def __init__(self, size: tuple[int, int] = (320, 176), rate: int = 25) -> None:
        self._size, self._rate = size, rate
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"rtsp://127.0.0.1:{self._listener.getsockname()[1]}/live"
        self.sent = 0
        self._silent, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def fall_silent(self) -> None:
        self._silent.set()

    def break_off(self) -> None:
        self._over.set()

    def close(self) -> None:
        self._over.set()
        self._silent.set()
        self._listener.close()
        self._thread.join(10)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            with connection, connection.makefile("rb") as requests:
                while (method := self._answer(connection, requests)) != "PLAY":
                    if not method:
                        return
                self._play(connection)

    def _answer(self, connection: socket.socket, requests: BinaryIO) -> str:
        """Answer a request; returns its method, or nothing at the end."""
        lines = list(iter(lambda: requests.readline().decode().strip(), ""))
        if not lines:
            return ""
        method = lines[0].split()[0]
        number = next(line.split(":")[1].strip() for line in lines if line.lower().startswith("cseq"))
        extra, body = {"OPTIONS": "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"}.get(method, ""), ""
        if method == "DESCRIBE":
            body = SDP
            extra = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
        if method == "SETUP":
            extra = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
        connection.sendall(f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\nSession: 1\r\n{extra}\r\n{body}".encode())
        return method

    def _play(self, connection: socket.socket) -> None:
        """Encode and send frames in real time. PyAV's packets of RTP come by UDP, and leave inside the connection."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as packets:
            packets.bind(("127.0.0.1", 0))
            packets.setblocking(False)
            url = f"rtp://127.0.0.1:{packets.getsockname()[1]}?rtcpport=9"
            with av.open(url, "w", format="rtp", options={"payload_type": "96"}) as muxer:
                video = muxer.add_stream("libx264", rate=self._rate, options=AS_A_CAMERA)
                video.width, video.height = self._size
                began_s = time.monotonic()
                while not self._over.wait(max(0.0, began_s + self.sent / self._rate - time.monotonic())):
                    self._send(connection, packets, muxer, video)

    def _send(
        self, connection: socket.socket, packets: socket.socket, muxer: OutputContainer, video: av.VideoStream
    ) -> None:
        frame = av.VideoFrame.from_ndarray(picture(self.sent % 100, self._size), format="rgb24")
        frame.pts, frame.time_base = self.sent, Fraction(1, self._rate)
        muxer.mux(video.encode(frame))
        self.sent += 1
        while not self._silent.is_set() and not self._over.is_set():
            try:
                packet = packets.recv(1 << 16)
            except BlockingIOError:
                return
            connection.sendall(b"$\0" + len(packet).to_bytes(2, "big") + packet)


SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=a camera\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
    "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track1\r\n"
)
AS_A_CAMERA = {"tune": "zerolatency", "preset": "ultrafast", "g": "25", "x264-params": "repeat-headers=1:annexb=1"}
