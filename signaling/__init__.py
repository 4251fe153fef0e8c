"""One live candidate: messages, the interview's rules and clocks, which recorder holds it."""
