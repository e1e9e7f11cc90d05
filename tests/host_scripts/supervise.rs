//! certfleet:supervise, certfleet:lock and certfleet:restore, by every shell.

use std::fs;

use certfleet::model::scripts;

use crate::tree::{Tree, said, shells};

fn run(tree: &Tree, shell: &[&str], mode: &str, job: &str, words: &[&str]) -> certfleet::model::Output {
    let arguments: Vec<&str> = [mode, job, "2"].into_iter().chain(words.iter().copied()).collect();
    tree.run(shell, &scripts::SUPERVISE, &arguments)
}

#[test]
fn a_job_runs_once_and_tells_its_end_to_everybody_who_asks() {
    for shell in shells() {
        let tree = Tree::new();
        let count = tree.state("count");
        let line = format!("echo once >>{}; echo out; echo err >&2; exit 5", count.display());
        let words = ["sh", "-c", line.as_str()];
        let none = run(&tree, &shell, "attach", "r1/a.1.0", &words);
        assert!(
            said(&none).contains("certfleet:supervise none"),
            "{shell:?}: {}",
            said(&none)
        );
        for mode in ["start", "start", "attach"] {
            let told = run(&tree, &shell, mode, "r1/a.1.0", &words);
            assert_eq!(
                told.status.to_string(),
                "exit status 5",
                "{shell:?} {mode}: {}",
                said(&told)
            );
            assert_eq!(told.stdout_text(), "out\n");
            assert_eq!(told.stderr_text(), "err\n\ncertfleet:supervise exited 5\n");
        }
        assert_eq!(fs::read_to_string(&count).unwrap(), "once\n", "{shell:?}");
    }
}

#[test]
fn a_job_outlives_its_caller_and_one_that_was_killed_has_vanished() {
    let tree = Tree::new();
    let running = run(&tree, &["sh"], "attach", "r1/none.1.0", &["true"]);
    assert!(said(&running).contains("none"));
    // The directory of a job whose process is gone and left no status.
    tree.write("/run/certfleet/r1/dead.1.0/pid", "999999999\n");
    let dead = run(&tree, &["sh"], "attach", "r1/dead.1.0", &["true"]);
    assert!(said(&dead).contains("certfleet:supervise vanished"), "{}", said(&dead));
    // One that runs: our own process.
    tree.write("/run/certfleet/r1/alive.1.0/pid", std::process::id().to_string());
    let alive = run(&tree, &["sh"], "attach", "r1/alive.1.0", &["true"]);
    assert!(said(&alive).contains("certfleet:supervise running"), "{}", said(&alive));
    let bad = run(&tree, &["sh"], "start", "../x", &["true"]);
    assert!(said(&bad).contains("refused"), "{}", said(&bad));
}

fn lock(tree: &Tree, shell: &[&str], verb: &str, run: &str, holder: &str) -> certfleet::model::Output {
    tree.run(shell, &scripts::LOCK, &[verb, run, holder, "600"])
}

#[test]
fn the_second_run_is_told_who_holds_the_lock_and_a_mark_stays_until_a_run_ends_well() {
    for shell in shells() {
        let tree = Tree::new();
        let first = lock(&tree, &shell, "acquire", "r1", "a@b");
        assert!(
            first.stdout_text().starts_with("acquired\tr1\ta@b\t"),
            "{shell:?}: {}",
            said(&first)
        );
        assert!(
            lock(&tree, &shell, "acquire", "r1", "a@b").status.success(),
            "again for the same run"
        );
        let second = lock(&tree, &shell, "acquire", "r2", "c@d");
        assert_eq!(
            second.status.to_string(),
            "exit status 7",
            "{shell:?}: {}",
            said(&second)
        );
        assert!(second.stdout_text().starts_with("held\tr1\ta@b\t"), "{}", said(&second));
        assert!(second.stdout_text().trim_end().ends_with("alive"));
        tree.write("/var/lib/certfleet/lock/beat", "1000\n");
        let stale = lock(&tree, &shell, "show", "-", "-");
        assert!(
            stale.stdout_text().lines().next().unwrap().ends_with("stale"),
            "{}",
            said(&stale)
        );
        assert!(lock(&tree, &shell, "unlock", "-", "c@d: it is dead").status.success());
        let log = fs::read_to_string(tree.path("/var/lib/certfleet/unlocked.log")).unwrap();
        assert!(log.contains("r1\tc@d: it is dead"), "{log}");
        let third = lock(&tree, &shell, "acquire", "r3", "e@f");
        assert!(
            third.stdout_text().contains("unfinished\tr1\n"),
            "{shell:?}: {}",
            said(&third)
        );
        assert!(lock(&tree, &shell, "withdraw", "r3", "-").status.success());
        let marks = fs::read_to_string(tree.path("/var/lib/certfleet/unfinished")).unwrap();
        assert_eq!(marks, "r1\n", "{shell:?}");
        lock(&tree, &shell, "acquire", "r4", "e@f");
        assert!(lock(&tree, &shell, "finish", "r4", "-").status.success());
        assert!(!tree.path("/var/lib/certfleet/unfinished").exists(), "{shell:?}");
    }
}

