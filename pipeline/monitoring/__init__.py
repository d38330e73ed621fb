"""What is measured, and what operators see of it. Imports contract, queues and styles, never the gateway."""
