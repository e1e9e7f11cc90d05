//! One embedded fleet, one playbook, and everything that was seen. Shared by `stories`, `engine` and `scenarios`.

#![expect(
    dead_code,
    unreachable_pub,
    reason = "every test program uses another part of the harness"
)]

#[path = "meddler.rs"]
pub mod meddler;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use certfleet::config::load_playbook;
use certfleet::engine::run::Operator;
use certfleet::engine::{Cancel, Ledger, Recorder, Run, execute, gather, look_alive, resume, shake};
use certfleet::event::{Event, EventKind, RunState};
use certfleet::lab::{Lab, LabConfig, MemoryFleet};
use certfleet::model::exit::RunEnd;
use certfleet::model::{Command, HostFacts, HostName, Inventory, Outcome, Playbook, Role, RunId, Selector};
use certfleet::plan::{Plan, PlanInput, Strategy, choose, plan, plan_chosen};
use certfleet::probes::served::{Endpoint, ServedAnswer, Server};
use certfleet::remote::Transport;
use jiff::Timestamp;
use tokio::sync::mpsc;

use meddler::Meddler;

/// No story takes longer than this, in virtual time.
const DEADLINE: Duration = Duration::from_secs(3600);

/// A fleet and the way to it.
pub struct Story {
    pub lab: Lab,
    inventory: Arc<Inventory>,
    transport: Arc<dyn Transport>,
    meddler: Meddler,
    runs: AtomicU32,
}

/// What was found on the hosts.
pub type Facts = BTreeMap<HostName, HostFacts>;

/// How a run differs from the usual.
#[derive(Debug)]
pub struct Wish {
    /// `--limit`.
    pub limit: String,
    pub ledger: Option<Ledger>,
    pub press: Option<Press>,
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            limit: "all".to_owned(),
            ledger: None,
            press: None,
        }
    }
}

/// Ctrl-C, once an event is seen.
#[derive(Debug)]
pub struct Press {
    pub when: fn(&EventKind) -> bool,
    /// The first press, the second, or another way to stop.
    pub how: fn(&Cancel),
}

impl Press {
    fn listen(self, cancel: &Cancel) -> mpsc::UnboundedSender<Event> {
        let (sender, mut events) = mpsc::unbounded_channel::<Event>();
        let cancel = cancel.clone();
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                if (self.when)(&event.kind) {
                    (self.how)(&cancel);
                }
            }
        });
        sender
    }
}

/// A client that keeps asking.
pub struct Poll {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<Vec<ServedAnswer>>,
}