#[test]
fn each_end_of_a_run_is_counted_on_its_host() {
    for shell in shells() {
        let tree = Tree::new();
        let seen = |run: &str| lock(&tree, &shell, "show", run, "-").stdout_text().into_owned();
        assert_eq!(seen("-"), "", "{shell:?}");
        lock(&tree, &shell, "acquire", "r1", "a@b");
        lock(&tree, &shell, "withdraw", "r1", "a@b");
        assert_eq!(seen("-"), "", "{shell:?}: r1 never was");
        lock(&tree, &shell, "acquire", "r2", "a@b");
        assert!(lock(&tree, &shell, "release", "r2", "a@b").status.success());
        assert_eq!(seen("-"), "last\t1\tr2\ta@b\nunfinished\tr2\n", "{shell:?}");
        let again = lock(&tree, &shell, "acquire", "r2", "a@b").stdout_text().into_owned();
        assert!(again.ends_with("\nlast\t1\tr2\ta@b\nmarked\n"), "{shell:?}: {again}");
        lock(&tree, &shell, "finish", "r2", "a@b");
        assert_eq!(seen("-"), "last\t2\tr2\ta@b\n", "{shell:?}");
        lock(&tree, &shell, "acquire", "r3", "c d@e");
        lock(&tree, &shell, "unlock", "-", "it is dead");
        assert_eq!(seen("-"), "last\t3\tr3\tc d@e\nunfinished\tr3\n", "{shell:?}");
        // A damaged count begins anew.
        tree.write("/var/lib/certfleet/last", "");
        assert!(lock(&tree, &shell, "finish", "r4", "a@b").status.success());
        assert_eq!(
            seen("-"),
            "last\t1\tr4\ta@b\nunfinished\tr3\n",
            "{shell:?}: without the lock, marks of others stay"
        );
    }
}

#[test]
fn withdraw_makes_an_acquire_undone_and_no_more() {
    for shell in shells() {
        let tree = Tree::new();
        let read =
            |name: &str| fs::read_to_string(tree.path(&format!("/var/lib/certfleet/{name}"))).unwrap_or_default();
        // Of another run's lock nothing goes.
        lock(&tree, &shell, "acquire", "r1", "a@b");
        lock(&tree, &shell, "withdraw", "r2", "a@b");
        assert_eq!(
            (read("lock/run"), read("unfinished")),
            ("r1\n".into(), "r1\n".into()),
            "{shell:?}"
        );
        // It died there and is taken up again: lock and mark were before.
        lock(&tree, &shell, "acquire", "r1", "a@b");
        lock(&tree, &shell, "withdraw", "r1", "a@b");
        assert_eq!(
            (read("lock/run"), read("unfinished")),
            ("r1\n".into(), "r1\n".into()),
            "{shell:?}"
        );
        // It gave its lock back: only the mark was before.
        lock(&tree, &shell, "release", "r1", "a@b");
        lock(&tree, &shell, "acquire", "r1", "a@b");
        lock(&tree, &shell, "withdraw", "r1", "a@b");
        assert_eq!(
            (read("lock/run"), read("unfinished")),
            (String::new(), "r1\n".into()),
            "{shell:?}"
        );
        // The mark cannot be written: no lock stays of a run that never was.
        fs::create_dir_all(tree.path("/var/lib/certfleet/unfinished.new/x")).unwrap();
        let failed = lock(&tree, &shell, "acquire", "r2", "a@b");
        assert_eq!(
            failed.status.to_string(),
            "exit status 1",
            "{shell:?}: {}",
            said(&failed)
        );
        assert!(!tree.path("/var/lib/certfleet/lock").exists(), "{shell:?}");
    }
}

#[test]
fn a_backup_is_put_back_and_a_damaged_one_is_refused_before_anything_is_touched() {
    for shell in shells() {
        let tree = Tree::new();
        tree.write("/etc/kubernetes/pki/ca.crt", "old ca");
        tree.write("/etc/kubernetes/admin.conf", "old admin");
        tree.write("/etc/kubernetes/kubelet.conf", "old kubelet");
        tree.write("/var/lib/kubelet/pki/kubelet-client-current.pem", "old client");
        let arguments = ["r1", "/var/lib/certfleet/backups", "/etc/kubernetes/pki"];
        assert!(tree.run(&shell, &scripts::BACKUP, &arguments).status.success());
        tree.write("/etc/kubernetes/admin.conf", "new admin");
        tree.write("/etc/kubernetes/extra", "stays");
        tree.write("/etc/kubernetes/kubelet.conf", "new kubelet");
        tree.write("/var/lib/kubelet/pki/kubelet-client-current.pem", "new client");
        let back = tree.run(&shell, &scripts::RESTORE, &arguments);
        assert!(back.status.success(), "{shell:?}: {}", said(&back));
        let read = |path: &str| fs::read_to_string(tree.path(path)).unwrap();
        assert_eq!(read("/etc/kubernetes/admin.conf"), "old admin", "{shell:?}");
        assert_eq!(read("/etc/kubernetes/extra"), "stays");
        assert_eq!(read("/etc/kubernetes/kubelet.conf"), "new kubelet", "{shell:?}");
        assert_eq!(read("/var/lib/kubelet/pki/kubelet-client-current.pem"), "new client");
        assert!(back.stdout_text().ends_with("\t2\n"), "{}", said(&back));
        tree.write("/var/lib/certfleet/backups/r1/etc/kubernetes/admin.conf", "bent");
        tree.write("/etc/kubernetes/admin.conf", "new admin");
        let refused = tree.run(&shell, &scripts::RESTORE, &arguments);
        assert_eq!(
            refused.status.to_string(),
            "exit status 4",
            "{shell:?}: {}",
            said(&refused)
        );
        assert_eq!(read("/etc/kubernetes/admin.conf"), "new admin");
    }
}
