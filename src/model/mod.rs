//! Nouns without I/O.
