/** A thread for the flow, so that the picture never waits for it. Its messages are tracker.js's. */

import { Estimator } from './estimator.js';

const estimator = new Estimator(self.name === 'grid');

self.addEventListener('message', ({ data: { add, remove, frame } }) => {
  if (add) estimator.addKey(add.id, add.luma);
  if (remove) estimator.removeKey(remove.id);
  if (frame) {
    const flow = estimator.estimate(frame.luma, frame.keyId);
    self.postMessage({ frameId: frame.id, keyId: frame.keyId, flow }, [flow.moves.buffer]);
  }
});
