//! The fault simulator: whole runs on the embedded fleet under paused time, with one kind of trouble at one event, and
//! then `resume` until the run has ended. A failing case prints the line that repeats it.
//!
//! `CERTFLEET_SEEDS=2000 cargo test --test simulator` tries more; `CERTFLEET_SEED=17` exactly one.

#![expect(clippy::expect_used, reason = "helpers of tests, outside of #[test] functions")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use certfleet::config::load_playbook;
use certfleet::engine::run::Operator;
use certfleet::engine::{Cancel, Ledger, Recorder, Run, execute, gather, resume};
use certfleet::event::{Event, EventKind};
use certfleet::lab::{Fault, FaultRule, Lab, LabConfig, MemoryFleet, Scenario};
use certfleet::model::exit::RunEnd;
use certfleet::model::{HostFacts, HostName, Inventory, Outcome, RunId, Selector};
use certfleet::plan::{Plan, PlanInput, plan};
use certfleet::remote::Transport;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{sleep, timeout};

type Facts = BTreeMap<HostName, HostFacts>;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// The controller dies.
    Kill,
    /// It dies twice.
    KillTwice,
    /// The host loses its power, and the controller dies.
    Reboot,
    /// The host loses its power; the controller lives.
    RebootAlone,
    /// The connection ends before a command is sent.
    DropBefore,
    /// A command runs, its end is not heard.
    DropAfter,
    /// A command never answers.
    Hang,
    /// The host's disk is full from the start, until a person empties it.
    DiskFull,
}

const TROUBLES: [Trouble; 8] = [
    Trouble::Kill,
    Trouble::KillTwice,
    Trouble::Reboot,
    Trouble::RebootAlone,
    Trouble::DropBefore,
    Trouble::DropAfter,
    Trouble::Hang,
    Trouble::DiskFull,
];

/// One case: everything follows from its seed.
#[derive(Debug, Clone, Copy)]
struct Case {
    trouble: Trouble,
    /// The event at which it strikes.
    at: u64,
    host: usize,
    scenario: Scenario,
}

impl Case {
    fn of(seed: u64) -> Self {
        let mut noise = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0xd1b5_4a32_d192_ed03;
        let mut draw = |below: u64| {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            noise % below
        };
        Self {
            trouble: TROUBLES[usize::try_from(seed % 8).expect("small")],
            at: 2 + draw(150),
            host: usize::try_from(draw(5)).expect("small"),
            scenario: if (seed + seed / 8) % 4 == 3 {
                Scenario::KubeletExpired
            } else {
                Scenario::Seed
            },
        }
    }
}

/// A fleet, a plan, and a ledger on disk.
struct World {
    lab: Lab,
    inventory: Arc<Inventory>,
    transport: Arc<dyn Transport>,
    plan: Plan,
    before: Facts,
    state: tempfile::TempDir,
}

/// How one part of a run ended.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Ended(RunEnd),
    Killed,
}

impl World {
    async fn new(scenario: Scenario) -> Self {
        let config = LabConfig::new(scenario).sized(3, 2);
        let lab = Lab::new(config).expect("a fleet");
        let inventory = Arc::new(lab.inventory());
        let transport: Arc<dyn Transport> = match lab.inventory_hosts().iter().find_map(|h| lab.sudo_password(h)) {
            Some(password) => Arc::new(MemoryFleet::with_password(lab.clone(), password)),
            None => Arc::new(MemoryFleet::new(lab.clone())),
        };
        let clock = lab.clone();
        let before = gather(&transport, &inventory.hosts, &move || clock.wall_clock()).await;
        let plan = plan(&PlanInput {
            inventory: &inventory,
            playbook: &load_playbook("renew").expect("built in"),
            facts: &before,
            limit: &Selector::all(),
            now: lab.wall_clock(),
        });
        assert_eq!(plan.errors().count(), 0);
        let state = tempfile::tempdir().expect("a directory");
        Self {
            lab,
            inventory,
            transport,
            plan,
            before,
            state,
        }
    }

    fn run(&self, recorder: Recorder, facts: Facts) -> Run {
        Run {
            id: RunId::new("sim"),
            inventory: Arc::clone(&self.inventory),
            facts: Arc::new(facts),
            transport: Arc::clone(&self.transport),
            recorder,
            cancel: Cancel::new(),
        }
    }

    fn operator() -> Operator {
        Operator {
            who: "sim@here".to_owned(),
        }
    }

