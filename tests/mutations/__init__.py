"""Every rule of the house, broken on purpose: a rule that can be broken without a test turning red is no rule."""
