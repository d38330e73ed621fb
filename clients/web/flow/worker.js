/** The worker that computes the flow, so that drawing never waits for it. Its messages are defined in tracker.js. */

import { Estimator } from './estimator.js';

const estimator = new Estimator(self.name === 'grid');

/** @param {MessageEvent<import('./tracker.js').ToWorker>} event */
function onMessage({ data: { add, remove, frame } }) {
  if (add) estimator.addKey(add.id, add.luma);
  if (remove) estimator.removeKey(remove.id);
  if (frame) {
    const flow = estimator.estimate(frame.luma, frame.keyId);
    /** @type {import('./tracker.js').FromWorker} */
    const answer = { frameId: frame.id, keyId: frame.keyId, flow };
    self.postMessage(answer, { transfer: [flow.normalizedFlow.buffer] });
  }
}

self.addEventListener('message', onMessage);
