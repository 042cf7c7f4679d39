"""Is it right? Samples, checks, and the comparison that both rest on."""
