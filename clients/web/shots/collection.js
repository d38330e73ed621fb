/** Decides which photos and videos of this visit are kept in memory. */

/** At most so many are kept, and so many bytes of them; the newest one always is. */
const [MAX_COUNT, MAX_BYTES] = [12, 600_000_000];

/**
 * Which to let go: first those that are saved, the oldest first.
 * @template {{file: {size: number}, isSaved: boolean}} Shot
 * @param {readonly Shot[]} shots the oldest first
 * @returns {Shot[]}
 */
export function surplus(shots) {
  const older = shots.slice(0, -1);
  const candidates = [...older.filter(({ isSaved }) => isSaved), ...older.filter(({ isSaved }) => !isSaved)];
  const gone = [];
  let [count, bytes] = [shots.length, shots.reduce((sum, { file }) => sum + file.size, 0)];
  for (const shot of candidates) {
    if (count <= MAX_COUNT && bytes <= MAX_BYTES) break;
    gone.push(shot);
    count -= 1;
    bytes -= shot.file.size;
  }
  return gone;
}
