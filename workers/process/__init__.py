"""How processes start, watch over each other and end. Imports the contract; every role imports it."""
