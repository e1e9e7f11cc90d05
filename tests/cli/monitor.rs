//! `check` as monitoring uses it: exit codes, a file that is replaced whole, a view that goes on.

use std::os::unix::fs::PermissionsExt;

use crate::harness::{Background, Lab, run};

#[test]
fn each_level_has_its_code_and_a_file_is_replaced_whole() {
    let lab = Lab::up("healthy", 1, 1);
    let file = lab.write("certfleet.prom", "old\n");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    let quiet = lab.run(&["check", "--output", "prometheus", "--to", &file]).expect(0);
    assert!(quiet.out.is_empty(), "{quiet:?}");
    let text = std::fs::read_to_string(&file).expect("the file");
    assert!(text.contains("\ncertfleet_check_level{cluster=\"lab\"} 0\n"), "{text}");
    let mode = std::fs::metadata(&file).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o644, "node_exporter must be able to read it");
    let left: Vec<_> = std::fs::read_dir(lab.home.path())
        .expect("a folder")
        .flatten()
        .filter(|e| e.file_name().to_string_lossy().starts_with(".certfleet"))
        .collect();
    assert!(left.is_empty(), "{left:?}");

    lab.run(&["check", "--warn", "9000d"]).expect(1);
    lab.run(&["check", "--warn", "9000d", "--critical", "9000d"]).expect(2);
    let nowhere = lab.run(&["check", "--to", "/no/such/folder/x"]).expect(3);
    assert!(nowhere.err.contains("/no/such/folder/x"), "{nowhere:?}");

    // Port 1 is nobody's: the worker's line is the last of the inventory.
    let inventory = std::fs::read_to_string(lab.path("inventory.yaml")).expect("the inventory");
    let port = inventory.rfind("port: ").expect("the worker's port") + "port: ".len();
    let dead = lab.write("dead.yaml", &format!("{}1 }} }}\n", &inventory[..port]));
    let gone = run(lab.home.path(), ["check", "-i", &dead, "--only", "problems"]).expect(3);
    assert!(
        gone.out.contains("UNKNOWN: ") && gone.out.contains("w1 could not be asked"),
        "{gone:?}"
    );
}

#[test]
fn a_live_view_goes_on_until_ctrl_c() {
    let lab = Lab::up("healthy", 1, 1);
    let watch = Background::start(lab.command(&["check", "--watch", "1s", "--output", "prometheus"]));
    let first = watch.line();
    let mut rounds = 1;
    while rounds < 3 {
        rounds += usize::from(watch.line() == first);
    }
    watch.signal("INT");
    assert_eq!(watch.end().0, Some(0));
}
