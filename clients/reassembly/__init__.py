"""Every displayed frame from the last key frame's answer and optical flow. Imports the contract; headless client and
file commands import it."""
