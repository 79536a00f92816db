"""The benchmark: how many jobs a second, how soon, and what each costs."""
