"""Makes every displayed frame from the last key frame's answer and optical flow. Imports nothing of ours; the headless
client and the file commands import it."""
