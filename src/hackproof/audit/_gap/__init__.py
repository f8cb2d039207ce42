"""`hackproof audit gap`: oracle, human and proxy reward of the same answers, along training."""
