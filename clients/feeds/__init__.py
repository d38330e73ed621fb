"""Where videos come from and go to: files, pipes, networks, cameras. `clients.media` reads and writes them."""
