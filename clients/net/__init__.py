"""A client's end of the wire. Imports the pipeline's contract and media; headless client and load import it."""
