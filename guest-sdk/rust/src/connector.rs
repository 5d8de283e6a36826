//! The table that a connector is: from it come the manifest and the dispatch of calls.

use crate::abi::{Host, PARAMETERS};
use crate::answer::Answer;
use crate::call::{Call, read_text};
use crate::error::Result;
use crate::json::push_string;
use crate::params::Params;

/// What runs a command.
pub type Handler = fn(&Call<'_>) -> Result<Answer>;

/// A connector: its name, version and commands, and what it asks for.
#[derive(Debug, Clone, Copy)]
pub struct Connector {
    name: &'static str,
    version: &'static str,
    description: &'static str,
    http: Option<Hosts>,
    tcp: Option<Hosts>,
    cache: Option<&'static str>,
    secrets: Option<Secrets>,
    commands: &'static [Command],
}

#[derive(Debug, Clone, Copy)]
struct Hosts {
    reason: &'static str,
    hosts: &'static [&'static str],
}

/// What a connector asks for, as the manifest has it.
struct Capability {
    name: &'static str,
    reason: &'static str,
    /// The member that says what of it, and its items; none where it is asked for as a whole.
    subject: Option<(&'static str, &'static [&'static str])>,
}

#[derive(Debug, Clone, Copy)]
struct Secrets {
    reason: &'static str,
    names: &'static [&'static str],
}

/// One thing that a connector does.
#[derive(Debug, Clone, Copy)]
pub struct Command {
    name: &'static str,
    description: &'static str,
    handler: Handler,
    params: &'static [Param],
    asynchronous: bool,
    task_data: bool,
}

/// A parameter that a command declares.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    id: &'static str,
    kind: Kind,
    description: &'static str,
    required: bool,
    secret: bool,
}

/// The type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    String,
    Integer,
    Boolean,
    Any,
}

impl Connector {
    /// A connector without commands. `name` matches `^[a-z0-9][a-z0-9._-]{0,63}$`, `version` is a semantic version.
    pub const fn new(name: &'static str, version: &'static str, description: &'static str) -> Self {
        Connector { name, version, description, http: None, tcp: None, secrets: None, cache: None, commands: &[] }
    }

