"""Picture files: limits before decoding, and the process that decodes strangers'. Imports the contract; styles and the
gateway import it."""
