//! The output of a command, bounded: the first and the last mebibyte are kept.

use std::collections::VecDeque;

/// Kept from the start and from the end, each.
pub(super) const HALF: usize = 1024 * 1024;

/// One stream.
#[derive(Debug, Default)]
pub(super) struct Capture {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    dropped: bool,
}

impl Capture {
    pub(super) fn push(&mut self, chunk: &[u8]) {
        let room = (HALF - self.head.len()).min(chunk.len());
        let (head, rest) = chunk.split_at(room);
        self.head.extend_from_slice(head);
        self.tail.extend(rest);
        if self.tail.len() > HALF {
            self.dropped = true;
            self.tail.drain(..self.tail.len() - HALF);
        }
    }

    /// The bytes, and whether the middle is missing.
    pub(super) fn finish(mut self) -> (Vec<u8>, bool) {
        self.head.extend(self.tail);
        (self.head, self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_both_ends() {
        let mut capture = Capture::default();
        capture.push(b"first");
        for _ in 0..50 {
            capture.push(&vec![b'x'; HALF / 10]);
        }
        capture.push(b"last");
        let (bytes, truncated) = capture.finish();
        assert!(truncated && bytes.starts_with(b"first") && bytes.ends_with(b"last"));
        assert_eq!(bytes.len(), 2 * HALF);
    }

    #[test]
    fn short_output_is_whole() {
        let mut capture = Capture::default();
        capture.push(b"a");
        capture.push(b"b");
        assert_eq!(capture.finish(), (b"ab".to_vec(), false));
    }
}
