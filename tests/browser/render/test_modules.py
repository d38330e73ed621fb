"""The page's JavaScript modules, run in a real browser and compared with their Python twins."""

import base64
import json
import struct
import zlib

import numpy as np
import pytest
from playwright.async_api import Page

from clients.reassembly.grid import IDENTITY, apply_grid
from clients.reassembly.grid_fade import GridFade
from pipeline.contract import frame_strip
from pipeline.contract.chunks import CHUNK_BYTES, to_chunks
from pipeline.contract.grid_codec import MAX_SIDE, pack_grid, unpack_grid
from pipeline.contract.messages import StylizedFrame
from support.browsers.chromium import photo
from support.browsers.in_page import floats, picture, psnr, run, text
from support.pictures.grids import make_grid

pytestmark = pytest.mark.asyncio(loop_scope="module")


def stylized_frame(grid: np.ndarray, frame_id: int = 7) -> StylizedFrame:
    size, packed = grid.shape[1:4], pack_grid(grid)
    return StylizedFrame("s", frame_id, "style-dusk", "edge", "model", True, size, packed, 1.0, 2.0, "")


# The frame-id strip


async def test_every_frame_id_has_the_bits_that_the_gateway_reads(page):
    words = await run(
        page,
        """
      const { stripBits } = await import('/capture/frame_strip.js');
      const words = new Uint32Array(65536).map((_, id) => stripBits(id).reduce((word, bit) => word * 2 + bit, 0));
      return toText(new Uint8Array(words.buffer));
    """,
    )
    bits = np.unpackbits(np.frombuffer(base64.b64decode(words), "<u4").astype(">u4").view(np.uint8)).reshape(-1, 32)

    for frame_id in range(65536):
        assert frame_strip.read(np.where(bits[frame_id], 222, 32).astype(np.uint8)[None]) == frame_id


@pytest.mark.parametrize("width", [128, 202, 360, 640])
async def test_a_stamp_drawn_on_a_canvas_is_read_by_the_gateway(page, width):
    ids = [0, 1, 255, 256, 21845, 32767, 65535]

    strips = await run(
        page,
        """
      const { STRIP_ROWS, drawStrip } = await import('/capture/frame_strip.js');
      const context = new OffscreenCanvas(width, STRIP_ROWS + 8).getContext('2d');
      return ids.map((id) => {
        drawStrip(context, id, width, 8);
        return toText(context.getImageData(0, 8, width, STRIP_ROWS).data);
      });
    """,
        ids=ids,
        width=width,
    )

    rows = [np.frombuffer(base64.b64decode(strip), np.uint8).reshape(-1, width, 4)[..., 1] for strip in strips]
    assert [len(strip) for strip in rows] == [frame_strip.STRIP_ROWS] * len(ids)
    assert [frame_strip.read(strip) for strip in rows] == ids


async def test_a_frame_is_newer_across_the_wrap_of_the_ids(page):
    pairs = [(1, 0), (0, 1), (5, 5), (3, 65530), (65530, 3)]

    newer = await run(
        page,
        """
      const { isNewer } = await import('/capture/frame_strip.js');
      return pairs.map(([a, b]) => isNewer(a, b));
    """,
        pairs=pairs,
    )

    assert newer == [True, False, False, True, False]


async def test_the_sent_picture_is_small_even_stamped_and_remembered(page):
    sizes = [(1920, 1080), (1080, 1920), (641, 359), (320, 240)]

    sent = await run(
        page,
        """
      const { SentPicture } = await import('/capture/sender.js');
      const announced = [];
      const sender = new SentPicture(true, (width, height) => announced.push([width, height]));
      for (const [index, [width, height]] of sizes.entries()) {
        const source = Object.assign(document.createElement('canvas'), { width, height });
        for (let frame = 0; frame < 500; frame++) sender.take({ source, width, height }, 1000 * index + frame);
      }
      const times = [0, 975, 976, 1999].map((id) => sender.takenAt(id) ?? null);
      const tracks = sender.stream.getVideoTracks().length;
      sender.destroy();
      return { announced, times, tracks };
    """,
        sizes=sizes,
    )

    assert sent["announced"] == [[640, 360], [360, 640], [640, 358], [320, 240]]
    assert sent["times"] == [None, None, 1476, 3499]  # the newest 1024 of 2000
    assert sent["tracks"] == 1


