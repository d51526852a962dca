"""Who may be shown to whom, and why not: rules, compiled predicates, and their numpy oracle."""
