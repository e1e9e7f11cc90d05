//! An embedded fleet.