# The frames channel


async def test_chunks_of_two_messages_join_in_any_order(page):
    grids = [make_grid(seed=1), make_grid((4, 16, 9), seed=2)]
    chunks = [c for n, grid in enumerate(grids) for c in to_chunks(n, stylized_frame(grid, 40 + n))]
    order = np.random.default_rng(0).permutation(len(chunks))

    frames = await run(
        page,
        """
      const { ChunkAssembler } = await import('/net/chunks.js');
      const { readAnswer } = await import('/net/messages.js');
      const assembler = new ChunkAssembler();
      const payloads = chunks.map((chunk) => assembler.push(bytes(chunk).buffer)).filter(Boolean);
      const frames = await Promise.all(payloads.map(readAnswer));
      return frames.sort((a, b) => a.frameId - b.frameId).map(({ grid, ...header }) =>
        ({ ...header, shape: grid.shape, coefficients: toText(new Uint8Array(grid.coefficients.buffer)) }));
    """,
        chunks=[text(chunks[i]) for i in order],
    )

    for frame, grid, frame_id in zip(frames, grids, (40, 41), strict=True):
        coefficients = np.frombuffer(base64.b64decode(frame.pop("coefficients")), "<f4")
        assert frame == {"frameId": frame_id, "styleId": "style-dusk", "cut": True, "shape": list(grid.shape[1:4])}
        np.testing.assert_array_equal(coefficients, grid.astype(np.float32).ravel())


async def test_hostile_chunks_are_counted_and_change_nothing(page):
    def chunk(message: int, index: int, total: int, payload: bytes = b"x") -> bytes:
        return struct.pack(">IHH", message, index, total) + payload

    hostile = [
        b"",
        b"short",
        chunk(1, 0, 1, b""),
        chunk(1, 1, 1),
        chunk(1, 0, 0),
        chunk(1, 0, 65),
        chunk(1, 0, 65535),
        chunk(1, 0, 1, bytes(CHUNK_BYTES + 1)),
    ]
    repeated = [chunk(2, 0, 2), chunk(2, 0, 2), chunk(2, 1, 3)]

    result = await run(
        page,
        """
      const { ChunkAssembler } = await import('/net/chunks.js');
      const assembler = new ChunkAssembler();
      const buffers = chunks.map((chunk) => bytes(chunk).buffer);
      const joined = [...buffers, 'text', null].map((chunk) => assembler.push(chunk));
      const { malformed } = assembler;
      for (let message = 3; message < 12; message++) assembler.push(bytes(part(message)).buffer);
      return { joined: joined.filter(Boolean).length, malformed, dropped: assembler.dropped };

      function part(message) {
        return btoa(String.fromCharCode(0, 0, 0, message, 0, 0, 0, 2, 120));
      }
    """,
        chunks=[text(data) for data in hostile + repeated],
    )

    assert result == {"joined": 0, "malformed": len(hostile) + 2 + 2, "dropped": 2}  # ten begun, eight kept


