"""Small tools that have nothing to do with video or styles: budgets, caches and statistics. It imports nothing of ours;
everybody may import it."""
