"""The HTTP server in front of aiohttp: connections, heads, hosts, budgets by address. Imports contract and
monitoring; the gateway imports it."""
