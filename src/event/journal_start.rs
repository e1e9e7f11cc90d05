//! Where the reading of a kubelet's journal began, and whether a gate has judged what it found there.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::HostName;
use crate::model::gate::ProbeSpec;

use super::kinds::GateReason;

/// By phase and host.
pub(super) type JournalStarts = BTreeMap<(String, HostName), JournalStart>;

/// As it was noted before a phase's first step on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalStart {
    /// journald's; `None`: not got.
    pub cursor: Option<String>,
    /// The host's clock.
    pub since: Timestamp,
    /// When a gate failed over what was read from here. A person was told, and may have mended it since: what stands in the journal up
    /// to then must not stop the run a second time.
    pub judged: Option<Timestamp>,
}

/// A gate failed at `at`.
pub(super) fn judge(starts: &mut JournalStarts, phase: &str, reasons: &[GateReason], at: Timestamp) {
    for reason in reasons.iter().filter(|r| r.probe == ProbeSpec::KubeletJournal.name()) {
        if let Some(start) = starts.get_mut(&(phase.to_owned(), reason.host.clone())) {
            start.judged = Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_gate_that_stopped_at_this_journal_has_judged_it() {
        let at = Timestamp::from_second(1_600_000_000).unwrap();
        let key = |host: &str| ("start-workers".to_owned(), HostName::new(host));
        let start = JournalStart {
            cursor: None,
            since: at,
            judged: None,
        };
        let mut starts = JournalStarts::from([(key("w1"), start.clone()), (key("w2"), start)]);
        let reason = |host: &str, probe: &str| GateReason {
            host: HostName::new(host),
            probe: probe.to_owned(),
            last: "not_yet_valid".to_owned(),
            remedy: None,
        };
        let reasons = [reason("w1", "kubelet-journal"), reason("w2", "endpoint")];
        judge(&mut starts, "start-workers", &reasons, at);
        assert_eq!(starts[&key("w1")].judged, Some(at));
        assert_eq!(starts[&key("w2")].judged, None);
        judge(&mut starts, "start-masters", &[reason("w2", "kubelet-journal")], at);
        assert_eq!(starts[&key("w2")].judged, None, "another phase's");
    }
}