async def test_a_message_that_does_not_fit_the_contract_is_no_frame(page):
    def message(header: object, body: bytes = b"") -> bytes:
        head = header if isinstance(header, bytes) else json.dumps(header).encode()
        return struct.pack(">I", len(head)) + head + body

    grid = pack_grid(make_grid((1, 1, 1)))
    good = {"frame_id": 1, "style_id": "s", "grid": [1, 1, 1]}
    bad = [
        b"", b"\xff\xff\xff\xff", struct.pack(">I", 100) + b"{}", message(b"{"), message(b"\xff\xfe"), message([]),
        message(None), message({}), message({**good, "frame_id": "1"}, grid), message({**good, "grid": [1, 1]}, grid),
        message({**good, "grid": [1, 1, 10**9]}, grid), message({**good, "grid": [-1, -1, 1]}, grid),
        message({**good, "grid": "111"}, grid), message(good, grid[:-1]), message(good, grid + b"x"), message(good),
    ]  # fmt: skip
    rng = np.random.default_rng(0)
    bad += [rng.bytes(int(rng.integers(0, 200))) for _ in range(200)]

    read = await run(
        page,
        """
      const { readAnswer } = await import('/net/messages.js');
      return Promise.all(messages.map(async (message) => await readAnswer(bytes(message)) !== null));
    """,
        messages=[text(data) for data in [message(good, grid), *bad]],
    )

    assert read[0] and not any(read[1:])


@pytest.mark.parametrize("size", [(8, 9, 16), (1, 1, 1), (1, 7, 2), (MAX_SIDE, 2, 3)])
async def test_a_packed_grid_is_read_as_python_reads_it(page, size):
    """Python's float16 holds these numbers, which are below 2, exactly."""
    for spread in (0.3, 100):
        packed = pack_grid(np.random.default_rng(1).uniform(-spread, spread, (3, *size, 4)).astype(np.float32))

        read = await run(
            page,
            """
          const { unpackGrid } = await import('/net/grid_codec.js');
          const grid = await unpackGrid(size, bytes(packed));
          return { shape: grid.shape, coefficients: toText(new Uint8Array(grid.coefficients.buffer)) };
        """,
            size=size,
            packed=text(packed),
        )

        coefficients = np.frombuffer(base64.b64decode(read["coefficients"]), "<f4").astype(np.float16)
        np.testing.assert_array_equal(coefficients, unpack_grid(packed, size).ravel())
        assert read["shape"] == list(size)


async def test_bytes_that_are_not_one_packed_grid_of_that_size_are_none(page):
    grid = make_grid((1, 2, 3))
    packed, body = pack_grid(grid), bytes(2 * grid.size)
    bad = [
        b"",
        packed[:-1],
        packed[:20],
        packed + b"x",
        packed + packed,
        packed[:-1] + b"x",
        body,
        grid.tobytes(),
        zlib.compress(body[:-1]),
        zlib.compress(body + b"x"),
        zlib.compress(body)[2:-4],
    ]

    read = await run(
        page,
        """
      const { unpackGrid } = await import('/net/grid_codec.js');
      return Promise.all(packed.map(async (packed) => await unpackGrid([1, 2, 3], bytes(packed)) !== null));
    """,
        packed=[text(data) for data in [packed, *bad]],
    )

    assert read == [True] + len(bad) * [False]


async def test_of_what_would_fill_the_memory_only_the_beginning_is_inflated(page):
    bomb = zlib.compress(bytes(1 << 28), 9)  # 256 MB in 261 KB

    read, inflated = await run(
        page,
        """
      let inflated = 0;
      const Inflater = window.DecompressionStream;
      window.DecompressionStream = class {
        constructor(format) {
          const { readable, writable } = new Inflater(format);
          const count = (part, controller) => { inflated += part.length; controller.enqueue(part); };
          const counting = new TransformStream({ transform: count });
          counting.readable.pipeTo(writable).catch(() => {});
          Object.assign(this, { readable, writable: counting.writable });
        }
      };
      const { unpackGrid } = await import('/net/grid_codec.js');
      const grid = await unpackGrid([8, 9, 16], bytes(bomb));
      window.DecompressionStream = Inflater;
      return [grid, inflated];
    """,
        bomb=text(bomb),
    )

    assert read is None and 0 < inflated < 32 << 10


