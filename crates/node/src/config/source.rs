//! Where values come from: the file, the environment, the flags.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::settings::{self, PREFIX, Setting};
use super::value;

/// The file that is read when no other is named, if it exists.
const DEFAULT_FILE: &str = "primetrade.toml";

/// Longest part of a refused value that an error repeats, in characters.
const SHOWN: usize = 80;

/// Everything outside the program that the configuration depends on.
#[derive(Debug, Default)]
pub struct Sources {
    /// Where the default file is looked for; empty is the working directory.
    pub directory: PathBuf,
    /// A file to read instead; it must exist.
    pub file: Option<PathBuf>,
    /// All variables of the process; those without our prefix are ignored.
    pub environment: Vec<(OsString, OsString)>,
    pub flags: Vec<(&'static Setting, String)>,
}

impl Sources {
    /// The sources of this process: its working directory, its environment, and what its arguments say.
    pub fn of_process(file: Option<PathBuf>, flags: Vec<(&'static Setting, String)>) -> Self {
        Self { directory: PathBuf::new(), file, environment: std::env::vars_os().collect(), flags }
    }

    /// Every value given, weakest source first, and what could not be read.
    pub(super) fn read(&self) -> (Vec<Given>, Vec<String>) {
        let mut reading = Reading::default();
        reading.file(&self.directory, self.file.as_deref());
        for (name, value) in &self.environment {
            reading.variable(name, value);
        }
        for (setting, text) in &self.flags {
            reading.given.push(Given { setting, text: text.clone(), source: Source::Flag });
        }
        (reading.given, reading.errors)
    }
}

/// Where one value was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Default,
    /// The line counts from 1.
    File {
        path: PathBuf,
        line: usize,
    },
    Environment,
    Flag,
}

/// The value that a source gives to a setting.
#[derive(Clone)]
pub struct Given {
    pub setting: &'static Setting,
    pub text: String,
    pub source: Source,
}

/// Without the value, which may be secret.
impl std::fmt::Debug for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.setting.key, self.describe_source())
    }
}

impl Given {
    pub fn default_of(setting: &'static Setting) -> Self {
        Self { setting, text: setting.default.to_owned(), source: Source::Default }
    }

    /// The value as anyone may see it.
    pub fn shown(&self) -> String {
        if self.setting.secret && !self.text.is_empty() { "***".into() } else { value::redact(&self.text) }
    }

    /// For the operator: which line, variable or flag to change.
    pub fn describe_source(&self) -> String {
        match &self.source {
            Source::Default => "default".into(),
            Source::File { path, line } => place(path, *line),
            Source::Environment => format!("environment {}", self.setting.variable()),
            Source::Flag => format!("flag --{}", self.setting.flag()),
        }
    }

    /// The error for a value that does not fit.
    pub fn refused(&self, expected: &str) -> String {
        let (key, source) = (self.setting.key, self.describe_source());
        if self.setting.secret {
            return format!("{key}: {expected} ({source})");
        }
        let shown = self.shown();
        let cut: String = shown.chars().take(SHOWN).collect();
        let more = if cut.len() < shown.len() { "…" } else { "" };
        // Quoted and escaped, so that a value with line ends cannot pass for another error.
        format!("{key}: {expected}, found {cut:?}{more} ({source})")
    }
}

/// What has been read so far.
#[derive(Default)]
struct Reading {
    given: Vec<Given>,
    errors: Vec<String>,
}

impl Reading {
    fn file(&mut self, directory: &Path, named: Option<&Path>) {
        let path = named.map_or_else(|| directory.join(DEFAULT_FILE), Path::to_path_buf);
        match std::fs::read_to_string(&path) {
            Ok(text) => self.toml(&path, &text),
            Err(error) if error.kind() == ErrorKind::NotFound && named.is_none() => {}
            Err(error) => self.errors.push(format!("cannot read the file {}: {error}", one_line(&path))),
        }
    }

