//! Events: owned, serialisable, numbered by the recorder alone. The same values go to the ledger, to the screen and to
//! `--output json`.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::exit::RunEnd;
use crate::model::{ExitStatus, HostName, Outcome, RunId, duration};

/// One line of a run's ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Counts from 1 without gaps: a missing number is a damaged ledger.
    pub seq: u64,
    /// The controller's clock.
    pub at: Timestamp,
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened. Every `…Started` has exactly one `…Finished`, `…Passed` or `…Failed`, unless the controller died.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum EventKind {
    RunStarted {
        run: RunId,
        cluster: String,
        playbook: String,
        /// SHA-256 of the plan's canonical JSON; the plan itself lies beside the ledger.
        plan: String,
        /// certfleet's own version.
        version: String,
        /// `user@host` of the controller.
        operator: String,
        hosts: Vec<HostName>,
    },
    /// The run goes on after its controller died or was told to leave, or after a failure was mended.
    RunResumed {
        version: String,
        operator: String,
        /// Steps whose outcome was not known, and what is looked at again because it no longer holds.
        notes: Vec<String>,
    },
    /// The boot id of each host as the run began: what is kept below /run is only as old as that.
    BootsSeen { boots: BTreeMap<HostName, String> },
    /// The end of a kubelet's journal before the first step of a phase; a resumed run reads on from here.
    JournalNoted {
        phase: String,
        host: HostName,
        cursor: Option<String>,
        /// The host's clock then, for a host that does not know the cursor any more.
        since: Timestamp,
    },
    PhaseStarted {
        phase: String,
        hosts: Vec<HostName>,
        outage: bool,
    },
    /// The intent, on disk before the first command is sent.
    StepStarted {
        step: String,
        phase: String,
        host: HostName,
        title: String,
        commands: Vec<String>,
    },
    /// A command of a step ended with a known exit status.
    CommandFinished {
        step: String,
        host: HostName,
        command: String,
        status: ExitStatus,
        /// The end of both streams, redacted and capped.
        output: String,
        #[serde(with = "duration")]
        elapsed: Duration,
    },
    /// An attempt failed and another follows after a pause.
    StepRetried {
        step: String,
        host: HostName,
        why: String,
        #[serde(with = "duration")]
        pause: Duration,
    },
    StepFinished {
        step: String,
        phase: String,
        host: HostName,
        #[serde(flatten)]
        outcome: Outcome,
        #[serde(with = "duration")]
        elapsed: Duration,
    },
    GateStarted {
        phase: String,
        hosts: Vec<HostName>,
        probes: Vec<String>,
        #[serde(with = "duration")]
        timeout: Duration,
    },
    /// What a probe sees now; emitted only when it changed.
    GateProgress {
        phase: String,
        host: HostName,
        probe: String,
        passed: bool,
        detail: String,
    },
    GatePassed {
        phase: String,
        hosts: Vec<HostName>,
        #[serde(with = "duration")]
        elapsed: Duration,
    },
    GateFailed {
        phase: String,
        reasons: Vec<GateReason>,
        #[serde(with = "duration")]
        elapsed: Duration,
    },
    /// From here on the host's node may be under a cordon of this run: said before it is asked for.
    NodeCordoned {
        step: String,
        host: HostName,
        node: String,
        /// The master whose kubectl is used.
        speaker: HostName,
    },
    /// The node is not under a cordon of this run, or not any more.
    NodeReleased {
        step: String,
        host: HostName,
        node: String,
        how: String,
    },
    /// The host takes no further part; the failure budget of the phase allowed it.
    HostExcluded { phase: String, host: HostName, why: String },
    PhaseFinished {
        phase: String,
        #[serde(with = "duration")]
        elapsed: Duration,
    },
    /// Steps in flight are finished, no new one starts. A person asked for it, unless there is another reason.
    StopRequested {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    RunFinished {
        end: RunEnd,
        tally: Tally,
        /// From the first step that takes the API away to the gate that proved it back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        outage_ms: Option<u64>,
        /// What to do now, one sentence each.
        next: Vec<String>,
        #[serde(with = "duration")]
        elapsed: Duration,
    },
}

/// What a failed gate saw last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateReason {
    pub host: HostName,
    pub probe: String,
    pub last: String,
    pub remedy: Option<String>,
}

/// How many steps ended how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    pub changed: u32,
    pub unchanged: u32,
    pub skipped: u32,
    pub failed: u32,
    pub unknown: u32,
}

impl Tally {
    /// Counts one more step.
    pub fn count(&mut self, outcome: &Outcome) {
        *self.slot(outcome) += 1;
    }

    /// Takes a step out again: a resumed run settled or repeated it.
    pub fn uncount(&mut self, outcome: &Outcome) {
        let slot = self.slot(outcome);
        *slot = slot.saturating_sub(1);
    }

    fn slot(&mut self, outcome: &Outcome) -> &mut u32 {
        match outcome {
            Outcome::Changed { .. } => &mut self.changed,
            Outcome::Unchanged { .. } => &mut self.unchanged,
            Outcome::Skipped { .. } => &mut self.skipped,
            Outcome::Failed { .. } => &mut self.failed,
            Outcome::Unknown { .. } => &mut self.unknown,
        }
    }
}
