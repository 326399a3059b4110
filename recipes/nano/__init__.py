"""The recipe of cheers-nano: the four stages of CHEERS at a scale that two cores can train."""