async def test_control_messages_are_objects_with_a_type(page):
    dropped = {"type": "dropped", "frame_id": 3, "reason": "late"}
    texts = [json.dumps(dropped), "{", "[]", "null", '{"type":3}', "7", None]

    read = await run(
        page,
        """
      const { readGatewayMessage } = await import('/net/messages.js');
      return texts.map((text) => readGatewayMessage(text));
    """,
        texts=texts,
    )

    assert read == [dropped] + [None] * 6


# Looks and renderers

DRAW = """
  const [{ Renderer }, { Renderer2D }, { GridFade }] = await Promise.all(
    ['/render/renderer.js', '/render/renderer2d.js', '/render/grid_fade.js'].map((path) => import(path)));
  const kinds = { Renderer, Renderer2D };
  const source = document.createElement('canvas');
  const image = new ImageData(new Uint8ClampedArray(bytes(rgba)), width);
  Object.assign(source, { width, height: image.height }).getContext('2d').putImageData(image, 0, 0);
  const look = new GridFade();
  look.strength = strength;
  look.arrive(gridOf(size, grid), true);
  const canvas = document.createElement('canvas');
  const renderer = new kinds[kind](canvas);
  renderer.setGrid(look.step());
  renderer.setImage(source, width, image.height);
  renderer.draw(before);
  const drawn = canvas.toDataURL();
  renderer.destroy();
  return drawn;
"""


async def draw(page: Page, kind: str, rgb: np.ndarray, grid: np.ndarray, *, strength=1.0, before=(0, 0)) -> np.ndarray:
    """The picture as a renderer of the page draws it."""
    rgba = np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
    drawn = await run(
        page, DRAW, kind=kind, rgba=text(rgba.tobytes()), width=rgb.shape[1], size=grid.shape[1:4],
        grid=floats(grid), strength=strength, before=list(before),
    )  # fmt: skip
    return picture(drawn)


RENDERERS = pytest.mark.parametrize("kind", ["Renderer", "Renderer2D"])


@RENDERERS
@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
async def test_a_renderer_draws_what_the_grid_says(page, kind, strength):
    content, grid = photo(320, 180), make_grid()

    drawn = await draw(page, kind, content, grid, strength=strength)

    assert psnr(drawn, apply_grid(content, grid, strength=strength)) >= 40
    assert strength == 0 or psnr(drawn, content) < 30


@RENDERERS
@pytest.mark.parametrize("size", [(101, 77), (75, 131)])
@pytest.mark.parametrize("cells", [(1, 1, 1), (3, 5, 2)])
async def test_a_renderer_takes_any_size_of_picture_and_grid(page, kind, size, cells):
    content, grid = photo(*size), make_grid(cells)

    drawn = await draw(page, kind, content, grid)

    assert psnr(drawn, apply_grid(content, grid)) >= 40


@RENDERERS
@pytest.mark.parametrize("before", [(0, 0.25), (0.5, 1), (0, 1)])
async def test_a_renderer_leaves_the_part_before_untouched(page, kind, before):
    content, grid = photo(320, 180), make_grid()
    left, right = (round(320 * edge) for edge in before)

    drawn = await draw(page, kind, content, grid, before=before)

    styled = apply_grid(content, grid)
    styled[:, left:right] = content[:, left:right]
    np.testing.assert_array_equal(drawn[:, left:right], content[:, left:right])
    assert psnr(drawn, styled) >= 40


async def test_the_shader_turns_the_bands_of_a_smooth_sky_into_grain(page):
    sky, grid = np.full((64, 640, 3), 90, np.uint8), np.repeat(np.array(IDENTITY), 2, 3)
    grid[:, :, :, 1, 3] = 6 / 255  # it becomes lighter to the right, by six levels

    drawn, banded = await draw(page, "Renderer", sky, grid), apply_grid(sky, grid)

    smooth = 90 + 6 * (np.arange(320) + 0.5) / 320
    off = [np.abs(shown[:, 160:480, 0].mean(0) - smooth).mean() for shown in (drawn, banded)]
    assert off[0] < 0.5 * off[1]


