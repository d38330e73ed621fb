"""Python imports this at its start where the folder is on PYTHONPATH: no process then installs parts of ours.

They find an aiortc of a version that they were not tested with.
"""

from pipeline.webrtc.internals import seams

seams.TESTED = {"aiortc": "0.9."}
