//! One deed, one file.
