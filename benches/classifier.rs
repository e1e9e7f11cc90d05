//! How many journal lines a second one core judges: `cargo bench --bench classifier`.
//!
//! The mix is that of a kubelet journal after a restart: two of three lines are ordinary, a third are failed requests.
//! `messages` judges bare messages, `short` a stream of whole lines, `json` the same messages as `-o json` prints them.

use std::fs;
use std::hint::black_box;
use std::path::Path;

use certfleet::probes::kubelet_journal::{Effect, classify, classify_stream, parse_line};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Value, json};

/// Raw lines of the project's fixtures, ordinary ones repeated until they are two thirds.
fn mix() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/journal");
    let (mut ordinary, mut errors) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        for row in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            let raw = row
                .get("raw")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .replace('\n', " ");
            let quiet = matches!(row.get("effect").and_then(Value::as_str), Some("neutral" | "positive"));
            if quiet { ordinary.push(raw) } else { errors.push(raw) }
        }
    }
    let wanted = errors.len() * 2;
    errors
        .into_iter()
        .chain(ordinary.into_iter().cycle().take(wanted))
        .collect()
}

fn bench(c: &mut Criterion) {
    let lines = mix();
    let text = lines.join("\n");
    let messages: Vec<String> = lines.iter().map(|line| parse_line(line.as_bytes()).message).collect();
    let rows: String = messages
        .iter()
        .map(|message| json!({"MESSAGE": message, "SYSLOG_IDENTIFIER": "kubelet", "_HOSTNAME": "m1", "__REALTIME_TIMESTAMP": "1582292798656000", "_PID": "1", "__CURSOR": "s=1", "PRIORITY": "6", "_BOOT_ID": "0123456789abcdef0123456789abcdef"}).to_string() + "\n")
        .collect();
    let mut group = c.benchmark_group("classifier");
    group.throughput(Throughput::Elements(lines.len() as u64));
    group.bench_function("messages", |b| {
        b.iter(|| {
            messages
                .iter()
                .filter(|message| classify(message).effect == Effect::Block)
                .count()
        });
    });
    group.bench_function("short", |b| b.iter(|| count(black_box(&text))));
    group.bench_function("json", |b| b.iter(|| count(black_box(&rows))));
    group.finish();
}

fn count(text: &str) -> usize {
    let mut blocking = 0;
    let done = classify_stream(text.as_bytes(), |line| {
        blocking += usize::from(line.verdict.effect == Effect::Block);
    });
    if done.is_ok() { blocking } else { 0 }
}

criterion_group!(benches, bench);
criterion_main!(benches);
