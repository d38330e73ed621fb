"""A client's connection to a gateway. It imports `pipeline`; the rooms `headless` and `load` import it."""
