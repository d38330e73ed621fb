"""Picture files: limits before decoding, upright sRGB, what else a file carries, the process for strangers' files.
Imports the contract; styles, the gateway, the commands for files and the first training import it."""
