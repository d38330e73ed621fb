"""The one reader and the one writer of video files.

The headless client, the load generator and `workers.files` import it.
"""
