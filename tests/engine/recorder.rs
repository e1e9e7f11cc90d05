//! The ledger is the run's memory: what it cannot keep is not done.

use std::io::{self, Write};
use std::path::PathBuf;

use certfleet::engine::Ledger;
use certfleet::engine::ledger::LedgerFile;
use certfleet::model::exit::RunEnd;

use crate::harness::{Story, Wish};
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