impl Poll {
    /// Every answer, in order.
    pub async fn answers(self) -> Vec<ServedAnswer> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("it only asks")
    }
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
        let meddler = Meddler::new(Arc::new(fleet));
        Self {
            inventory: Arc::new(lab.inventory()),
            transport: Arc::new(meddler.clone()),
            meddler,
            runs: AtomicU32::new(1),
            lab,
        }
    }

    /// The lab's wall clock, which paused time moves.
    fn clock(&self) -> Arc<dyn Fn() -> Timestamp + Send + Sync> {
        let lab = self.lab.clone();
        Arc::new(move || lab.wall_clock())
    }

    /// What lies between a run and the hosts; rules can be added at any time.
    pub fn meddler(&self) -> &Meddler {
        &self.meddler
    }

    /// Gathers and plans.
    pub async fn plan(&self, playbook: &Playbook, limit: &str) -> (Facts, Plan) {
        let clock = self.clock();
        let facts = gather(&self.transport, &self.inventory.hosts, &*clock).await;
        let limit: Selector = limit.parse().expect("a selector");
        let plan = plan(&PlanInput {
            inventory: &self.inventory,
            playbook,
            facts: &facts,
            limit: &limit,
            now: clock(),
        });
        (facts, plan)
    }

    /// As `certfleet renew`: what runs is looked at, and a strategy is chosen, or followed as asked.
    pub async fn plan_strategy(&self, asked: Option<Strategy>, limit: &str) -> (Facts, Plan) {
        self.plan_strategy_draining(asked, limit, false).await
    }

    /// As `certfleet renew --drain`, if `drain`.
    pub async fn plan_strategy_draining(&self, asked: Option<Strategy>, limit: &str, drain: bool) -> (Facts, Plan) {
        let facts = self.alive(limit).await;
        let (limit, now): (Selector, _) = (limit.parse().expect("a selector"), self.lab.wall_clock());
        let choice = choose(&self.inventory, &facts, &limit, now, asked);
        let mut playbook = load_playbook(choice.strategy.playbook()).expect("built in");
        if asked == Some(Strategy::StopAll) {
            playbook = playbook.without_exceptions();
        }
        if drain {
            playbook = playbook.draining(&self.inventory);
        }
        let input = PlanInput {
            inventory: &self.inventory,
            playbook: &playbook,
            facts: &facts,
            limit: &limit,
            now,
        };
        let plan = plan_chosen(&input, choice);
        (facts, plan)
    }

    /// As `certfleet renew --playbook`: what runs is looked at where the playbook spares what is not needed.
    pub async fn plan_alive(&self, playbook: &Playbook, limit: &str) -> (Facts, Plan) {
        if !playbook.asks_what_runs() {
            return self.plan(playbook, limit).await;
        }
        let facts = self.alive(limit).await;
        let plan = plan(&PlanInput {
            inventory: &self.inventory,
            playbook,
            facts: &facts,
            limit: &limit.parse().expect("a selector"),
            now: self.lab.wall_clock(),
        });
        (facts, plan)
    }

    /// What is found on the hosts of a limit (and on those that may have to sign for them), and what runs there.
    async fn alive(&self, limit: &str) -> Facts {
        let clock = self.clock();
        let limit: Selector = limit.parse().expect("a selector");
        let hosts: Vec<_> = self
            .inventory
            .hosts
            .iter()
            .filter(|h| limit.matches(h) || h.role != Role::Worker)
            .cloned()
            .collect();
        let facts = gather(&self.transport, &hosts, &*clock).await;
        look_alive(&self.transport, &self.inventory, facts, clock).await
    }

    /// Asks the address that kubelets use every 100 ms, from a worker, until the guard is dropped or read.
    pub fn poll_endpoint(&self, from: &str) -> Poll {
        let (transport, stop) = (Arc::clone(&self.transport), Arc::new(AtomicBool::new(false)));
        let host = self.inventory.host(&from.into()).expect("a host").clone();
        let endpoint = Endpoint {
            server: Server::Endpoint,
            address: "192.168.140.100".to_owned(),
            port: 6443,
        };
        let told = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let mut answers = Vec::new();
            while !told.load(Ordering::Relaxed) {
                answers.push(shake(transport.as_ref(), &host, endpoint.clone()).await.served.answer);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            answers
        });
        Poll { stop, task }
    }

    /// Somebody else runs a command on a host.
    pub async fn on(&self, host: &str, line: &str) {
        let output = self.transport.run(&host.into(), &Command::root(line.split(' '))).await;
        assert!(output.expect("it is sent").status.success(), "{host}: {line}");
    }

    /// Gathers, plans and runs.
    pub async fn run(&self, playbook: &Playbook) -> Told {
        self.run_with(playbook, Wish::default()).await
    }

    /// The same with wishes. The plan must be free of errors.
    pub async fn run_with(&self, playbook: &Playbook, wish: Wish) -> Told {
        let (facts, plan) = self.plan(playbook, &wish.limit).await;
        let errors: Vec<String> = plan.errors().map(|n| format!("{}: {}", n.code, n.message)).collect();
        assert!(errors.is_empty(), "the plan must be free of errors: {errors:#?}");
        self.execute(facts, plan, wish).await
    }

    /// Runs a plan.
    pub async fn execute(&self, facts: Facts, plan: Plan, wish: Wish) -> Told {
        let (sender, mut events) = mpsc::unbounded_channel();
        let cancel = Cancel::new();
        let mut observers = vec![sender];
        if let Some(press) = wish.press {
            observers.push(press.listen(&cancel));
        }
        let run = Run {
            id: run_id(self.runs.fetch_add(1, Ordering::Relaxed)),
            inventory: Arc::clone(&self.inventory),
            facts: Arc::new(facts),
            transport: Arc::clone(&self.transport),
            recorder: Recorder::new(wish.ledger, observers, self.clock()).concealing(&self.transport),
            cancel,
        };
        let operator = Operator {
            who: "test@here".to_owned(),
        };
        let ended = tokio::time::timeout(DEADLINE, execute(&run, &plan, &operator)).await;
        let end = ended
            .unwrap_or_else(|_| panic!("no end within {DEADLINE:?}"))
            .expect("the first event is recorded");
        drop(run);
        let mut seen = Vec::new();
        while let Ok(event) = events.try_recv() {
            seen.push(event);
        }
        Told {
            end,
            plan,
            events: seen,
        }
    }

    /// The nth run goes on, with fresh facts, from what it told.
    pub async fn go_on(&self, number: u32, told: Told) -> Told {
        let (sender, mut events) = mpsc::unbounded_channel();
        let clock = self.clock();
        let facts = gather(&self.transport, &self.inventory.hosts, &*clock).await;
        let run = Run {
            id: run_id(number),
            inventory: Arc::clone(&self.inventory),
            facts: Arc::new(facts),
            transport: Arc::clone(&self.transport),
            recorder: Recorder::resumed(None, &told.events, vec![sender], clock).concealing(&self.transport),
            cancel: Cancel::new(),
        };
        let operator = Operator {
            who: "test@here".to_owned(),
        };
        let ended = tokio::time::timeout(DEADLINE, resume(&run, &told.plan, &operator)).await;
        let end = ended
            .unwrap_or_else(|_| panic!("no end within {DEADLINE:?}"))
            .expect("the first event is recorded");
        drop(run);
        let (plan, mut all) = (told.plan, told.events);
        while let Ok(event) = events.try_recv() {
            all.push(event);
        }
        Told { end, plan, events: all }
    }

    /// Every node Ready, every served certificate the one on disk, and no key was ever shown.
    pub fn assert_healthy(&self) {
        self.lab.status().healthy().expect("a healthy fleet");
        assert!(
            self.lab.alarms().is_empty(),
            "private keys crossed the wire: {:?}",
            self.lab.alarms()
        );
    }

    /// Nothing starts before everything stopped, and no worker before every master.
    pub fn assert_order(&self) {
        let history = self.lab.full_history();
        let times = |what: &str, host: char| {
            let mine = history
                .iter()
                .filter(|i| i.host.as_str().starts_with(host) && i.command.contains(what));
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

/// The id of the nth run of a story, counted from 1.
pub fn run_id(number: u32) -> RunId {
    RunId::new(format!("20201122T1915{number:02}Z-story-{number:04x}"))
}

impl Told {
    /// The state that everybody who reads the events arrives at.
    pub fn state(&self) -> RunState {
        RunState::fold(&self.events)
    }

    /// The outcome of a step, by its id.
    pub fn outcome(&self, step: &str) -> Option<Outcome> {
        self.events.iter().find_map(|e| match &e.kind {
            EventKind::StepFinished { step: id, outcome, .. } if id == step => Some(outcome.clone()),
            _ => None,
        })
    }

    /// Hosts that were taken out, with the reason.
    pub fn excluded(&self) -> BTreeMap<String, String> {
        let state = self.state();
        state
            .excluded
            .into_iter()
            .map(|(h, why)| (h.to_string(), why))
            .collect()
    }

    /// The last event's advice.
    pub fn next(&self) -> String {
        self.state().next.join(" ")
    }

    /// What failed gates saw last.
    pub fn reasons(&self) -> Vec<String> {
        let gates = self.events.iter().filter_map(|e| match &e.kind {
            EventKind::GateFailed { reasons, .. } => Some(reasons),
            _ => None,
        });
        gates
            .flatten()
            .map(|r| format!("{} {}: {}", r.host, r.probe, r.last))
            .collect()
    }

    /// Every event, for a failing test.
    pub fn text(&self) -> String {
        let lines: Vec<String> = self.events.iter().map(certfleet::report::event_line).collect();
        let counts: BTreeMap<&str, usize> = self
            .plan
            .phases
            .iter()
            .map(|p| (p.name.as_str(), p.steps.len()))
            .collect();
        format!("{counts:?}\n{}", lines.join("\n"))
    }
}
