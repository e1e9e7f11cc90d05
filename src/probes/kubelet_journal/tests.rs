//! Small tests of the parsers, the table and the gate's fold.
