"""Who is at the door: second step of signing in, lock-out, saying again who one is, and under whose name
rows change."""