async def test_without_webgl2_a_picture_is_drawn_small(page):
    content, grid = photo(1280, 720), make_grid()

    drawn = await draw(page, "Renderer2D", content, grid)

    assert drawn.shape == (180, 320, 3)
    assert psnr(drawn, apply_grid(photo(320, 180), grid)) > 25  # the two sides scale pictures in different ways


async def test_a_look_fades_as_its_python_twin_does(page):
    content, grids = photo(64, 36), [make_grid((2, 2, 3), seed) for seed in range(3)]
    arrivals = {0: (0, True), 2: (1, False), 5: (2, False), 20: (0, True), 24: (1, False)}  # step: grid, cut
    twin, wanted = GridFade(), []
    for step in range(36):
        if step in arrivals:
            index, cut = arrivals[step]
            twin.arrive(grids[index], cut=cut)
        wanted.append(apply_grid(content, twin.step()))

    shown = await run(
        page,
        """
      const { GridFade } = await import('/render/grid_fade.js');
      const [look, shown] = [new GridFade(), []];
      for (let step = 0; step < 36; step++) {
        const [index, cut] = arrivals[step] ?? [];
        if (index !== undefined) look.arrive(gridOf([2, 2, 3], grids[index]), cut);
        const grid = look.step();
        shown.push(grid && { shape: grid.shape, data: toText(new Uint8Array(grid.coefficients.buffer)) });
      }
      return shown;
    """,
        grids=[floats(grid) for grid in grids],
        arrivals={str(step): v for step, v in arrivals.items()},
    )

    drawn_anew = [0, *range(2, 13), 20, *range(24, 32)]
    assert [step for step, grid in enumerate(shown) if grid] == drawn_anew
    for step in drawn_anew:
        coefficients = np.frombuffer(base64.b64decode(shown[step]["data"]), "<f4")
        grid = coefficients.reshape(3, *shown[step]["shape"], 4).astype(np.float16)
        assert psnr(apply_grid(content, grid), wanted[step]) >= 45


async def test_the_first_look_is_shown_at_once(page):
    grid = make_grid((2, 2, 3))

    shown = await run(
        page,
        """
      const { GridFade } = await import('/render/grid_fade.js');
      const look = new GridFade();
      const before = look.step();
      look.arrive(gridOf([2, 2, 3], grid), false);
      return [before, look.step(), look.step()].map((grid) => grid && [...grid.coefficients]);
    """,
        grid=floats(grid),
    )

    assert shown == [[1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0], [float(number) for number in grid.ravel()], None]


@pytest.mark.parametrize("mirrored", [False, True])
async def test_before_is_left_of_the_divider_as_it_is_seen(page, mirrored):
    content, grid = photo(320, 180), make_grid()
    rgba = np.dstack([content, np.full((180, 320), 255, np.uint8)])

    shown = await run(
        page,
        """
      const { Player } = await import('/render/player.js');
      const element = (name, parent) => (parent ?? document.body).appendChild(document.createElement(name));
      const [stage, dock] = [element('main'), element('footer')];
      const picture = element('div', stage);
      const [output, divider] = [element('canvas', picture), element('div', picture)];
      divider.hidden = true;
      const player = new Player({ output, picture, divider, stage, dock });
      player.start();
      player.mirrored = mirrored;
      player.toggleCompare();
      player.arrive(gridOf(size, grid), true);
      const source = Object.assign(document.createElement('canvas'), { width: 320, height: 196 });
      source.getContext('2d').putImageData(new ImageData(new Uint8ClampedArray(bytes(rgba)), 320), 0, 0);
      player.show({ source, width: 320, height: 180 });
      const [shown, snapshot] = [output.toDataURL(), player.snapshot()];
      player.destroy();
      stage.remove();
      dock.remove();
      return { shown, ...snapshot };
    """,
        mirrored=mirrored,
        size=grid.shape[1:4],
        grid=floats(grid),
        rgba=text(rgba.tobytes()),
    )

    before, after = np.split(picture(shown["shown"]), 2, axis=1)[:: -1 if mirrored else 1]
    source, output = picture(shown["source"]), picture(shown["output"])
    np.testing.assert_array_equal(source, content)
    np.testing.assert_array_equal(before, content[:, 160:] if mirrored else content[:, :160])
    np.testing.assert_array_equal(after, output[:, :160] if mirrored else output[:, 160:])
    assert psnr(output, apply_grid(content, grid)) >= 40


