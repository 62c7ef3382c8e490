//! Metrics as Prometheus reads them, held to its text format:
//! <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>, and to what `promtool check metrics` asks for.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::{Client, Server};

type Labels = BTreeMap<String, String>;

/// All series at one moment.
#[derive(Debug, Default)]
pub struct Metrics {
    pub series: Vec<Sample>,
    /// The type of each family.
    types: HashMap<String, String>,
}

/// One series with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub name: String,
    pub labels: Labels,
    pub value: f64,
}

impl Server {
    /// What `/metrics` tells now.
    #[track_caller]
    pub fn metrics(&self) -> Metrics {
        let answer = Client::plain(self.admin_url()).get("/metrics").expect(200);
        assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        Metrics::read(&answer.text())
    }
}

impl Metrics {
    /// # Panics
    /// When the text is not as it should be.
    #[track_caller]
    pub fn read(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line ends too");
        let mut read = Metrics::default();
        let (mut family, mut helped) = (String::new(), HashSet::new());
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').expect("a help text");
                assert!(!help.is_empty() && helped.insert(name.to_owned()), "{line}");
                name.clone_into(&mut family);
            } else if let Some(of_type) = line.strip_prefix("# TYPE ") {
                let (name, of_type) = of_type.split_once(' ').expect("a type");
                assert!(name == family && is_name(name), "{line} without its help before it");
                assert!(["counter", "gauge", "histogram", "untyped"].contains(&of_type), "{line}");
                let reserved = ["_bucket", "_sum", "_count"].iter().any(|end| name.ends_with(end));
                assert!(!reserved || of_type == "untyped", "{line} is for histograms");
                assert_eq!(name.ends_with("_total"), of_type == "counter", "{line}");
                assert!(read.types.insert(name.into(), of_type.into()).is_none(), "{name} twice");
            } else {
                let sample = sample(line).unwrap_or_else(|| panic!("not a series: {line}"));
                let histogram = read.types.get(&family).is_some_and(|of_type| of_type == "histogram");
                let end = sample.name.strip_prefix(&family).unwrap_or_else(|| panic!("{line} among {family}"));
                assert_eq!(histogram, ["_bucket", "_sum", "_count"].contains(&end), "{line}");
                assert!(histogram || end.is_empty(), "{line} among {family}");
                read.series.push(sample);
            }
        }
        read.assert_whole();
        read
    }

    /// The sum of the series of this name that have these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.of(name, labels).map(|sample| sample.value).sum()
    }

    /// The series of this name that have these labels.
    pub fn of<'a>(&'a self, name: &'a str, labels: &'a [(&str, &str)]) -> impl Iterator<Item = &'a Sample> {
        let has = |sample: &Sample| labels.iter().all(|(label, value)| sample.label(label) == Some(value));
        self.series.iter().filter(move |sample| sample.name == name && has(sample))
    }

    /// No series is there twice, and histograms add up.
    #[track_caller]
    fn assert_whole(&self) {
        let mut seen = HashSet::new();
        for sample in &self.series {
            assert!(seen.insert((&sample.name, &sample.labels)), "twice: {sample:?}");
        }
        for (family, _) in self.types.iter().filter(|(_, of_type)| *of_type == "histogram") {
            for count in self.of(&format!("{family}_count"), &[]) {
                let same = |bucket: &&Sample| {
                    count.labels.iter().all(|(label, value)| bucket.labels.get(label) == Some(value))
                };
                let name = format!("{family}_bucket");
                let buckets: Vec<&Sample> = self.of(&name, &[]).filter(same).collect();
                assert!(buckets.is_sorted_by(|a, b| a.value <= b.value && a.bound() < b.bound()), "{buckets:?}");
                let last = buckets.last().expect("buckets");
                assert_eq!((last.bound(), last.value), (f64::INFINITY, count.value), "{last:?}");
            }
        }
    }
}

impl Sample {
    pub fn label(&self, label: &str) -> Option<&str> {
        self.labels.get(label).map(String::as_str)
    }

    /// The upper bound of a histogram's bucket.
    pub fn bound(&self) -> f64 {
        self.label("le").and_then(|bound| bound.parse().ok()).expect("a bound")
    }
}

fn sample(line: &str) -> Option<Sample> {
    let name = line.find(['{', ' ']).map(|end| &line[..end]).filter(|name| is_name(name))?;
    let mut rest = &line[name.len()..];
    let mut labels = Labels::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, quoted) = rest.split_once("=\"")?;
            // Nothing that we name needs escaping.
            let (value, behind) = quoted.split_once('"').filter(|(value, _)| !value.contains('\\'))?;
            let new = is_name(label) && labels.insert(label.into(), value.into()).is_none();
            rest = new.then_some(behind)?;
            match rest.strip_prefix(',') {
                Some(next) => rest = next,
                None => break,
            }
        }
        rest = rest.strip_prefix('}')?;
    }
    let value = rest.strip_prefix(' ')?.parse().ok()?;
    Some(Sample { name: name.into(), labels, value })
}

fn is_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(inner) && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}
