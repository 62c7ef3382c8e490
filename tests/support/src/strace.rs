//! A server under `strace`: what it has the disk know, and in which order.

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::process::{self, did_not_run};
use crate::server::Deployment;

/// What makes a name or brings it to disk.
const CALLS: &str = "openat,mkdir,rename,linkat,fsync,fdatasync";

/// A call that succeeded.
#[derive(Debug)]
pub struct Call {
    pub name: String,
    /// As strace shows them: paths in quotes, `fsync` with the path of its descriptor, `9</path>`.
    pub arguments: String,
    /// Lines of the trace.
    pub begun: usize,
    pub ended: usize,
}

impl Call {
    /// Whether it had this file or folder on disk when it ended.
    pub fn synced(&self, path: &Path) -> bool {
        self.name.ends_with("sync") && self.arguments.ends_with(&format!("<{}>", path.display()))
    }

    /// Whether it made this name.
    pub fn made(&self, path: &Path) -> bool {
        let quoted = format!("\"{}\"", path.display());
        match self.name.as_str() {
            "mkdir" => self.arguments.starts_with(&quoted),
            "rename" => self.arguments.ends_with(&quoted),
            // Flags follow.
            "linkat" => self.arguments.ends_with(&format!("{quoted}, 0")),
            _ => false,
        }
    }
}

/// The trace of a server that writes one.
pub struct Trace(PathBuf);

impl Trace {
    /// The calls until now, in the order in which they ended.
    pub fn calls(&self) -> Vec<Call> {
        let text = std::fs::read_to_string(&self.0).expect("strace writes its file");
        let mut unfinished: HashMap<&str, (usize, &str)> = HashMap::new();
        let mut calls = Vec::new();
        for (ended, line) in text.lines().enumerate() {
            let Some((thread, what)) = line.split_once(' ') else { continue };
            let what = what.trim_start();
            if let Some(begun) = what.strip_suffix(" <unfinished ...>") {
                unfinished.insert(thread, (ended, begun));
                continue;
            }
            let (begun, what) = match what.strip_prefix("<... ").and_then(|what| what.split_once(" resumed>")) {
                Some((_, rest)) => match unfinished.remove(thread) {
                    Some((begun, before)) => (begun, format!("{before}{rest}")),
                    None => continue,
                },
                None => (ended, what.to_owned()),
            };
            let Some((call, result)) = what.rsplit_once(" = ") else { continue };
            let Some((name, arguments)) = call.trim_end().trim_end_matches(')').split_once('(') else { continue };
            if !result.starts_with('-') {
                calls.push(Call { name: name.into(), arguments: arguments.into(), begun, ended });
            }
        }
        calls
    }
}

impl Deployment {
    /// The same, whose servers and commands write a trace. `None` where there is no strace or it may not trace, which is said.
    pub fn traced(&self) -> Option<(Self, Trace)> {
        let mut probe = Command::new("strace");
        let probed = probe.args(["-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
        if !probed.is_ok_and(|status| status.success()) {
            did_not_run("`strace` is not installed, or may not trace");
            return None;
        }
        let (trace, wrapper) = (self.folder().join("trace"), self.folder().join("traced"));
        // With -D the child of the harness is the server itself, which it can signal.
        let script = format!(
            "#!/bin/sh\nexec strace -D -f -y -s 4096 -e trace={CALLS} -o '{}' '{}' \"$@\"\n",
            trace.display(),
            process::binary().display()
        );
        std::fs::write(&wrapper, script).expect("a script");
        std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o700)).expect("our own file");
        Some((self.under(&wrapper), Trace(trace)))
    }
}
