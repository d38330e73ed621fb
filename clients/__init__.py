"""Everything that runs on the client: the page, the headless client, the load generator, and what they share."""
