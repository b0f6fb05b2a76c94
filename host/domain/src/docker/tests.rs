//! What is read, what is refused, what is permitted.
