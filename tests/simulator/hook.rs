//! What sits between a run and its ledger: trouble strikes exactly when an event is on disk, a dead controller writes
//! nothing more, and every event is a moment to look at the fleet.

use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use certfleet::engine::ledger::LedgerFile;
use certfleet::lab::{Fault, FaultRule, Lab};
use certfleet::model::{Command, HostName, Output};
use certfleet::remote::transport::{Duplex, LineStream};
use certfleet::remote::{RemoteError, Transport};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;
use tokio::sync::Notify;

use crate::case::{Case, Trouble};
use crate::watch::Watch;

const TEN_MINUTES: i64 = 600_000;

/// One controller's life.
#[derive(Debug)]
pub(crate) struct Life {
    lab: Lab,
    case: Case,
    dead: AtomicBool,
    pub(crate) died: Notify,
    /// Events of this life.
    lines: AtomicU64,
    /// It goes on from life to life.
    watch: Arc<Mutex<Watch>>,
}

impl Life {
    /// `watch` has seen what earlier controllers wrote.
    pub(crate) fn new(lab: &Lab, case: Case, watch: &Arc<Mutex<Watch>>) -> Arc<Self> {
        Arc::new(Self {
            lab: lab.clone(),
            case,
            dead: AtomicBool::new(false),
            died: Notify::new(),
            lines: AtomicU64::new(0),
            watch: Arc::clone(watch),
        })
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    /// An event is on disk.
    fn event(&self, line: &[u8]) {
        let event: Value = serde_json::from_slice(line).unwrap_or_default();
        self.watch.lock().expect("no panic").look(&self.lab.status(), &event);
        let line = self.lines.fetch_add(1, Ordering::SeqCst) + 1;
        if line == self.case.at {
            self.strike();
        }
    }

    fn strike(&self) {
        let host = HostName::new(self.case.host);
        let fault = |fault, times| {
            self.lab.inject(FaultRule {
                host: host.clone(),
                line: String::new(),
                fault,
                times,
            });
        };
        match self.case.trouble {
            Trouble::Nothing | Trouble::Kill | Trouble::KillTwice => {}
            Trouble::Reboot | Trouble::RebootAndKill => self.lab.reboot(&host),
            Trouble::DropBefore => fault(Fault::DropBefore, 1),
            Trouble::DropDuring => fault(Fault::DropDuring, 1),
            Trouble::DropAfter => fault(Fault::DropAfter, 1),
            Trouble::Hang => fault(Fault::Hang, 1),
            Trouble::HangForGood => fault(Fault::Hang, u32::MAX),
            Trouble::DiskFull => self.lab.fill_disk(&host, true),
            Trouble::ClockAhead => self.lab.set_clock(&host, TEN_MINUTES),
            Trouble::ClockBehind => self.lab.set_clock(&host, -TEN_MINUTES),
        }
        if self.case.kills() {
            self.dead.store(true, Ordering::SeqCst);
            self.died.notify_one();
        }
    }
}

/// The ledger's file of one life.
#[derive(Debug)]
pub(crate) struct MortalFile {
    pub(crate) file: File,
    pub(crate) life: Arc<Life>,
    pub(crate) torn: bool,
}

impl Write for MortalFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.life.is_dead() {
            self.file.write_all(bytes)?;
            self.life.event(bytes);
        } else if self.life.case.at % 2 == 1 && !std::mem::replace(&mut self.torn, true) {
            self.file.write_all(&bytes[..bytes.len() / 2])?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl LedgerFile for MortalFile {
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The wire of one life: the dead send nothing.
#[derive(Debug)]
pub(crate) struct MortalWire {
    pub(crate) wire: Arc<dyn Transport>,
    pub(crate) life: Arc<Life>,
}

impl MortalWire {
    async fn alive(&self) {
        if self.life.is_dead() {
            std::future::pending::<()>().await;
        }
    }
}

impl Transport for MortalWire {
    fn run<'a>(&'a self, host: &'a HostName, command: &'a Command) -> BoxFuture<'a, Result<Output, RemoteError>> {
        async move {
            self.alive().await;
            self.wire.run(host, command).await
        }
        .boxed()
    }

    fn follow<'a>(
        &'a self,
        host: &'a HostName,
        command: &'a Command,
    ) -> BoxFuture<'a, Result<LineStream, RemoteError>> {
        async move {
            self.alive().await;
            self.wire.follow(host, command).await
        }
        .boxed()
    }

    fn dial<'a>(
        &'a self,
        host: &'a HostName,
        address: &'a str,
        port: u16,
    ) -> BoxFuture<'a, Result<Box<dyn Duplex>, RemoteError>> {
        async move {
            self.alive().await;
            self.wire.dial(host, address, port).await
        }
        .boxed()
    }
}
