//! What the operating system says of this process, read from Linux' `/proc` when it is asked for. Elsewhere it is left out.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge};

use super::must;

/// Clock ticks a second as `/proc` counts them: part of Linux' interface to programs, whatever the kernel's own clock is.
const TICKS: f64 = 100.0;

#[derive(Clone)]
pub struct Process {
    descriptions: Vec<Desc>,
}

impl Process {
    pub fn new() -> Self {
        let all = [&cpu(0.0) as &dyn Collector, &memory(0.0), &files(0.0)];
        Self { descriptions: all.iter().flat_map(|metric| metric.desc()).cloned().collect() }
    }
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let cpu = cpu_seconds().map(|seconds| cpu(seconds).collect());
        let memory = resident_bytes().map(|bytes| memory(bytes).collect());
        let files = open_files().map(|count| files(count).collect());
        [cpu, memory, files].into_iter().flatten().flatten().collect()
    }
}

fn cpu(seconds: f64) -> Counter {
    let counter = must(Counter::new("process_cpu_seconds_total", "User and system time that this process has used."));
    counter.inc_by(seconds);
    counter
}

fn memory(bytes: f64) -> Gauge {
    gauge("process_resident_memory_bytes", "Memory of this process that is resident.", bytes)
}

fn files(count: f64) -> Gauge {
    gauge("process_open_fds", "Open file descriptors.", count)
}

fn gauge(name: &str, help: &str, value: f64) -> Gauge {
    let gauge = must(Gauge::new(name, help));
    gauge.set(value);
    gauge
}

/// Fields 14 and 15 of proc_pid_stat(5). The second may hold any character, so they are counted from its closing parenthesis.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut after_name = stat.rsplit_once(')')?.1.split_whitespace();
    let user: f64 = after_name.nth(11)?.parse().ok()?;
    let system: f64 = after_name.next()?.parse().ok()?;
    Some((user + system) / TICKS)
}

/// The line `VmRSS:    12345 kB` of proc_pid_status(5).
fn resident_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0)
}

/// Without the one that looks.
fn open_files() -> Option<f64> {
    let count = std::fs::read_dir("/proc/self/fd").ok()?.count();
    Some(count.saturating_sub(1) as f64)
}