async def test_where_drawing_costs_nothing_a_frame_is_drawn_again_along_its_own_flow(page):
    content, grid = photo(320, 180), make_grid((1, 2, 2))
    rgba = np.dstack([content, np.full((180, 320), 255, np.uint8)])

    pictures = await run(
        page,
        """
      const { Player } = await import('/render/player.js');
      const { getParameter } = WebGL2RenderingContext.prototype;
      const drawn = [];
      for (const gpu of ['a real one', null]) {
        if (gpu) WebGL2RenderingContext.prototype.getParameter = () => gpu;
        else WebGL2RenderingContext.prototype.getParameter = getParameter;
        const [output, picture, divider, stage, dock] = ['canvas', 'div', 'div', 'main', 'footer'].map(
          (name) => document.createElement(name));
        divider.hidden = true;
        const player = new Player({ output, picture, divider, stage, dock });
        player.arrive(gridOf([1, 2, 2], grid), true);
        const source = Object.assign(document.createElement('canvas'), { width: 320, height: 196 });
        source.getContext('2d').putImageData(new ImageData(new Uint8ClampedArray(bytes(rgba)), 320), 0, 0);
        player.show({ source, width: 320, height: 180 });
        const before = output.toDataURL();
        player.follow({ width: 1, height: 1, normalizedFlow: new Float32Array([0.5, 0, 1, 0]) });
        drawn.push([before, output.toDataURL()]);
        player.destroy();
      }
      return drawn;
    """,
        grid=floats(grid),
        rgba=text(rgba.tobytes()),
    )

    (before, after), (software, still) = pictures
    assert psnr(picture(before), apply_grid(content, grid)) >= 40 and psnr(picture(after), picture(before)) < 35
    assert software == still


# Waiting and counting


async def test_a_connection_that_was_made_is_kept_until_it_is_out_of_reach(page):
    """The server's first checks may reach us before its answer does, so that `connecting` comes early."""
    tab = await page.context.browser.new_page()
    await tab.goto(page.url)

    waiting, reason = await run(
        tab,
        """
      const timers = new Map();
      window.setTimeout = (action, delay, ...values) => timers.set(timers.size + 1, { action, delay, values }).size;
      window.clearTimeout = (id) => { if (timers.has(id)) timers.set(id, {}); };
      let peer;
      window.RTCPeerConnection = class extends EventTarget {
        iceGatheringState = 'complete';
        localDescription = { sdp: '' };
        constructor() { super(); peer = this; }
        createDataChannel() { return new EventTarget(); }
        addTransceiver() { return {}; }
        async setLocalDescription() {}
        async setRemoteDescription() {}
        become(connectionState) {
          this.connectionState = connectionState;
          this.dispatchEvent(new Event('connectionstatechange'));
        }
      };
      window.fetch = async (path) => {
        if (path === '/offer') peer.become('connecting');
        return { ok: true, json: async () => ({}) };
      };
      const { Connection } = await import('/net/connection.js');
      const connection = new Connection({});

      await connection.start({ getVideoTracks: () => [] }, {});
      peer.become('connected');
      const waiting = [...timers.values()].flatMap(({ values }) => values ?? []);
      peer.become('disconnected');
      const { action, values } = [...timers.values()].pop();
      action(...values);
      return [waiting, await connection.lost];
    """,
    )
    await tab.close()

    assert waiting == ["The server was reached, and has said nothing."]  # until its first message
    assert reason == "The server is out of reach."


