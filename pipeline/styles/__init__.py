"""The photos whose look is taken: shipped ones and uploads. Imports the contract; everybody above may import it."""
