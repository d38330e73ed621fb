"""Models of others in the place of model grid: a grid is fitted to what they answer. It imports the grid model."""
