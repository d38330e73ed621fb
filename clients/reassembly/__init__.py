"""Makes every displayed frame from the last key frame's answer and the optical flow since then.

It imports nothing of ours; the headless client and the file commands import it.
"""
