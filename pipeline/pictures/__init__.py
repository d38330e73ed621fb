"""Other people's pictures: limits before decoding, and the process that decodes. Imports the contract; styles and the
gateway import it."""
