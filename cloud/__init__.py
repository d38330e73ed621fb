"""First training and federated averaging."""
