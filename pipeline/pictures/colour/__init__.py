"""What the numbers in a file mean, and how they become sRGB. Imports nothing of ours; pictures imports it."""