async def test_answers_are_handed_on_in_their_order_and_none_once_the_session_is_over(page):
    """The first answer is large, and takes longer to unpack than the next ones."""
    tab = await page.context.browser.new_page()
    await tab.goto(page.url)
    answers = [stylized_frame(make_grid(size), n) for n, size in enumerate([(16, 32, 32), (1, 1, 1), (1, 1, 1)])]

    taken, malformed = await run(
        tab,
        """
      const [taken, channels] = [[], {}];
      let [malformed, unpacked] = [0, 0];
      window.DecompressionStream = class extends DecompressionStream {
        constructor(format) { super(format); unpacked += 1; }
      };
      window.RTCPeerConnection = class extends EventTarget {
        iceGatheringState = 'complete';
        localDescription = { sdp: '' };
        createDataChannel(name) { return channels[name] = new EventTarget(); }
        addTransceiver() { return {}; }
        async setLocalDescription() {}
        async setRemoteDescription() {}
        close() {}
      };
      window.fetch = async () => ({ ok: true, json: async () => ({}) });
      const { Session } = await import('/net/session.js');
      const session = new Session(async () => ({ stream: { getVideoTracks: () => [] } }), {
        onConnecting() {},
        onStylized: ({ frameId }) => taken.push(frameId),
        onMalformed: () => { malformed += 1; },
      });
      const receive = (data) => channels.frames.dispatchEvent(new MessageEvent('message', { data }));
      const until = async (done) => { while (!done()) await new Promise((next) => { setTimeout(next); }); };

      session.start();
      await until(() => channels.frames);
      chunks.forEach((chunk) => receive(bytes(chunk).buffer));
      receive('no chunk');
      await until(() => taken.length === 3);
      chunks.forEach((chunk) => receive(bytes(chunk).buffer));
      session.destroy();
      await until(() => unpacked === 6);  // one after the other, so that the two before are done with
      return [taken, malformed];
    """,
        chunks=[text(chunk) for n, answer in enumerate(answers) for chunk in to_chunks(n, answer)],
    )
    await tab.close()

    assert taken == [0, 1, 2] and malformed == 1


async def test_retries_come_later_and_later_and_are_spread(page):
    delays = await run(
        page,
        """
      const { retryDelayMs } = await import('/net/session.js');
      return Array.from({ length: 12 }, (_, attempt) => [retryDelayMs(attempt, 0), retryDelayMs(attempt, 1)]);
    """,
    )

    longest = [most for _, most in delays]
    assert longest[:4] == [500, 1000, 2000, 4000] and longest[-1] == 4000
    assert all(least == most / 2 for least, most in delays)


async def test_stats_count_frames_and_the_age_of_the_look(page):
    empty, busy, later = await run(
        page,
        """
      const { Stats } = await import('/live/stats.js');
      const stats = new Stats();
      const empty = stats.snapshot(0);
      for (let frame = 0; frame <= 90; frame++) stats.frame(1000 + (frame * 1000) / 30);
      stats.keyFrame(3800, 3900);
      const busy = stats.snapshot(4000);
      stats.keyFrame(undefined, 4000);
      return [empty, busy, stats.snapshot(9000)];
    """,
    )

    assert (empty["fps"], empty["keyFrames"], empty["keyFrameAgeMs"], empty["roundTripMs"]) == (0, 0, None, None)
    assert busy["fps"] == pytest.approx(30) and busy["keyFrames"] == 1
    assert (busy["keyFrameAgeMs"], busy["roundTripMs"]) == (200, 100)
    assert (later["fps"], later["keyFrames"], later["keyFrameAgeMs"]) == (0, 2, None)
