"""How much may be asked of a hub at once; apart from what keeps to it, so that a command needs no database for it."""

HOUR_MS = 3_600_000
CODE_LASTS_MS = 24 * HOUR_MS
CODE_LASTS_MS_MAX = 30 * CODE_LASTS_MS
NONCES_MAX = 100
