"""Received video, from the socket to a decoded picture. Imports the contract; the gateway and clients import it."""
