//! Pusher and store: what clients are given, and when. D23 to D33.
