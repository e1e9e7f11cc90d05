//! The ledger is the run's memory: what it cannot keep is not done.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use certfleet::engine::ledger::LedgerFile;
use certfleet::engine::{LeaseError, Ledger};
use certfleet::lab::{LabConfig, Scenario};
use certfleet::model::HostName;
use certfleet::model::exit::RunEnd;
use certfleet::remote::Transport;

use crate::harness::{Story, Wish};
use crate::lease::acquire;
use crate::{ran, renew, small};

/// A disk with room for so many more bytes.
#[derive(Debug)]
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        if taken == 0 {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl LedgerFile for Full {
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_stops_the_run_before_the_next_change() {
    let story = Story::new(small());
    let wish = Wish {
        ledger: Some(Ledger::on(Box::new(Full(6000)), PathBuf::from("/state/runs/story"))),
        ..Wish::default()
    };
    let told = story.run_with(&renew(), wish).await;
    assert_eq!(told.end, RunEnd::StepFailed, "{}", told.text());
    assert_eq!(ran(&story, "m1", "systemctl stop"), 0, "{}", told.text());
    assert_eq!(ran(&story, "w1", "systemctl stop"), 0, "{}", told.text());
    assert!(told.next().contains("Free space"), "{}", told.next());
    assert!(
        told.text().contains("\"event\":\"run-finished\""),
        "the screen is told: {}",
        told.text()
    );
}

#[tokio::test(start_paused = true)]
async fn a_master_that_cannot_keep_the_lock_stops_the_run_before_it_begins() {
    let story = Story::new(LabConfig::new(Scenario::Seed).sized(3, 0));
    let transport: Arc<dyn Transport> = Arc::new(story.meddler().clone());
    let full = HostName::new("m2");
    story.lab.fill_disk(&full, true);
    let refused = acquire(&story.lab, &transport, "r1").await;
    let Err(LeaseError::NotKept { why }) = refused else {
        panic!("two of three are a majority, and yet m2 could keep no backup: {refused:?}");
    };
    assert!(why.starts_with("m2: cannot write"), "{why}");
    story.lab.fill_disk(&full, false);
    // What the others gave was given back.
    let lease = acquire(&story.lab, &transport, "r2").await;
    assert!(lease.is_ok_and(|l| l.unfinished.is_empty()));
}
