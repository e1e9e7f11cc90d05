//! The fault simulator: whole runs on the embedded fleet under paused time, one kind of trouble at one event, and then
//! `resume` until the run has ended. A failing case prints the line that repeats it.
//!
//! `CERTFLEET_SEEDS=2000 cargo test --release --test simulator` tries so many, and the death of the controller at every
//! single event; `CERTFLEET_CASE="renew kill 57 m1" cargo test --test simulator one_case` exactly one.

#![expect(clippy::expect_used, reason = "helpers of tests, outside of #[test] functions")]

#[path = "simulator/case.rs"]
mod case;
#[path = "simulator/hook.rs"]
mod hook;
#[path = "simulator/judge.rs"]
mod judge;
#[path = "simulator/judged.rs"]
mod judged;
#[path = "simulator/parked.rs"]
mod parked;
#[path = "simulator/rotated.rs"]
mod rotated;
#[path = "simulator/shapes.rs"]
mod shapes;
#[path = "simulator/watch.rs"]
mod watch;
#[path = "simulator/world.rs"]
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use case::{Book, Case, HOSTS, Trouble};
use tokio::time::sleep;
use world::World;

/// How often a person goes on after the first end.
const TURNS: usize = 4;

/// A whole case; `Err` is what is wrong.
async fn play(case: Case) -> Result<(), String> {
    let world = World::new(case).await;
    let mut part = world.begin().await;
    for turn in 0..TURNS {
        judge::honest(part, &world.plan, &world.events()).map_err(|why| told(&world, &why))?;
        if part.is_well() {
            break;
        }
        world.mend().await;
        let again = (turn == 0 && case.trouble == Trouble::KillTwice).then_some(case.at / 3 + 1);
        part = world.go_on(again).await;
    }
    if !part.is_well() {
        return Err(told(&world, &format!("it ended as {part:?}")));
    }
    // Also trouble that a run got over, such as a clock that went wrong near its end; then the longest pause of a crash loop.
    world.mend().await;
    sleep(Duration::from_secs(330)).await;
    judge::as_if_nothing_had_been(&world, &world.events()).map_err(|why| told(&world, &why))
}

fn told(world: &World, why: &str) -> String {
    format!("{why}\n{}", judge::tail(&world.events()))
}

/// Plays one case in a runtime of its own, whose clock jumps.
fn played(case: Case) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(play(case))
}

/// How many events a run without trouble has.
fn events(book: Book) -> u64 {
    static COUNTED: Mutex<Vec<(Book, u64)>> = Mutex::new(Vec::new());
    let mut counted = COUNTED.lock().expect("no panic");
    if let Some((_, number)) = counted.iter().find(|(b, _)| *b == book) {
        return *number;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let number = runtime.block_on(async {
        let world = World::new(Case::calm(book)).await;
        let part = world.begin().await;
        assert!(part.is_well(), "{book:?}: {part:?}\n{}", judge::tail(&world.events()));
        world.events().len()
    });
    counted.push((book, number as u64));
    number as u64
}

/// Plays all cases, as many at a time as there are cores.
fn all(cases: &[Case]) {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(why) = played(*case) {
                        let line = format!("CERTFLEET_CASE=\"{case}\" cargo test --test simulator one_case\n{why}");
                        failed.lock().expect("no panic").push(line);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no panic");
    let count = failed.len();
    assert!(
        failed.is_empty(),
        "{count} of {} cases failed\n{}",
        cases.len(),
        failed.join("\n\n")
    );
}

fn many() -> Option<u64> {
    std::env::var("CERTFLEET_SEEDS").ok()?.parse().ok()
}

#[test]
fn one_case() {
    if let Ok(text) = std::env::var("CERTFLEET_CASE") {
        all(&[text.parse().expect("a case")]);
    }
}

/// Each kind of trouble once, unless more was asked for.
#[test]
fn seeds() {
    let cases: Vec<Case> = (0..many().unwrap_or(12)).map(|seed| Case::of(seed, events)).collect();
    all(&cases);
}

/// Every shape of cluster, under every kind of trouble in turn.
#[test]
fn shapes_of_clusters() {
    all(&shapes::cases(many().unwrap_or(shapes::usual())));
}

/// The controller dies at every event of a run (three of them, unless more was asked for).
#[test]
fn killed_at_events() {
    let mut cases = Vec::new();
    for book in [Book::Renew, Book::Kubelets, Book::Rolling] {
        let number = events(book);
        let stride = if many().is_some() {
            1
        } else {
            usize::try_from(number / 2).expect("small")
        };
        let one = |at| Case {
            trouble: Trouble::Kill,
            at,
            ..Case::calm(book)
        };
        cases.extend((1..=number).step_by(stride).map(one));
    }
    all(&cases);
}

/// Nodes that are drained are let back, whatever happens to their master, to them, or to the controller.
#[test]
fn drained_nodes_are_let_back() {
    let number = events(Book::Drain);
    let troubles = [
        (Trouble::Kill, "m1"),
        (Trouble::RebootAndKill, "m1"),
        (Trouble::DropDuring, "m1"),
        (Trouble::HangForGood, "m1"),
        (Trouble::KillTwice, "w1"),
        (Trouble::Reboot, "w1"),
    ];
    let stride = if many().is_some() { 1 } else { 13 };
    let mut cases = Vec::new();
    for (turn, (trouble, host)) in troubles.into_iter().enumerate() {
        let one = |at| Case {
            book: Book::Drain,
            trouble,
            at,
            host,
        };
        let from = 5 + 2 * turn as u64;
        cases.extend((from..=number).step_by(stride).map(one));
    }
    all(&cases);
}

/// Every host loses its power at every event: only when many were asked for.
#[test]
fn power_cuts_at_events() {
    let Some(many) = many() else { return };
    let number = events(Book::Renew);
    let of_host = |host| {
        (1..=number).map(move |at| Case {
            trouble: Trouble::Reboot,
            at,
            host,
            book: Book::Renew,
        })
    };
    let cases: Vec<Case> = HOSTS.into_iter().flat_map(of_host).collect();
    let stride = (cases.len() / usize::try_from(many).expect("small")).max(1);
    let cases: Vec<Case> = cases.into_iter().step_by(stride).collect();
    all(&cases);
}

/// The controller dies at every event of a certificate that one host asks for and another signs.
#[test]
fn killed_within_a_relay() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let relayed = runtime.block_on(async {
        let world = World::new(Case::calm(Book::Etcd)).await;
        assert!(world.begin().await.is_well(), "{}", judge::tail(&world.events()));
        let lines = world
            .events()
            .into_iter()
            .map(|e| (e.seq, certfleet::report::event_line(&e)));
        let mine = lines.filter(|(_, line)| line.contains("/m1/4-reissue-etcd") || line.contains("/e2/4-reissue-etcd"));
        mine.map(|(seq, _)| seq).collect::<Vec<u64>>()
    });
    assert!(relayed.len() >= 10, "{relayed:?}");
    let one = |at: &u64| {
        [Trouble::Kill, Trouble::RebootAndKill].map(|trouble| Case {
            trouble,
            at: *at,
            ..Case::calm(Book::Etcd)
        })
    };
    all(&relayed.iter().flat_map(one).collect::<Vec<Case>>());
}
