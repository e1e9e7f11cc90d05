//! One case from its beginning to its end: a fleet, a plan, a ledger on disk, and controllers that come and go.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use certfleet::config::load_playbook;
use certfleet::engine::run::Operator;
use certfleet::engine::{Cancel, Ledger, Recorder, Run, carried_over, execute, gather, look_alive, resume};
use certfleet::event::Event;
use certfleet::lab::{Lab, LabConfig, MemoryFleet, Scenario, Workload};
use certfleet::model::exit::RunEnd;
use certfleet::model::playbook::Operation;
use certfleet::model::{HostFacts, HostName, Inventory, Playbook, RunId, Selector};
use certfleet::plan::{Plan, PlanInput, plan};
use certfleet::remote::Transport;
use tokio::time::{sleep, timeout};

use crate::case::{Book, Case, Trouble};
use crate::hook::{Life, MortalFile, MortalWire};
use crate::rotated::{Serials, serials};
use crate::shapes;
use crate::watch::Watch;

type Facts = BTreeMap<HostName, HostFacts>;

/// How one controller's part of a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Ended(RunEnd),
    Killed,
}

impl Part {
    pub(crate) fn is_well(self) -> bool {
        matches!(self, Part::Ended(RunEnd::Succeeded | RunEnd::NothingToDo))
    }
}

/// Everything that outlives a controller.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) lab: Lab,
    pub(crate) case: Case,
    pub(crate) inventory: Arc<Inventory>,
    transport: Arc<dyn Transport>,
    pub(crate) plan: Plan,
    before: Facts,
    state: tempfile::TempDir,
    watch: Arc<Mutex<Watch>>,
    /// Of k3s and RKE2, before the run.
    pub(crate) serials: Serials,
}

/// In memory where there is such a place: a ledger that waits for a disk at every event is measured elsewhere.
fn state_directory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() {
        tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir())
    } else {
        tempfile::tempdir()
    };
    made.expect("a directory")
}

/// The built-in playbook, with less patience for pods: every look costs time here.
fn playbook(book: Book) -> Playbook {
    let name = match book {
        Book::Renew | Book::Kubelets | Book::Etcd => "renew",
        Book::Rolling => "rolling",
        Book::Shape(number) => shapes::of(number).playbook,
        Book::Drain => "tests/scenarios/drain.yaml",
    };
    let mut playbook = load_playbook(name).expect("built in");
    for step in playbook.phases.iter_mut().flat_map(|p| &mut p.steps) {
        if let Operation::DeletePods { grace } = step {
            *grace = Duration::from_secs(5);
        }
    }
    playbook
}

impl World {
    pub(crate) async fn new(case: Case) -> Self {
        let usual = |scenario| LabConfig::new(scenario).sized(3, 2);
        let fleet = match case.book {
            Book::Renew => usual(Scenario::Seed),
            Book::Kubelets => usual(Scenario::KubeletExpired),
            Book::Rolling => usual(Scenario::Healthy),
            Book::Drain => LabConfig {
                workload: vec![("w1".to_owned(), Workload::Movable)],
                ..usual(Scenario::Healthy)
            },
            Book::Etcd => LabConfig::new(Scenario::Expired).sized(1, 1).with_etcd(3),
            Book::Shape(number) => (shapes::of(number).fleet)(),
        };
        let lab = Lab::new(fleet).expect("a fleet");
        let inventory = Arc::new(lab.inventory());
        let transport: Arc<dyn Transport> = Arc::new(MemoryFleet::new(lab.clone()));
        let clock = lab.clone();
        let before = gather(&transport, &inventory.hosts, &move || clock.wall_clock()).await;
        let before = if case.book == Book::Drain {
            let clock = lab.clone();
            look_alive(&transport, &inventory, before, Arc::new(move || clock.wall_clock())).await
        } else {
            before
        };
        let plan = plan(&PlanInput {
            inventory: &inventory,
            playbook: &playbook(case.book),
            facts: &before,
            limit: &Selector::all(),
            now: lab.wall_clock(),
        });
        let errors: Vec<_> = plan.errors().collect();
        assert!(errors.is_empty(), "{errors:?}");
        Self {
            serials: serials(&lab, &inventory),
            lab,
            case,
            inventory,
            transport,
            plan,
            before,
            state: state_directory(),
            watch: Arc::new(Mutex::new(Watch::new(case))),
        }
    }

