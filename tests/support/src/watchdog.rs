//! Cleans up after this process, however it ends.
//!
//! A watchdog is a small shell whose stdin is a pipe that only this process holds. When the process ends, by a return, a
//! panic, Ctrl-C or `kill -9`, the kernel closes the pipe, the shell reads end of file, and tidies up.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running watchdog. Keep it as long as there is something to watch.
pub struct Watchdog {
    shell: Child,
}

impl Watchdog {
    /// Runs `script` in the shell that `command` starts; `args` are its `$1`, `$2`…
    pub fn start(mut command: Command, script: &str, args: &[OsString]) -> Self {
        let shell = command
            .args(["-c", script, "watchdog"])
            .args(args)
            .stdin(Stdio::piped())
            // Out of the terminal's process group, so that Ctrl-C ends us and not the one who cleans up.
            .process_group(0)
            .spawn()
            .expect("sh starts");
        Self { shell }
    }

    /// Kills `pid` and removes `folder` when this process ends first.
    pub fn over(pid: u32, folder: &Path) -> Self {
        let mut sh = Command::new("sh");
        sh.stdout(Stdio::null()).stderr(Stdio::null());
        // `read` fails at end of file, which is what we wait for.
        Self::start(sh, r#"read -r _; kill -9 "$1"; rm -rf "$2""#, &[pid.to_string().into(), folder.into()])
    }

    pub fn shell(&mut self) -> &mut Child {
        &mut self.shell
    }

    /// Has it clean up now, and waits until it did.
    pub fn finish(&mut self) {
        drop(self.shell.stdin.take());
        // Fails only when the shell is gone already.
        let _ = self.shell.wait();
    }

    /// Ends the watchdog without its clean-up. Call it before the watched process is reaped: until then its id cannot
    /// belong to anybody else.
    pub fn disarm(&mut self) {
        // Both fail only when the shell is gone already.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}
