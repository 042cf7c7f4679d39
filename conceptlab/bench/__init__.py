"""Is it fast? Time and memory of the tiers as multiples of torch's own, on shapes from named networks."""
