//! certfleet:prune-backups: old ones go, the newest whole ones never.

use std::fs;

use certfleet::model::{Output, scripts};

use crate::tree::{Tree, said, shells};

const DIRECTORY: &str = "/var/lib/certfleet/backups";

/// Five backups, the newest damaged, and things that are none.
fn host(shell: &[&str]) -> Tree {
    let tree = Tree::new();
    tree.write("/etc/kubernetes/admin.conf", "admin");
    for day in 1..=5 {
        let run = format!("2020112{day}T191500Z-renew-000{day}");
        let made = tree.run(shell, &scripts::BACKUP, &[&run, DIRECTORY, "/etc/kubernetes/pki"]);
        assert!(made.status.success(), "{}", said(&made));
    }
    let newest = format!("{DIRECTORY}/20201125T191500Z-renew-0005/etc/kubernetes/admin.conf");
    fs::write(tree.path(&newest), "rotten").expect("it can be written");
    tree.write(
        &format!("{DIRECTORY}/20201120T191500Z-renew-0000.partial/half"),
        "from a crash",
    );
    tree.write(&format!("{DIRECTORY}/mine/kept"), "by a person");
    tree.write("/elsewhere/20190101T000000Z-x/file", "a link leads here");
    tree.link(
        &format!("{DIRECTORY}/20190101T000000Z-renew-link"),
        "../../../../elsewhere/20190101T000000Z-x",
    );
    tree
}

fn prune(tree: &Tree, shell: &[&str], mode: &str, keep: &str) -> Output {
    tree.run(shell, &scripts::PRUNE_BACKUPS, &[mode, keep, DIRECTORY])
}

fn there(tree: &Tree) -> Vec<String> {
    let entries = fs::read_dir(tree.path(DIRECTORY)).expect("a directory");
    let mut names: Vec<String> = entries
        .map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn the_newest_whole_ones_stay_and_so_does_what_is_no_backup() {
    for shell in shells() {
        let tree = host(&shell);
        let before = there(&tree);
        let looked = prune(&tree, &shell, "look", "2");
        assert_eq!(
            looked.status.to_string(),
            "exit status 1",
            "{shell:?} {}",
            said(&looked)
        );
        assert_eq!(there(&tree), before, "looking changes nothing");

        let removed = prune(&tree, &shell, "remove", "2");
        assert!(removed.status.success(), "{shell:?} {}", said(&removed));
        assert!(
            removed.stdout_text().starts_with("damaged\t20201125"),
            "{}",
            said(&removed)
        );
        assert_eq!(
            there(&tree),
            [
                "20190101T000000Z-renew-link",
                "20201123T191500Z-renew-0003",
                "20201124T191500Z-renew-0004",
                "20201125T191500Z-renew-0005",
                "mine",
            ],
            "{shell:?}"
        );
        assert!(tree.path("/elsewhere/20190101T000000Z-x/file").exists());
        assert!(prune(&tree, &shell, "look", "2").status.success());
    }
}

#[test]
fn the_last_whole_backup_never_goes_and_nothing_to_do_is_well() {
    for shell in shells() {
        let tree = host(&shell);
        assert!(prune(&tree, &shell, "remove", "1").status.success());
        assert!(
            there(&tree).contains(&"20201124T191500Z-renew-0004".to_owned()),
            "{shell:?}"
        );
        for keep in ["0", "", "x", "-1"] {
            assert_eq!(prune(&tree, &shell, "remove", keep).status.to_string(), "exit status 2");
        }
        assert!(prune(&Tree::new(), &shell, "look", "5").status.success());
    }
}
