//! What all masters said when they were asked for the lock, and whether it may be kept.

use crate::model::{HostName, Output};

use super::ask::{Answer, holder, is_marked, last_end, unfinished};
use super::{Claim, Holder, LeaseError, Seen};

/// The answers to `acquire`, sorted.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Masters that gave the lock.
    pub(super) taken: Vec<HostName>,
    /// Other runs that did not end well.
    pub(super) unfinished: Vec<String>,
    held: Option<Holder>,
    /// An end of a run that was not there when the masters were looked at.
    overtaken: Option<(HostName, String)>,
    /// Of those that gave the lock: how many had no mark of this run.
    unmarked: usize,
    unwritable: Vec<String>,
    troubles: Vec<String>,
}

impl Told {
    pub(super) fn of(answers: Vec<Answer>, seen: &Seen) -> Self {
        let mut told = Self::default();
        for (master, answer) in answers {
            match answer {
                Ok(output) if output.status.success() => told.give(master, &output, seen),
                Ok(output) => match holder(&master, &output) {
                    Some(holder) => told.held = told.held.or(Some(holder)),
                    None => told.unwritable.push(format!("{master}: {}", output.last_line())),
                },
                Err(why) => told.troubles.push(format!("{master}: {why}")),
            }
        }
        told.unfinished.sort();
        told.unfinished.dedup();
        told
    }

    fn give(&mut self, master: HostName, output: &Output, seen: &Seen) {
        self.unfinished.extend(unfinished(output));
        self.unmarked += usize::from(!is_marked(output));
        let last = last_end(output);
        if seen.ends.get(&master).is_some_and(|before| *before != last) {
            self.overtaken = Some((master.clone(), last));
        }
        self.taken.push(master);
    }

    /// What forbids to keep the lock on a cluster of so many masters: the gravest first.
    pub(super) fn judge(&self, claim: &Claim<'_>, of: usize) -> Result<(), LeaseError> {
        let (got, needed) = (self.taken.len(), of / 2 + 1);
        if let Some(holder) = &self.held {
            return Err(LeaseError::Held(Box::new(holder.clone())));
        }
        if !self.unwritable.is_empty() {
            let why = self.unwritable.join("; ");
            return Err(LeaseError::NotKept { why });
        }
        if got < needed {
            let why = self.troubles.join("; ");
            return Err(LeaseError::NoMajority { got, needed, of, why });
        }
        // A run that began has marked a majority: so many without its mark, and some of them were cleared.
        if claim.begun && self.unmarked > of - needed {
            return Err(LeaseError::Over { run: claim.run.clone() });
        }
        let overtaken = self.overtaken.as_ref();
        overtaken.map_or(Ok(()), |(master, last)| Err(overtaken_by(master, last)))
    }
}

/// From `NUMBER<TAB>RUN<TAB>WHO`.
fn overtaken_by(master: &HostName, last: &str) -> LeaseError {
    let mut fields = last.split('\t').skip(1).map(|f| if f.is_empty() { "-" } else { f });
    let mut next = || fields.next().unwrap_or("-").to_owned();
    LeaseError::Overtaken {
        run: next(),
        who: next(),
        master: master.clone(),
    }
}
