"""The style pictures: shipped ones and uploads. It imports the contract; gateway, workers and training import it."""
