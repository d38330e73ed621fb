"""Small tools that know nothing of video or style: budgets, caches, statistics. Imports nothing of ours; everybody may
import it."""
