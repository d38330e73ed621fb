"""A client's end of the wire. Imports the pipeline; the headless client and the load generator import it."""
