"""`hackproof audit reward-model`: how far a learned reward may be optimised."""