    /// Asks for HTTP to these hosts, `scheme://host[:port][/path-prefix]` each, with a reason that the operator reads.
    pub const fn http(mut self, reason: &'static str, hosts: &'static [&'static str]) -> Self {
        self.http = Some(Hosts { reason, hosts });
        self
    }

    /// Asks for connections to these hosts, `host:port` each, also `*.example.com:port` and `*` for any host or port, with a
    /// reason that the operator reads.
    pub const fn tcp(mut self, reason: &'static str, hosts: &'static [&'static str]) -> Self {
        self.tcp = Some(Hosts { reason, hosts });
        self
    }

    /// Asks for a cache, with a reason that the operator reads.
    pub const fn cache(mut self, reason: &'static str) -> Self {
        self.cache = Some(reason);
        self
    }

    /// Asks for secrets by the names that the operator defines them under, with a reason that the operator reads.
    pub const fn secrets(mut self, reason: &'static str, names: &'static [&'static str]) -> Self {
        self.secrets = Some(Secrets { reason, names });
        self
    }

    /// Sets the commands, 1 to 256.
    pub const fn commands(mut self, commands: &'static [Command]) -> Self {
        self.commands = commands;
        self
    }

    /// The manifest, one JSON document.
    pub fn manifest(&self) -> String {
        let mut out = Vec::with_capacity(1024);
        let mut json = Writer(&mut out);
        json.object(|json| {
            json.text("name", self.name);
            json.text("version", self.version);
            json.text("description", self.description);
            json.list("capabilities", self.capabilities(), |json, capability| {
                json.object(|json| {
                    json.text("name", capability.name);
                    json.text("reason", capability.reason);
                    if let Some((member, items)) = capability.subject {
                        json.list(member, items.iter(), |json, item| push_string(json.0, item));
                    }
                });
            });
            json.list("commands", self.commands.iter(), |json, command| command.describe(json));
        });
        String::from_utf8(out).expect("every part is UTF-8")
    }

    fn capabilities(&self) -> impl Iterator<Item = Capability> {
        let asked = |name, reason, subject| Capability { name, reason, subject };
        let http = self.http.map(|http| asked("http", http.reason, Some(("hosts", http.hosts))));
        let tcp = self.tcp.map(|tcp| asked("tcp", tcp.reason, Some(("hosts", tcp.hosts))));
        let secrets = self.secrets.map(|secrets| asked("secret", secrets.reason, Some(("secrets", secrets.names))));
        let cache = self.cache.map(|reason| asked("cache", reason, None));
        http.into_iter().chain(tcp).chain(secrets).chain(cache)
    }

    /// Whether the manifest asks for connections.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn asks_for_tcp(&self) -> bool {
        self.tcp.is_some()
    }

    /// The place of a command, as `execute` takes it.
    pub fn position(&self, command: &str) -> Option<usize> {
        self.commands.iter().position(|known| known.name == command)
    }

    /// Writes the manifest. What `describe` of the ABI does.
    pub fn describe(&self, host: &dyn Host) {
        host.write(self.manifest().as_bytes());
    }

    /// Runs one command and answers. What `execute` of the ABI does.
    ///
    /// # Panics
    /// If there is no command at this position: the host called something that the manifest does not list.
    pub fn execute(&self, host: &dyn Host, command: usize) {
        let command = &self.commands[command];
        let answer = read_text(host, PARAMETERS).and_then(|text| {
            let params = Params::parse(&text)?;
            (command.handler)(&Call::new(host, params))
        });
        answer.unwrap_or_else(Answer::from).send(host);
    }

    /// Grows the heap before the memory image is taken, so that no call has to. What `warm` of the ABI does; it keeps
    /// nothing and asks the host for nothing.
    pub fn warm(&self) {
        const HEAP: usize = 512 << 10;
        drop(std::hint::black_box(Vec::<u8>::with_capacity(HEAP)));
    }
}

impl Command {
    /// A command without parameters.
    pub const fn new(name: &'static str, description: &'static str, handler: Handler) -> Self {
        Command { name, description, handler, params: &[], asynchronous: false, task_data: false }
    }

    /// Sets the parameters, in the order in which a modeler shows them.
    pub const fn params(mut self, params: &'static [Param]) -> Self {
        self.params = params;
        self
    }

    /// With a callback URL the answer goes out with status 202, and the connector, or whom it asked, calls back.
    pub const fn asynchronous(mut self) -> Self {
        self.asynchronous = true;
        self
    }

    /// The context carries the task's data.
    pub const fn task_data(mut self) -> Self {
        self.task_data = true;
        self
    }

    fn describe(&self, json: &mut Writer) {
        json.object(|json| {
            json.text("name", self.name);
            json.text("description", self.description);
            json.flag("async", self.asynchronous);
            json.flag("task_data", self.task_data);
            json.list("parameters", self.params.iter(), |json, param| {
                json.object(|json| {
                    json.text("id", param.id);
                    json.text("type", param.kind.as_str());
                    json.flag("required", param.required);
                    json.text("description", param.description);
                    json.flag("secret", param.secret);
                });
            });
        });
    }
}

impl Param {
    /// An optional parameter of this type.
    pub const fn new(id: &'static str, kind: Kind, description: &'static str) -> Self {
        Param { id, kind, description, required: false, secret: false }
    }

    /// An optional string.
    pub const fn string(id: &'static str, description: &'static str) -> Self {
        Param::new(id, Kind::String, description)
    }

    /// An optional integer.
    pub const fn integer(id: &'static str, description: &'static str) -> Self {
        Param::new(id, Kind::Integer, description)
    }

    /// An optional boolean.
    pub const fn boolean(id: &'static str, description: &'static str) -> Self {
        Param::new(id, Kind::Boolean, description)
    }

    /// An optional value of any type.
    pub const fn any(id: &'static str, description: &'static str) -> Self {
        Param::new(id, Kind::Any, description)
    }

    /// A call without it is refused by the host.
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The host removes the value from every log of the call.
    pub const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Kind::String => "str",
            Kind::Integer => "int",
            Kind::Boolean => "bool",
            Kind::Any => "any",
        }
    }
}

/// Writes JSON objects and lists, commas where they belong.
struct Writer<'o>(&'o mut Vec<u8>);

impl Writer<'_> {
    fn object(&mut self, members: impl FnOnce(&mut Self)) {
        self.0.push(b'{');
        members(self);
        self.0.push(b'}');
    }

    fn list<T>(&mut self, name: &str, items: impl Iterator<Item = T>, write: impl Fn(&mut Self, T)) {
        self.name(name);
        self.0.push(b'[');
        for (i, item) in items.enumerate() {
            if i > 0 {
                self.0.push(b',');
            }
            write(self, item);
        }
        self.0.push(b']');
    }

    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        push_string(self.0, value);
    }

    fn flag(&mut self, name: &str, value: bool) {
        self.name(name);
        self.0.extend_from_slice(if value { b"true" } else { b"false" });
    }

    fn name(&mut self, name: &str) {
        if self.0.last() != Some(&b'{') {
            self.0.push(b',');
        }
        push_string(self.0, name);
        self.0.push(b':');
    }
}
