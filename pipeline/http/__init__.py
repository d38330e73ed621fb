"""The HTTP server in front of aiohttp: connections, heads, hosts, budgets by address, page files. Imports contract and
monitoring; gateway, styles and workers import it."""
