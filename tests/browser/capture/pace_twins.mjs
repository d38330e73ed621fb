// Reads lines of JSON and answers each with what the page's pacer and its look at scene cuts say.
import readline from 'node:readline';
import { FramePacer } from '../../../clients/web/capture/frame_pacer.js';
import { isCut, thumbnailOf } from '../../../clients/web/capture/scene_cut.js';

/** @param {{events: ['frame'|'pace'|'ask'|'begin', number, boolean][]}} request */
function causes({ events }) {
  const pacer = new FramePacer();
  const answers = [];
  for (const [kind, value, cut] of events) {
    if (kind === 'frame') answers.push([pacer.cause(1000 * value, cut), pacer.maxBitsPerS]);
    if (kind === 'pace') pacer.obey({ type: 'pace', fps: value });
    if (kind === 'ask') pacer.obey({ type: 'frame' });
    if (kind === 'begin') pacer.begin();
  }
  return answers;
}

/** @param {{pictures: string[], width: number, height: number}} request consecutive frames, RGBA as base64 */
function cuts({ pictures, width, height }) {
  const thumbnails = pictures.map((text) => thumbnailOf({ data: Buffer.from(text, 'base64'), width, height }));
  return thumbnails.slice(1).map((thumbnail, i) => isCut(thumbnails[i], thumbnail));
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  console.log(JSON.stringify(request.events ? causes(request) : cuts(request)));
}
