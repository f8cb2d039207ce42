"""`hackproof audit judge`: what a judge's verdicts follow beside quality."""
