//! One host's journal: entries with cursors.

use std::collections::VecDeque;

use jiff::Timestamp;

/// One entry.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) sequence: u64,
    /// The host's wall clock.
    pub(super) at: Timestamp,
    /// Microseconds since boot.
    pub(super) monotonic_us: i64,
    /// `kubelet.service`.
    pub(super) unit: String,
    /// `kubelet`, or `systemd` for what the manager says about the unit.
    pub(super) identifier: String,
    pub(super) pid: u32,
    pub(super) message: Vec<u8>,
}

/// Entries in order, the oldest vacuumed away.
#[derive(Debug, Clone, Default)]
pub(super) struct Journal {
    entries: VecDeque<Entry>,
    next: u64,
    /// `s=` of the cursors.
    id: String,
}

/// Kept entries per host.
const CAPACITY: usize = 20_000;

impl Journal {
    /// An empty journal.
    pub(super) fn new(id: String) -> Self {
        Self { id, ..Self::default() }
    }

    pub(super) fn push(&mut self, mut entry: Entry) {
        self.next += 1;
        entry.sequence = self.next;
        self.entries.push_back(entry);
        if self.entries.len() > CAPACITY {
            self.entries.pop_front();
        }
    }

    /// Entries of some units (empty = all) after a sequence number.
    pub(super) fn after<'a>(
        &'a self,
        sequence: u64,
        units: &'a [String],
    ) -> impl DoubleEndedIterator<Item = &'a Entry> + 'a {
        let start = self.entries.partition_point(|e| e.sequence <= sequence);
        let wanted = move |e: &&Entry| units.is_empty() || units.contains(&e.unit);
        self.entries.range(start..).filter(wanted)
    }

    /// The cursor of an entry, in journald's form.
    pub(super) fn cursor(&self, entry: &Entry, boot: &str) -> String {
        format!(
            "s={};i={:x};b={boot};m={:x};t={:x};x={:016x}",
            self.id,
            entry.sequence,
            entry.monotonic_us,
            entry.at.as_microsecond(),
            entry.sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        )
    }

    /// The sequence number in a cursor.
    pub(super) fn sequence_of(cursor: &str) -> Option<u64> {
        let field = cursor.split(';').find_map(|f| f.trim().strip_prefix("i="))?;
        u64::from_str_radix(field, 16).ok()
    }
}
