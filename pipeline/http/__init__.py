"""The HTTP server in front of aiohttp: limits on connections and requests, checks of headers and hosts, page files. It
imports contract and monitoring; gateway, styles and workers import it."""