    /// The first part, with the trouble.
    async fn begin(&self, case: Case) -> Part {
        let ledger = Ledger::create(self.state.path(), &RunId::new("sim")).expect("a ledger");
        let (sender, events) = unbounded_channel();
        let lab = self.lab.clone();
        let recorder = Recorder::new(Some(ledger), vec![sender], Arc::new(move || lab.wall_clock()));
        let run = self.run(recorder, self.before.clone());
        let operator = Self::operator();
        self.until(case, events, async {
            execute(&run, &self.plan, &operator).await.expect("a ledger")
        })
        .await
    }

    /// The next part: a new process reads the ledger and asks the hosts.
    async fn go_on(&self, case: Case) -> Part {
        let directory = self.state.path().join("runs/sim");
        let (ledger, events) = Ledger::reopen(&directory).expect("the ledger is whole");
        let clock = self.lab.clone();
        let mut facts = gather(&self.transport, &self.inventory.hosts, &move || clock.wall_clock()).await;
        for (name, now) in &mut facts {
            now.runtime = now.runtime.or(self.before.get(name).and_then(|b| b.runtime));
        }
        let (sender, heard) = unbounded_channel();
        let lab = self.lab.clone();
        let recorder = Recorder::resumed(Some(ledger), &events, vec![sender], Arc::new(move || lab.wall_clock()));
        let run = self.run(recorder, facts);
        let operator = Self::operator();
        self.until(case, heard, async {
            resume(&run, &self.plan, &operator).await.expect("a ledger")
        })
        .await
    }

