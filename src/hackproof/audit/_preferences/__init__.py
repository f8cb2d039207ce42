"""`hackproof audit preferences`: what preference data teaches, and what was learnt from it."""
