//! The lab's SSH server, asked by russh's client and by OpenSSH's `ssh`.

#![expect(clippy::expect_used, reason = "a helper of a test fails as the test does")]

#[path = "lab_ssh/fixture.rs"]
mod fixture;
#[path = "lab_ssh/openssh.rs"]
mod openssh;
#[path = "lab_ssh/russh_client.rs"]
mod russh_client;
#[path = "lab_ssh/shapes.rs"]
mod shapes;
