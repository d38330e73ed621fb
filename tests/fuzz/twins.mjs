/**
 * What the page makes of fuzzed bytes: node twins.mjs PAGE-FOLDER < [[target, base64], …] > [verdict, …]
 *
 * Anything that throws ends it: readers in the page return null for what they cannot read.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const load = (name) => import(pathToFileURL(join(process.argv[2], name)).href);
const { ChunkAssembler } = await load('net/chunks.js');
const { stripBits } = await load('capture/frame_strip.js');
const { unpackGrid } = await load('net/grid_codec.js');
const { readAnswer, readGatewayMessage } = await load('net/messages.js');

const VERDICTS = { grid, chunks: answers, answers, words, strip };

const verdicts = [];
for (const [target, text] of JSON.parse(readFileSync(0, 'utf8'))) {
  verdicts.push(await VERDICTS[target](Uint8Array.from(Buffer.from(text, 'base64'))));
}
process.stdout.write(JSON.stringify(verdicts));

/** Three sides, then a packed grid. */
async function grid(bytes) {
  const sides = Array.from({ length: 3 }, (_, side) => ((bytes[side] ?? 0) << 24) >> 24);
  return coefficients(await unpackGrid(sides, bytes.subarray(3)));
}

/** Chunks, each after its u16 length: the frames that come out. */
async function answers(bytes) {
  const assembler = new ChunkAssembler();
  const found = [];
  for (const chunk of split(bytes)) {
    const payload = assembler.push(chunk);
    const frame = payload && (await readAnswer(payload));
    if (frame) found.push([frame.frameId, frame.cut, coefficients(frame.grid)]);
  }
  return found;
}

/** Lines of the control channel: the message in each. */
function words(bytes) {
  const lines = Buffer.from(bytes).toString('latin1').split('\n').slice(0, 32);
  return lines.map((line) => readGatewayMessage(Buffer.from(line, 'latin1').toString('utf8')));
}

function strip(bytes) {
  return stripBits(((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0));
}

function coefficients(grid) {
  return grid && Buffer.from(grid.coefficients.buffer).toString('base64');
}

function split(bytes) {
  const chunks = [];
  for (let at = 0; at + 2 <= bytes.length && chunks.length < 64; ) {
    const length = (bytes[at] << 8) | bytes[at + 1];
    chunks.push(bytes.slice(at + 2, at + 2 + length).buffer);
    at += 2 + length;
  }
  return chunks;
}
