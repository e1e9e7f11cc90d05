//! One embedded fleet, one playbook, and everything that was seen.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use certfleet::engine::run::Operator;
use certfleet::engine::{Cancel, Recorder, Run, execute, gather};
use certfleet::event::{Event, EventKind};
use certfleet::lab::{Lab, LabConfig, MemoryFleet};
use certfleet::model::exit::RunEnd;
use certfleet::model::{Inventory, Playbook, RunId, Selector};
use certfleet::plan::{Plan, PlanInput, plan};
use certfleet::remote::Transport;
use jiff::Timestamp;
use tokio::sync::mpsc;

/// No story takes longer than this, in virtual time.
const DEADLINE: Duration = Duration::from_secs(3600);

/// A fleet and the way to it.
pub struct Story {
    pub lab: Lab,
    inventory: Arc<Inventory>,
    transport: Arc<dyn Transport>,
}

/// What a run left behind.
pub struct Told {
    pub end: RunEnd,
    pub plan: Plan,
    pub events: Vec<Event>,
}

impl Story {
    /// A new fleet.
    pub fn new(config: LabConfig) -> Self {
        let lab = Lab::new(config).expect("a fleet");
        let password = lab.inventory_hosts().iter().find_map(|h| lab.sudo_password(h));
        let fleet = match password {
            Some(password) => MemoryFleet::with_password(lab.clone(), password),
            None => MemoryFleet::new(lab.clone()),
        };
        Self { inventory: Arc::new(lab.inventory()), transport: Arc::new(fleet), lab }
    }

    /// The lab's wall clock, which paused time moves.
    fn clock(&self) -> Arc<dyn Fn() -> Timestamp + Send + Sync> {
        let lab = self.lab.clone();
        Arc::new(move || lab.wall_clock())
    }

    /// Gathers, plans and runs.
    pub async fn run(&self, playbook: &Playbook) -> Told {
        let clock = self.clock();
        let facts = gather(&self.transport, &self.inventory.hosts, &*clock).await;
        let limit = Selector::all();
        let plan = plan(&PlanInput { inventory: &self.inventory, playbook, facts: &facts, limit: &limit, now: clock() });
        let errors: Vec<String> = plan.errors().map(|n| format!("{}: {}", n.code, n.message)).collect();
        assert!(errors.is_empty(), "the plan must be free of errors: {errors:#?}");
        let (sender, mut events) = mpsc::unbounded_channel();
        let run = Run {
            id: RunId::new("story"),
            inventory: Arc::clone(&self.inventory),
            facts: Arc::new(facts),
            transport: Arc::clone(&self.transport),
            recorder: Recorder::new(None, vec![sender], clock),
            cancel: Cancel::new(),
        };
        let operator = Operator { who: "test@here".to_owned() };
        let ended = tokio::time::timeout(DEADLINE, execute(&run, &plan, &operator)).await;
        let end = ended.unwrap_or_else(|_| panic!("no end within {DEADLINE:?}")).expect("no ledger to fail");
        drop(run);
        let mut seen = Vec::new();
        while let Ok(event) = events.try_recv() {
            seen.push(event);
        }
        Told { end, plan, events: seen }
    }

    /// Every node Ready, every served certificate the one on disk, and no key was ever shown.
    pub fn assert_healthy(&self) {
        self.lab.status().healthy().expect("a healthy fleet");
        assert!(self.lab.alarms().is_empty(), "private keys crossed the wire: {:?}", self.lab.alarms());
    }

    /// Nothing starts before everything stopped, and no worker before every master.
    pub fn assert_order(&self) {
        let history = self.lab.full_history();
        let times = |what: &str, host: char| {
            let mine = history.iter().filter(|i| i.host.as_str().starts_with(host) && i.command.contains(what));
            mine.map(|i| i.at_ms).collect::<Vec<_>>()
        };
        let all = |what: &str| [times(what, 'm'), times(what, 'w')].concat();
        let last = |times: Vec<i64>| times.into_iter().max().expect("it happened");
        let first = |times: Vec<i64>| times.into_iter().min().expect("it happened");
        assert!(last(all("systemctl stop kubelet")) <= first(all("systemctl stop docker")));
        assert!(last(all("systemctl stop docker")) <= first(all("systemctl start docker")));
        assert!(last(times("systemctl start kubelet", 'm')) <= first(times("systemctl start docker", 'w')));
    }
}

impl Told {
    /// What failed gates saw last.
    pub fn reasons(&self) -> Vec<String> {
        let gates = self.events.iter().filter_map(|e| match &e.kind {
            EventKind::GateFailed { reasons, .. } => Some(reasons),
            _ => None,
        });
        gates.flatten().map(|r| format!("{} {}: {}", r.host, r.probe, r.last)).collect()
    }

    /// Every event, for a failing test.
    pub fn text(&self) -> String {
        let lines: Vec<String> = self.events.iter().map(certfleet::report::event_line).collect();
        let counts: BTreeMap<&str, usize> = self.plan.phases.iter().map(|p| (p.name.as_str(), p.steps.len())).collect();
        format!("{counts:?}\n{}", lines.join("\n"))
    }
}
