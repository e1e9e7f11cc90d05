//! The fold of a live kubelet journal into one answer for the gate. Time comes from the caller, so tests need no clock.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::class::{Class, Effect, Verdict};
use super::classify::classify_record;
use super::record::Record;

/// Process exits after which waiting is pointless; a first start may fail once and succeed on retry.
const EXITS: u32 = 4;

/// How much of a line is kept for the person, in characters.
const SHORT: usize = 240;

/// A line worth remembering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Since the gate began.
    pub at: Duration,
    /// What it speaks about.
    pub class: Class,
    /// The line, shortened.
    pub text: String,
}

/// A line that waiting will not clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeverClears {
    /// The line.
    pub seen: Seen,
    /// What to do.
    pub remedy: String,
}

/// The gate's view of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GateView {
    /// Not yet; `reason` is for the person who waits.
    Waiting {
        /// Why not yet.
        reason: String,
    },
    /// Nothing blocking for the quiet period, and a positive sign after the last blocking line.
    Quiet {
        /// The sign.
        positive: String,
    },
    /// It never will.
    Failed {
        /// What was seen.
        reason: String,
        /// What to do.
        remedy: String,
    },
}

/// What has been seen in one kubelet's journal since the step began.
#[derive(Debug, Clone, Default)]
pub struct GateJournal {
    last_block: Option<Seen>,
    last_unreachable: Option<Seen>,
    last_positive: Option<Seen>,
    suppressed: Option<Seen>,
    never_clears: Option<NeverClears>,
    exits: u32,
    /// The lease's time as it was first seen, and when that was.
    beat: Option<(Timestamp, Duration)>,
    counts: BTreeMap<Class, u64>,
}

impl GateJournal {
    /// Folds one record in; `now` is the time since the gate began. Gives the verdict, for the run's events.
    pub fn observe(&mut self, record: &Record, now: Duration) -> Verdict {
        let verdict = classify_record(record);
        *self.counts.entry(verdict.class).or_default() += 1;
        let seen = || Seen {
            at: now,
            class: verdict.class,
            text: shorten(&record.message),
        };
        if verdict.fails_gate_at_once() && self.never_clears.is_none() {
            let remedy = verdict.remedy.unwrap_or_default().to_owned();
            self.never_clears = Some(NeverClears { seen: seen(), remedy });
        }
        match verdict.effect {
            Effect::Block => self.last_block = Some(seen()),
            Effect::Fail => self.exited(seen(), &verdict),
            Effect::Hold if verdict.rule == "suppressed" => self.suppressed = Some(seen()),
            Effect::Hold if verdict.class.is_unreachable() || verdict.rule == "blob" => {
                self.last_unreachable = Some(seen());
            }
            _ if is_proof(&verdict) => self.last_positive = Some(seen()),
            _ => {}
        }
        verdict
    }

    fn exited(&mut self, seen: Seen, verdict: &Verdict) {
        if verdict.rule == "unit-exited" || verdict.rule == "runtime-down" {
            self.exits += 1;
        }
        if self.exits >= EXITS && self.never_clears.is_none() {
            let remedy = verdict.remedy.unwrap_or_default().to_owned();
            self.never_clears = Some(NeverClears {
                seen: seen.clone(),
                remedy,
            });
        }
        // A new process has to prove itself anew.
        self.last_positive = None;
        self.beat = None;
        self.last_block = Some(seen);
    }

    /// The node's lease as the API server shows it at `now`. One that has moved since an earlier look was renewed by this kubelet after that
    /// look: as good a sign as a line, also when the line was written long ago.
    pub fn heartbeat(&mut self, renewed: &Timestamp, now: Duration) {
        let Some((before, looked)) = self.beat.replace((*renewed, now)) else {
            return;
        };
        if before == *renewed {
            return;
        }
        self.last_positive = Some(Seen {
            at: looked,
            class: Class::Registered,
            text: format!("its node's lease was renewed at {renewed}"),
        });
    }

    /// The answer at `now` (since the gate began) for a required quiet period.
    pub fn judge(&self, now: Duration, quiet: Duration) -> GateView {
        if let Some(never) = &self.never_clears {
            let reason = format!("{}: {}", never.seen.class.as_str(), never.seen.text);
            return GateView::Failed {
                reason,
                remedy: never.remedy.clone(),
            };
        }
        match self.disturbed(now, quiet).or_else(|| self.unsigned()) {
            Some(reason) => GateView::Waiting { reason },
            None => GateView::Quiet {
                positive: self
                    .last_positive
                    .as_ref()
                    .map(|seen| seen.text.clone())
                    .unwrap_or_default(),
            },
        }
    }

    /// All has been quiet for long enough, and only a sign that the API server answered is missing.
    pub fn lacks_only_a_sign(&self, now: Duration, quiet: Duration) -> bool {
        self.never_clears.is_none() && self.disturbed(now, quiet).is_none() && self.unsigned().is_some()
    }

    /// Why it has not been quiet for long enough.
    fn disturbed(&self, now: Duration, quiet: Duration) -> Option<String> {
        let recent = |seen: &&Seen| now.saturating_sub(seen.at) < quiet;
        if let Some(block) = self.last_block.as_ref().filter(recent) {
            return Some(format!(
                "{} {} s ago: {}",
                block.class.as_str(),
                now.saturating_sub(block.at).as_secs(),
                block.text
            ));
        }
        if let Some(lost) = self.suppressed.as_ref().filter(recent) {
            return Some(format!(
                "journald dropped lines, so silence proves nothing yet: {}",
                lost.text
            ));
        }
        let away = self.last_unreachable.as_ref().filter(recent)?;
        Some(format!("{}: {}", away.class.as_str(), away.text))
    }

    /// Why nothing shows yet that the API server answered after the last error.
    fn unsigned(&self) -> Option<String> {
        let after = self.last_block.as_ref().map(|block| block.at);
        match &self.last_positive {
            None => Some("no blocking line, but no positive sign either (silence is not proof)".to_owned()),
            Some(sign) if after.is_some_and(|block| sign.at < block) => Some(format!(
                "quiet, but the last positive sign is older than the last error: {}",
                sign.text
            )),
            Some(_) => None,
        }
    }

    /// The last line that keeps the gate shut.
    pub fn last_block(&self) -> Option<&Seen> {
        self.last_block.as_ref()
    }

    /// The last sign that the API server answered this kubelet.
    pub fn last_positive(&self) -> Option<&Seen> {
        self.last_positive.as_ref()
    }

    /// The first line that waiting will not clear.
    pub fn never_clears(&self) -> Option<&NeverClears> {
        self.never_clears.as_ref()
    }

    /// journald's note that lines were dropped.
    pub fn suppressed(&self) -> Option<&Seen> {
        self.suppressed.as_ref()
    }

    /// How many lines of each class were seen.
    pub fn counts(&self) -> &BTreeMap<Class, u64> {
        &self.counts
    }
}

/// Lines that only an API server's answer can bring about: registration, an issued certificate in use, pods listed
/// from the API. That a certificate file is readable (`certificate-expiration`) is positive, but proves no answer.
fn is_proof(verdict: &Verdict) -> bool {
    matches!(verdict.class, Class::Registered | Class::RotationOk) && verdict.effect == Effect::Positive
        || verdict.rule == "syncloop-api"
}

fn shorten(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let count = line.chars().count();
    if count <= SHORT {
        return line.to_owned();
    }
    // The cause stands at the end.
    let head: String = line.chars().take(SHORT / 2).collect();
    let tail: String = line.chars().skip(count - SHORT / 2).collect();
    format!("{head} … {tail}")
}
