"""Recording of what is said: one Ogg Opus track per speaker, as received, in segments, with a sidecar that tells
times."""