    /// What must never be, and was, in the life of any controller.
    pub(crate) fn wrong(&self) -> Vec<String> {
        self.watch.lock().expect("no panic").wrong.clone()
    }

    fn directory(&self) -> PathBuf {
        self.state.path().join("runs/sim")
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        Ledger::read(&self.directory()).expect("the ledger is whole")
    }

    fn run(&self, life: &Arc<Life>, file: File, earlier: &[Event], facts: Facts) -> Run {
        let file = MortalFile {
            file,
            life: Arc::clone(life),
            torn: false,
        };
        let ledger = Ledger::on(Box::new(file), self.directory());
        let lab = self.lab.clone();
        let clock = Arc::new(move || lab.wall_clock());
        let recorder = if earlier.is_empty() {
            Recorder::new(Some(ledger), Vec::new(), clock)
        } else {
            Recorder::resumed(Some(ledger), earlier, Vec::new(), clock)
        };
        Run {
            id: RunId::new("sim"),
            inventory: Arc::clone(&self.inventory),
            facts: Arc::new(facts),
            transport: Arc::new(MortalWire {
                wire: Arc::clone(&self.transport),
                life: Arc::clone(life),
            }),
            recorder,
            cancel: Cancel::new(),
        }
    }

    /// The first controller, with the trouble.
    pub(crate) async fn begin(&self) -> Part {
        drop(Ledger::create(self.state.path(), &RunId::new("sim")).expect("a ledger"));
        let life = Life::new(&self.lab, self.case, &self.watch);
        let run = self.run(&life, self.append(), &[], self.before.clone());
        until(&life, async {
            execute(&run, &self.plan, &operator()).await.expect("a ledger")
        })
        .await
    }

    /// The next one: it reads the ledger and asks the hosts. It dies at its `killed_at`th event, if at all.
    pub(crate) async fn go_on(&self, killed_at: Option<u64>) -> Part {
        let (ledger, events) = Ledger::reopen(&self.directory()).expect("the ledger is whole");
        drop(ledger);
        let trouble = if killed_at.is_some() {
            Trouble::Kill
        } else {
            Trouble::Nothing
        };
        let case = Case {
            trouble,
            at: killed_at.unwrap_or(0),
            ..self.case
        };
        let life = Life::new(&self.lab, case, &self.watch);
        let clock = self.lab.clone();
        let facts = gather(&self.transport, &self.inventory.hosts, &move || clock.wall_clock()).await;
        let facts = carried_over(facts, &self.before);
        let run = self.run(&life, self.append(), &events, facts);
        until(&life, async {
            resume(&run, &self.plan, &operator()).await.expect("a ledger")
        })
        .await
    }

    fn append(&self) -> File {
        let path = self.directory().join("ledger.jsonl");
        OpenOptions::new().append(true).open(path).expect("the ledger")
    }

    /// A person has come, and takes a while.
    pub(crate) async fn mend(&self) {
        let host = HostName::new(self.case.host);
        self.lab.mend();
        self.lab.fill_disk(&host, false);
        self.lab.set_clock(&host, 0);
        sleep(Duration::from_secs(30)).await;
    }
}

fn operator() -> Operator {
    Operator {
        who: "sim@here".to_owned(),
    }
}

/// The run, to its end or to its controller's.
async fn until(life: &Life, run: impl Future<Output = RunEnd>) -> Part {
    let part = tokio::select! {
        biased;
        () = life.died.notified() => Part::Killed,
        end = timeout(Duration::from_secs(7200), run) => Part::Ended(end.expect("an end within two hours")),
    };
    // It may come to its end in the very moment in which it dies, and then nobody hears of it.
    if life.is_dead() { Part::Killed } else { part }
}
