//! Effects in order.