    /// Drops the run at the event, as `kill -9` would; or only does harm there.
    async fn until(&self, case: Case, mut events: UnboundedReceiver<Event>, run: impl Future<Output = RunEnd>) -> Part {
        let strike = async {
            for _ in 0..case.at {
                if events.recv().await.is_none() {
                    return std::future::pending().await;
                }
            }
            let host = &self.lab.inventory_hosts()[case.host];
            match case.trouble {
                Trouble::Kill | Trouble::KillTwice => return,
                Trouble::Reboot => {
                    self.lab.reboot(host);
                    return;
                }
                Trouble::RebootAlone => self.lab.reboot(host),
                _ => {}
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            () = strike => Part::Killed,
            end = timeout(Duration::from_secs(7200), run) => Part::Ended(end.expect("an end within two hours")),
        }
    }

    fn inject(&self, case: Case) {
        let host = self.lab.inventory_hosts()[case.host].clone();
        let rule = |fault, line: &str| FaultRule {
            host: host.clone(),
            line: line.to_owned(),
            fault,
            times: 1,
        };
        let lines = [
            "systemctl stop kubelet",
            "systemctl start",
            "certfleet:backup",
            "kubeadm",
            "systemctl stop docker",
            "certfleet:kubelet-client",
        ];
        let line = lines[usize::try_from(case.at).expect("small") % lines.len()];
        match case.trouble {
            Trouble::DropBefore => self.lab.inject(rule(Fault::DropBefore, line)),
            Trouble::DropAfter => self.lab.inject(rule(Fault::DropAfter, line)),
            Trouble::Hang => self.lab.inject(rule(Fault::Hang, line)),
            Trouble::DiskFull => self.lab.fill_disk(&host, true),
            _ => {}
        }
    }

    fn events(&self) -> Vec<Event> {
        Ledger::read(&self.state.path().join("runs/sim")).expect("the ledger is whole")
    }
}

/// A whole case; `Err` is what is wrong.
async fn play(case: Case) -> Result<(), String> {
    let world = World::new(case.scenario).await;
    world.inject(case);
    let mut part = world.begin(case).await;
    world.lab.fill_disk(&world.lab.inventory_hosts()[case.host], false);
    let calm = Case {
        trouble: if case.trouble == Trouble::KillTwice {
            Trouble::Kill
        } else {
            Trouble::DropBefore
        },
        at: case.at / 3 + 1,
        ..case
    };
    for turn in 0..4 {
        if matches!(part, Part::Ended(RunEnd::Succeeded | RunEnd::NothingToDo)) {
            break;
        }
        // A person needs a while; machines come up meanwhile.
        sleep(Duration::from_secs(30)).await;
        let quiet = Case {
            trouble: Trouble::DropBefore,
            ..calm
        };
        part = world.go_on(if turn == 0 { calm } else { quiet }).await;
    }
    sleep(Duration::from_secs(240)).await;
    let events = world.events();
    let rebooted = matches!(case.trouble, Trouble::Reboot | Trouble::RebootAlone);
    if rebooted && part == Part::Ended(RunEnd::GateFailed) {
        // A kubelet that came up by itself before its phase gives its sign of life too early to count. That is an honest
        // stop, as long as the host is named.
        return names_the_host(&world, case, &events);
    }
    if !matches!(part, Part::Ended(RunEnd::Succeeded | RunEnd::NothingToDo)) {
        return Err(format!("it ended as {part:?}\n{}", tail(&events)));
    }
    world
        .lab
        .status()
        .healthy()
        .map_err(|why| format!("{why}\n{}", tail(&events)))?;
    if !world.lab.alarms().is_empty() {
        return Err(format!("a key crossed the wire: {:?}", world.lab.alarms()));
    }
    no_change_twice(case, &events)?;
    workers_after_masters(&world, &events)
}

fn names_the_host(world: &World, case: Case, events: &[Event]) -> Result<(), String> {
    let host = &world.lab.inventory_hosts()[case.host];
    let last = events.iter().rev().find_map(|e| match &e.kind {
        EventKind::GateFailed { reasons, .. } => Some(reasons.iter().all(|r| r.host == *host)),
        _ => None,
    });
    if last == Some(true) {
        return Ok(());
    }
    Err(format!("the gate failed, and not for {host} alone\n{}", tail(events)))
}

fn tail(events: &[Event]) -> String {
    let lines: Vec<String> = events.iter().map(certfleet::report::event_line).collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// A step that changed something is not done again, unless its host was restarted meanwhile.
fn no_change_twice(case: Case, events: &[Event]) -> Result<(), String> {
    let rebooted = matches!(case.trouble, Trouble::Reboot | Trouble::RebootAlone);
    let mut changed = BTreeSet::new();
    for event in events {
        match &event.kind {
            EventKind::StepStarted { step, .. } if changed.contains(step) && !rebooted => {
                return Err(format!("{step} was begun again after it had changed the host"));
            }
            EventKind::StepFinished {
                step,
                outcome: Outcome::Changed { .. },
                ..
            } => {
                changed.insert(step.clone());
            }
            _ => {}
        }
    }
    Ok(())
}

/// No worker is started before every master has passed its gate.
fn workers_after_masters(world: &World, events: &[Event]) -> Result<(), String> {
    let masters: BTreeSet<HostName> = world.inventory.masters().map(|h| h.name.clone()).collect();
    let mut proven = BTreeSet::new();
    for event in events {
        match &event.kind {
            EventKind::GatePassed { phase, hosts, .. } if phase == "start-masters" => {
                proven.extend(hosts.iter().cloned());
            }
            EventKind::StepStarted { phase, step, .. } if phase == "start-workers" && !masters.is_subset(&proven) => {
                return Err(format!("{step} was begun before the masters were proven"));
            }
            _ => {}
        }
    }
    Ok(())
}

async fn all(seeds: impl Iterator<Item = u64>) {
    let mut failed = Vec::new();
    for seed in seeds {
        let case = Case::of(seed);
        if let Err(why) = play(case).await {
            failed.push(format!(
                "CERTFLEET_SEED={seed} cargo test --test simulator seeds   # {case:?}\n{why}"
            ));
        }
    }
    assert!(
        failed.is_empty(),
        "{} cases failed\n{}",
        failed.len(),
        failed.join("\n\n")
    );
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[tokio::test(start_paused = true)]
async fn seeds() {
    if let Some(seed) = number("CERTFLEET_SEED") {
        all(seed..=seed).await;
        return;
    }
    all(0..number("CERTFLEET_SEEDS").unwrap_or(8)).await;
}

/// The controller dies at every event of a run (three of them, unless more was asked for).
#[tokio::test(start_paused = true)]
async fn killed_at_events() {
    let stride = if number("CERTFLEET_SEEDS").is_some() { 1 } else { 57 };
    let mut failed = Vec::new();
    let seed = (1..=170).step_by(stride).map(|at| (at, Scenario::Seed));
    // Within the reissue of five kubelets' certificates.
    let kubelets = (60..=110)
        .step_by(stride / 2 + 1)
        .map(|at| (at, Scenario::KubeletExpired));
    for (at, scenario) in seed.chain(kubelets) {
        let case = Case {
            trouble: Trouble::Kill,
            at,
            host: 0,
            scenario,
        };
        if let Err(why) = play(case).await {
            failed.push(format!("{scenario:?} killed at event {at}: {why}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}
