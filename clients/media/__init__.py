"""Video files: one reader and one writer. The headless client, the load generator and workers.files import it."""
