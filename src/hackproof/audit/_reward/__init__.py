"""`hackproof audit reward`: what a Gymnasium environment's reward pays for."""