    fn toml(&mut self, path: &Path, text: &str) {
        let (table, syntax) = DeTable::parse_recoverable(text);
        let file = File { path, text };
        if syntax.is_empty() {
            self.table(&file, "", table.get_ref());
        }
        for error in syntax {
            // The parser's own display would quote the line, which may hold a password.
            let place = file.place(error.span().map_or(0, |span| span.start));
            self.errors.push(format!("not valid TOML: {} ({place})", error.message()));
        }
    }

    fn table(&mut self, file: &File<'_>, section: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let start = name.span().start;
            let key = join(section, name.get_ref());
            let setting = settings::find(&key);
            match (value.get_ref(), setting) {
                (DeValue::Table(inner), None) if !inner.is_empty() => self.table(file, &key, inner),
                (value, Some(setting)) => match text_of(value) {
                    Some(text) => self.given.push(Given { setting, text, source: file.source(start) }),
                    None => {
                        let expected = "expected a string, number, boolean or array of strings";
                        let found = value.type_str();
                        self.errors.push(format!("{key}: {expected}, found {found} ({})", file.place(start)));
                    }
                },
                (DeValue::Table(_), None) if is_section(&key) => {}
                (value, None) if is_section(&key) => {
                    let found = value.type_str();
                    self.errors.push(format!("{key}: expected a section, found {found} ({})", file.place(start)));
                }
                (_, None) => {
                    self.unknown(&key, &file.place(start), settings::nearest(&key).map(|near| near.key.into()))
                }
            }
        }
    }

    fn variable(&mut self, name: &OsString, value: &OsString) {
        let name = name.to_string_lossy();
        let Some(bare) = name.strip_prefix(PREFIX) else { return };
        let Some(setting) = settings::settings().iter().find(|setting| setting.variable() == name) else {
            let key = bare.replace("__", ".").to_lowercase();
            let near = settings::nearest(&key).map(Setting::variable);
            return self.unknown(&one_line(Path::new(&*name)), "environment", near);
        };
        match value.to_str() {
            Some(text) => self.given.push(Given { setting, text: text.to_owned(), source: Source::Environment }),
            None => self.errors.push(format!("{}: expected UTF-8 text (environment {name})", setting.key)),
        }
    }

    fn unknown(&mut self, name: &str, place: &str, near: Option<String>) {
        let hint = match near {
            Some(near) => format!("the nearest known name is {near}"),
            None => "primetrade help settings lists those that there are".to_owned(),
        };
        self.errors.push(format!("unknown setting {name} ({place}); {hint}"));
    }
}

/// A file being read.
struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    /// The line of a byte position, from 1.
    fn line(&self, position: usize) -> usize {
        1 + self.text.bytes().take(position).filter(|byte| *byte == b'\n').count()
    }

    fn place(&self, position: usize) -> String {
        place(self.path, self.line(position))
    }

    fn source(&self, position: usize) -> Source {
        Source::File { path: self.path.to_owned(), line: self.line(position) }
    }
}

fn place(path: &Path, line: usize) -> String {
    format!("file {} line {line}", one_line(path))
}

/// A path that cannot break out of its line of an error or a comment.
fn one_line(path: &Path) -> String {
    path.to_string_lossy().replace(char::is_control, "?")
}

/// The full key of a name in a section. A quoted name with dots of its own must not pass for a section and a name.
fn join(section: &str, name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    let name = if bare { name.to_owned() } else { format!("{name:?}") };
    if section.is_empty() { name } else { format!("{section}.{name}") }
}

fn is_section(key: &str) -> bool {
    settings::settings().iter().any(|setting| setting.key.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
}

/// A TOML value in the one notation that all sources share; arrays of strings are comma lists.
fn text_of(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => {
            let decimal = i64::from_str_radix(number.as_str(), number.radix()).ok();
            Some(decimal.map_or_else(|| number.to_string(), |decimal| decimal.to_string()))
        }
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(truth) => Some(truth.to_string()),
        DeValue::Array(items) => {
            let texts: Option<Vec<&str>> = items.iter().map(|item| item.get_ref().as_str()).collect();
            texts.map(|texts| texts.join(","))
        }
        DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}
