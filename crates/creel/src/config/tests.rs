#![allow(clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use creel_guard::{HostName, Target};
use creel_policy::HostPattern;
use proptest::prelude::*;

use super::raw::RawConfig;
use super::settings::{Legal, Section};
use creel_ledger::Keep;

use super::{Config, Durability, parse, reference, sample, schema};
use crate::provider::ProviderKind;

// No certificate anyone would trust: reading one does not look inside.
const PEM: &str = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";

fn read(text: &str) -> Result<Config, String> {
    let files = |path: &Path| match path.to_str() {
        Some("ca.pem") => Ok(PEM.to_owned()),
        Some("key.pem") => Ok(format!("{PEM}-----BEGIN PRIVATE KEY-----\n")),
        Some("empty.pem") => Ok(String::new()),
        _ => Err("no such file".to_owned()),
    };
    parse(Path::new("conf/creel.toml"), text, &files).map_err(|report| report.to_string())
}

/// `text` is refused, at this line and column, with a message that holds each of `words`.
#[track_caller]
fn refused(text: &str, at: &str, words: &[&str]) {
    let report = read(text).expect_err(text);
    let line = report.lines().find(|line| line.starts_with(&format!("conf/creel.toml:{at}: ")));
    let line = line.unwrap_or_else(|| panic!("nothing at {at} in: {report}"));
    for word in words {
        assert!(line.contains(word), "no `{word}` in: {line}");
    }
}

fn rule(lines: &str) -> String {
    format!("[[egress.allow]]\n{lines}\n")
}

#[test]
fn nothing_written_gives_the_defaults() {
    let config = read("").unwrap();
    assert_eq!(config.tenant.as_str(), "default");
    assert_eq!((config.limits.memory_bytes, config.limits.disk_bytes), (4 << 30, 10 << 30));
    assert_eq!((config.limits.cpus, config.limits.processes), (2.0, 512));
    assert_eq!(config.durability(), Durability::Effects);
    assert_eq!(config.state, Path::new("/var/lib/creel"));
    assert_eq!(config.openclaw.drain, Duration::from_secs(20));
    assert!(config.egress.is_empty() && config.warnings.is_empty() && config.openclaw.plugins.is_empty());
    assert_eq!(config.model, super::Model::default());
    assert!(Config::of(None).unwrap().egress.is_empty());
}

#[test]
fn a_whole_file_is_read() {
    let text = r#"
        [tenant]
        name = "acme-1"
        [limits]
        cpus = 1
        memory = "3GiB"
        disk = 2147483648
        [[egress.allow]]
        host = "Origin.Test."
        ports = [8443, 443]
        address = "127.0.0.1"
        ca = "ca.pem"
        methods = ["GET"]
        paths = ["/v1/**", "/"]
        [[egress.allow]]
        host = "*.example.com"
        http = true
        [[egress.allow]]
        host = "[2001:db8::1]"
        [model]
        provider = "openai"
        base_url = "http://127.0.0.1:9000/v1/"
        model = "m/1:x"
        [tools]
        deny = ["browser"]
        ask = ["group:web"]
        [ledger]
        durability = "all"
        keep_days = 400
        keep_bytes = "10GiB"
        [state]
        dir = "/tmp/creel"
    "#;
    let config = read(text).unwrap();
    assert_eq!((config.limits.cpus, config.limits.memory_bytes, config.limits.disk_bytes), (1.0, 3 << 30, 2 << 30));
    let [origin, wild, literal] = config.egress.as_slice() else { panic!("{:?}", config.egress) };
    assert_eq!(origin.host, HostPattern::Exact(HostName::parse("origin.test").unwrap()));
    assert_eq!(origin.ports, [443, 8443]);
    assert_eq!(origin.address, Some([127, 0, 0, 1].into()));
    assert_eq!(origin.ca.as_ref().unwrap().pem, PEM);
    assert_eq!(wild.host, HostPattern::Below(HostName::parse("example.com").unwrap()));
    assert!(wild.http && !origin.http);
    assert_eq!(literal.host, HostPattern::Address("2001:db8::1".parse().unwrap()));
    let url = config.model.base_url.as_ref().unwrap();
    assert_eq!((&url.host, url.port, url.path.as_str()), (&Target::Address([127, 0, 0, 1].into()), 9000, "/v1"));
    assert_eq!(config.model.provider, Some(ProviderKind::Openai));
    assert_eq!(config.durability(), Durability::All);
    let days = |days: u64| Duration::from_secs(days * 86_400);
    let keep = Keep { age: Some(days(400)), bytes: Some(10 << 30), at_least: days(30), outside: false };
    assert_eq!(config.keep(), keep);
    assert_eq!(config.cas().len(), 1);
}

#[test]
fn unknown_keys_name_the_nearest() {
    refused("[limits]\nmemroy = 1\n", "2:1", &["`limits` has no key `memroy`", "did you mean `memory`?", "`disk`"]);
    refused("[limit]\n", "1:2", &["the file has no key `limit`", "did you mean `limits`?"]);
    refused(&rule("host = \"a.test\"\nport = 1"), "3:1", &["`egress.allow` has no key `port`", "`ports`?"]);
}

#[test]
fn a_mode_other_than_http_takes_what_can_be_looked_at_there() {
    let tunnel = read(&rule("host = \"a.test\"\nmode = \"tunnel\"\nmax_body = \"1MiB\"")).unwrap();
    assert_eq!(tunnel.egress[0].mode, creel_guard::Mode::Tunnel);
    assert_eq!(read(&rule("host = \"192.0.2.1\"\nports = [22]\nmode = \"tcp\"")).unwrap().egress[0].ports, [22]);
    refused(
        &rule("host = \"a.test\"\nmode = \"tunnel\"\npaths = [\"/x\"]"),
        "3:8",
        &["`paths` says nothing where `mode` is `tunnel`"],
    );
    refused(
        &rule("host = \"a.test\"\nmode = \"smtp\"\ncredentials = \"none\""),
        "3:8",
        &["`credentials` says nothing"],
    );
    refused(&rule("host = \"*.a.test\"\nmode = \"tcp\""), "3:8", &["needs the exact name of a host"]);
    refused(&rule("host = \"192.0.2.1\"\nmode = \"tunnel\""), "3:8", &["needs the exact name of a host"]);
    refused(&rule("host = \"a.test\"\nmode = \"ftp\""), "3:8", &["`egress.allow.mode` can't be `\"ftp\"`"]);
    let two = "[[egress.allow]]\nhost = \"a.test\"\nmode = \"tcp\"\n[[egress.allow]]\nhost = \"a.test\"\n";
    refused(two, "5:8", &["differ in `address`, `ca`, `client_cert` or `mode`"]);
}

#[test]
fn types_and_ranges() {
    refused("[limits]\ncpus = \"2\"", "2:8", &["`limits.cpus` can't be `\"2\"`", "a number from 0.05 to 1024"]);
    refused("[limits]\ncpus = nan", "2:8", &["`nan`"]);
    refused("[limits]\ncpus = 0", "2:8", &["`0`"]);
    refused("[limits]\nmemory = \"4GB\"", "2:10", &["`\"4GB\"`", "`\"32MiB\"` to `\"16TiB\"`"]);
    refused("[limits]\nmemory = 1024", "2:10", &["`1024`"]);
    refused("[limits]\nprocesses = -1", "2:13", &["`-1`", "a whole number from 16"]);
    refused("[limits]\nprocesses = 1.5", "2:13", &["`1.5`"]);
    refused("limits = 3", "1:10", &["`limits` can't be `3`", "a section"]);
    refused("[egress]\nallow = 3", "2:9", &["any number of sections `[[egress.allow]]`"]);
    refused("[egress]\nallow = [3]", "2:9", &["no list of sections"]);
    refused("[egress]\nallow = {}", "2:9", &["a section"]);
    refused(&rule("host = \"a.test\"\nports = [443, 0]"), "3:15", &["`egress.allow.ports` can't be `0`"]);
    refused(&rule("host = \"a.test\"\nports = [65536]"), "3:10", &["`65536`"]);
    refused(&rule("host = \"a.test\"\nports = []"), "3:9", &["an empty list"]);
    refused(&rule("host = \"a.test\"\nhttp = 1"), "3:8", &["`true` or `false`"]);
    refused("[model]\nprovider = \"grok\"", "2:12", &["`\"scripted\"`, `\"openai\"`, `\"anthropic\"`, `\"gemini\"`"]);
    refused("[ledger]\nkeep_days = 10", "2:13", &["`ledger.keep_at_least_days`, 30"]);
    refused("[ledger]\ndurability = \"none\"", "2:14", &["`\"effects\"`, `\"all\"`"]);
    refused("[tools]\ndeny = [1]", "2:9", &["`tools.deny` can't be `1`"]);
}

#[test]
fn name_servers_are_read_and_contradictions_told() {
    use super::{Asking, Dns};
    assert_eq!(read("").unwrap().dns, Dns::System);
    let dns = |lines: &str| read(&format!("[dns]\n{lines}\n")).unwrap().dns;
    let of = |list: &[&str]| list.iter().map(|one| one.parse().unwrap()).collect();
    let plain = dns("resolver = \"plain\"\nservers = [\"192.0.2.53\", \"2001:db8::1\", \"[2001:db8::2]:5353\"]");
    let addresses = of(&["192.0.2.53:53", "[2001:db8::1]:53", "[2001:db8::2]:5353"]);
    assert_eq!(plain, Dns::Servers { addresses, how: Asking::Plain });
    let tls = dns("resolver = \"tls\"\nservers = [\"192.0.2.53\"]\nname = \"Dns.Test\"\nca = \"ca.pem\"");
    let Dns::Servers { addresses, how: Asking::Encrypted { name, path: None, ca: Some(ca) } } = tls else { panic!() };
    assert_eq!((addresses, name.as_str(), ca.pem.as_str()), (of(&["192.0.2.53:853"]), "dns.test", PEM));
    let https = dns("resolver = \"https\"\nservers = [\"192.0.2.53\"]\nname = \"dns.test\"");
    let Dns::Servers { addresses, how: Asking::Encrypted { path: Some(path), .. } } = https else { panic!() };
    assert_eq!((addresses, path.as_str()), (of(&["192.0.2.53:443"]), "/dns-query"));
    for (lines, at, words) in [
        ("servers = [\"192.0.2.53\"]", "2:11", "`dns.servers` says nothing while `resolver` is `system`"),
        ("resolver = \"plain\"", "2:12", "needs `servers`"),
        ("resolver = \"plain\"\nservers = [\"dns.test\"]", "3:12", "it is no address"),
        ("resolver = \"plain\"\nservers = [\"192.0.2.1:0\"]", "3:12", "its port is 0"),
        ("resolver = \"plain\"\nservers = [\"192.0.2.1\", \"192.0.2.1:53\"]", "3:25", "it stands twice"),
        ("resolver = \"plain\"\nservers = [\"169.254.169.254\"]", "3:12", "`dns.servers` can't hold"),
        ("resolver = \"plain\"\nservers = [\"192.0.2.1\"]\nname = \"a.test\"", "4:8", "`dns.name` says nothing"),
        ("resolver = \"tls\"\nservers = [\"192.0.2.1\"]", "2:12", "needs the `name`"),
        ("resolver = \"tls\"\nservers = [\"192.0.2.1\"]\nname = \"a b\"", "4:8", "`dns.name` can't be"),
        ("resolver = \"tls\"\nservers = [\"192.0.2.1\"]\nname = \"a.test\"\npath = \"/x\"", "5:8", "`dns.path`"),
        ("resolver = \"https\"\nservers = [\"192.0.2.1\"]\nname = \"a.test\"\npath = \"/x y\"", "5:8", "`dns.path`"),
        ("resolver = \"doq\"", "2:12", "`\"system\"`, `\"plain\"`, `\"tls\"`, `\"https\"`"),
    ] {
        refused(&format!("[dns]\n{lines}\n"), at, &[words]);
    }
    let warned = read("[dns]\nresolver = \"plain\"\nservers = [\"192.0.2.53\"]\n").unwrap().warnings;
    assert!(warned[0].contains("anyone on the way"), "{warned:?}");
    assert!(read("[dns]\nresolver = \"plain\"\nservers = [\"127.0.0.1\"]\n").unwrap().warnings.is_empty());
}

#[test]
fn a_certificate_to_show_needs_its_key_and_the_key_is_never_shown() {
    let (key, other) = (rcgen::KeyPair::generate().unwrap(), rcgen::KeyPair::generate().unwrap());
    let params = rcgen::CertificateParams::new(vec!["me.test".to_owned()]).unwrap();
    let (certificate, secret) = (params.self_signed(&key).unwrap().pem(), key.serialize_pem());
    let files = [("c.pem", certificate), ("k.pem", secret.clone()), ("o.pem", other.serialize_pem())];
    let files = files.map(|(path, text)| (PathBuf::from(path), text));
    let of = |lines: &str| Config::again(Path::new("c"), &rule(&format!("host = \"a.test\"\n{lines}")), &files);
    let config = of("client_cert = \"c.pem\"\nclient_key = \"k.pem\"").unwrap();
    assert!(config.egress_door().hosts()[0].identity.is_some());
    assert!(config.cas().iter().any(|(path, text)| path == Path::new("k.pem") && *text == secret));
    let inner: String = secret.lines().nth(1).unwrap().to_owned();
    assert!(!format!("{config:?}").contains(&inner));
    for (lines, words) in [
        ("client_cert = \"c.pem\"", "need each other"),
        ("client_key = \"k.pem\"", "need each other"),
        ("client_cert = \"c.pem\"\nclient_key = \"o.pem\"", "the key is not the certificate's"),
        ("client_cert = \"c.pem\"\nclient_key = \"c.pem\"", "holds no private key"),
        ("client_cert = \"x.pem\"\nclient_key = \"k.pem\"", "`client_cert` can't be read"),
        ("mode = \"tunnel\"\nclient_cert = \"c.pem\"\nclient_key = \"k.pem\"", "client_cert"),
    ] {
        let report = of(lines).unwrap_err().to_string();
        assert!(report.contains(words) && !report.contains(&inner), "{lines}: {report}");
    }
}

#[test]
fn syntax_errors_have_a_place() {
    refused("[limits\ncpus = 2\n", "1:8", &["no TOML"]);
    refused("[limits]\ncpus = 1\ncpus = 2\n", "3:1", &["no TOML"]);
    refused("a\0b", "1:2", &["no TOML"]);
}

#[test]
fn all_faults_are_told_at_once() {
    let report =
        read("[limits]\ncpus = 0\nfoo = 1\n[[egress.allow]]\nhost = \"*\"\nports = [0]\n[state]\ndir = \"x\"\n");
    let report = report.unwrap_err();
    for at in ["2:8", "3:1", "5:8", "6:10", "8:7"] {
        assert!(report.contains(&format!("creel.toml:{at}: ")), "{at} in {report}");
    }
    assert_eq!(report.lines().count(), 5, "{report}");
}

#[test]
fn hosts() {
    for (host, word) in [
        ("*", "would open every host"),
        ("*.com", "top-level"),
        ("a.*.com", "at the front only"),
        ("*.localhost", "the jail itself"),
        ("https://a.test", "no scheme"),
        ("a.test:8443", "ports = [8443]"),
        ("user@a.test", "no user"),
        ("localhost", "the jail itself"),
        ("127.0.0.1", "the jail itself"),
        ("::1", "the jail itself"),
        ("::ffff:169.254.169.254", "no rule opens it"),
        ("169.254.169.254", "metadata"),
        ("0.0.0.0", "no rule opens it"),
        ("2130706433", "no host"),
        ("0x7f.1", "no host"),
        ("a..test", "no host"),
        ("", "it is empty"),
        ("exa mple.com", "no host"),
    ] {
        refused(&rule(&format!("host = \"{host}\"")), "2:8", &[word]);
    }
    refused("[[egress.allow]]\nports = [443]\n", "1:1", &["needs a `host`"]);
}

#[test]
fn addresses_and_certificates() {
    let with = |line: &str| rule(&format!("host = \"a.test\"\n{line}"));
    refused(&with("address = \"a.test\""), "3:11", &["legal is an IP address"]);
    for closed in ["169.254.169.254", "::ffff:a9fe:a9fe", "fe80::1", "fd00:ec2::254", "100.100.100.200", "0.0.0.0"] {
        refused(&with(&format!("address = \"{closed}\"")), "3:11", &["no rule opens it"]);
    }
    assert_eq!(read(&with("address = \"::ffff:10.0.0.1\"")).unwrap().egress[0].address, Some([10, 0, 0, 1].into()));
    refused(&rule("host = \"192.0.2.1\"\naddress = \"192.0.2.2\""), "3:11", &["contradicts"]);
    let literal = read(&rule("host = \"192.0.2.1\"\naddress = \"192.0.2.1\"\nca = \"ca.pem\"")).unwrap();
    assert_eq!(literal.egress_door().hosts()[0].ca.len(), 1);
    refused(&with("ca = \"none.pem\""), "3:6", &["no such file", "starts at the configuration file"]);
    refused(&with("ca = \"key.pem\""), "3:6", &["private key"]);
    refused(&with("ca = \"empty.pem\""), "3:6", &["without a certificate"]);
}

#[test]
fn methods_and_paths() {
    let with = |line: &str| rule(&format!("host = \"a.test\"\n{line}"));
    for bad in ["get", "CONNECT", "GE T"] {
        refused(&with(&format!("methods = [\"{bad}\"]")), "3:12", &["capitals"]);
    }
    for bad in ["v1", "/a?b", "/**/**", "/a/../b", "/a//b", "/a%2fb", "/a**", "/a;b", "/a\\\\b", "/a b"] {
        refused(&with(&format!("paths = [\"{bad}\"]")), "3:10", &["`paths` can't hold"]);
    }
    refused(&with("methods = []"), "3:11", &["would allow nothing"]);
}

#[test]
fn conditions() {
    let with = |line: &str| rule(&format!("host = \"a.test\"\n{line}"));
    for (line, at, word) in [
        ("odd_paths = [\"..\"]", "3:14", "`odd_paths` can't hold"),
        ("headers = [\"accept\"]", "3:12", "`headers` can't hold"),
        ("headers = [\"a b: c\"]", "3:12", "`headers` can't hold"),
        ("content_types = [\"json\"]", "3:18", "a media type without parameters"),
        ("rate = \"0/minute\"", "3:8", "`rate` can't be"),
        ("rate = \"5/week\"", "3:8", "`second`, `minute`"),
        ("learn_until = \"2026-02-30\"", "3:15", "the last day (UTC)"),
        ("learn_until = \"soon\"", "3:15", "the last day (UTC)"),
        ("body = \"xml\"", "3:8", "`\"json\"`, `\"graphql\"`"),
        ("operations = [\"query a\"]", "3:14", "needs a `body`"),
        ("links = \"approved\"", "3:9", "needs a `body`"),
        ("body = \"json\"\noperations = [\"query a\"]", "4:14", "has no `operations`"),
        ("body = \"json\"\nfields = [\"a\"]", "4:11", "`fields` can't hold"),
        ("max_body = \"5TiB\"", "3:12", "max_body`"),
        ("credentials = \"some\"", "3:15", "`\"any\"`, `\"none\"`"),
        ("secret = \"not a name\"", "3:10", "no secret's name"),
        ("secret_slot = \"query\"", "3:15", "`bearer`, `basic USER`"),
        ("secret_slot = \"basic a:b\"", "3:15", "a user has no `:`"),
        ("secret_slot = \"header Host\"", "3:15", "where a request goes"),
        ("secret = \"A\"\nhttp = true", "3:10", "no secret goes over plain HTTP"),
        ("secret = \"A\"\nports = [443, 80]", "3:10", "no secret goes over plain HTTP"),
        ("secret = \"A\"\nwebsocket = true", "3:10", "no secret goes over a WebSocket"),
    ] {
        refused(&with(line), at, &[word]);
    }
    // The example policy of the rules says the same here and there.
    let written = creel_policy::examples::POLICY.replace("169.254.169.254", "192.0.2.1");
    let written = written.lines().take_while(|line| !line.starts_with("[model]")).collect::<Vec<_>>().join("\n");
    let read = read(&written).unwrap_or_else(|report| panic!("{report}"));
    let typed = creel_policy::examples::policy().unwrap();
    for (written, typed) in read.egress.iter().map(super::wire::allow).zip(&typed.config().egress_allow) {
        if typed.host.to_string() != "metadata.test" {
            assert_eq!(&written, typed);
        }
    }
    assert_eq!(read.egress.len(), typed.config().egress_allow.len());
}

#[test]
fn rules_that_contradict_each_other() {
    let two = |a: &str, b: &str| {
        format!("{}{}", rule(&format!("host = \"a.test\"\n{a}")), rule(&format!("host = \"A.test\"\n{b}")))
    };
    refused(&two("", ""), "5:8", &["a second rule for `a.test` port 443"]);
    refused(
        &two("address = \"127.0.0.1\"", "paths = [\"/x\"]"),
        "5:8",
        &["differ in `address`, `ca`, `client_cert` or `mode`"],
    );
    assert!(read(&two("ports = [443]", "ports = [8443]")).is_ok());
    assert!(read(&two("methods = [\"GET\"]", "methods = [\"POST\"]\npaths = [\"/x\"]")).is_ok());
    refused(&rule("host = \"a.test\"\nports = [443, 443]"), "3:15", &["stands twice"]);
    refused("[tools]\ndeny = [\"exec\"]\nask = [\"exec\"]", "3:8", &["in `tools.deny` and in `tools.ask`"]);
}

#[test]
fn the_model() {
    refused("[model]\nbase_url = \"https://x.test/v1\"", "2:12", &["needs a `provider`"]);
    let openai = |line: &str| format!("[model]\nprovider = \"openai\"\n{line}");
    for bad in ["ftp://x.test", "https://u@x.test", "https://x.test/?q", "x.test", "https://x.test:0", "https://x y"] {
        refused(&openai(&format!("base_url = \"{bad}\"")), "3:12", &["`model.base_url` can't be"]);
    }
    refused(&openai("base_url = \"http://x.test\""), "3:12", &["in the clear"]);
    refused(&openai("base_url = \"http://169.254.169.254\""), "3:12", &["metadata"]);
    refused(&openai("base_url = \"https://[fe80::1]\""), "3:12", &["link-local"]);
    assert!(read(&openai("base_url = \"http://x.test:9000\"\naddress = \"127.0.0.1\"")).is_ok());
    refused(&openai("script = \"a.toml\""), "3:10", &["scripted model alone"]);
    refused(&openai("format = \"anthropic-messages\""), "3:10", &["no format of `openai`", "`openai-responses`"]);
    refused("[model]\nformat = \"openai-responses\"", "2:10", &["needs a `provider`"]);
    assert!(read(&openai("format = \"openai-responses\"")).is_ok());
    refused("[model]\nprovider = \"scripted\"\naddress = \"127.0.0.1\"", "3:11", &["contradicts"]);
    let scripted = read("[model]\nscript = \"attacks/a.toml\"").unwrap();
    assert_eq!(scripted.model.script, Some(PathBuf::from("conf/attacks/a.toml")));
}

#[test]
fn credentials_are_refused_and_never_shown() {
    let key = format!("sk-{}", "Ab3dEf6hIj".repeat(3));
    for text in [
        format!("[model]\napi_key = \"{key}\""),
        "[model]\napi_key = \"hunter2\"".to_owned(),
        format!("[model]\nmodel = \"{key}\""),
        format!("[tools]\ndeny = [\"{key}\"]"),
        format!("[limits]\ncpus = \"{key}\""),
        format!("[[egress.allow]]\nhost = \"{key}\""),
        format!("password = \"{key}\""),
    ] {
        let report = parse(Path::new("creel.toml"), &text, &super::no_files).unwrap_err();
        let told = format!("{report}\n{}\n{}", report.render(true), report.render(false));
        assert!(told.contains("environment of `creel up`"), "{told}");
        assert!(!told.contains("dEf6hIj") && !told.contains("hunter2"), "{told}");
    }
}

#[test]
fn small_jails_get_a_warning() {
    let config = read("[limits]\nmemory = \"1GiB\"\ndisk = \"64MiB\"").unwrap();
    assert_eq!(config.warnings.len(), 2);
}

#[test]
fn a_rule_for_the_providers_host_gets_a_warning() {
    let config = read(&rule("host = \"api.openai.com\"")).unwrap();
    assert!(config.warnings[0].contains("the model door alone"), "{:?}", config.warnings);
    let own = "[model]\nprovider = \"openai\"\nbase_url = \"https://llm.test/v1\"\n";
    assert_eq!(read(&format!("{}{own}", rule("host = \"*.test\""))).unwrap().warnings.len(), 1);
    assert_eq!(read(&format!("{}{own}", rule("host = \"api.openai.com\""))).unwrap().warnings.len(), 0);
    let scripted = "[model]\nprovider = \"scripted\"\n";
    assert_eq!(read(&format!("{}{scripted}", rule("host = \"api.openai.com\""))).unwrap().warnings.len(), 0);
}

#[test]
fn a_source_reads_the_same_again() {
    let dir = std::env::temp_dir().join(format!("creel-config-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let file = dir.join("creel.toml");
    std::fs::write(dir.join("ca.pem"), PEM).unwrap();
    std::fs::write(&file, rule("host = \"a.test\"\nca = \"ca.pem\"")).unwrap();
    let config = Config::of(Some(&file)).unwrap();
    std::fs::write(&file, "x".repeat(1 + (1 << 20))).unwrap();
    let too_long = Config::of(Some(&file)).unwrap_err().to_string();
    std::fs::remove_dir_all(&dir).unwrap();
    assert!(too_long.contains("longer than 1MiB"), "{too_long}");
    let again = Config::again(config.name(), config.text(), &config.cas()).unwrap();
    assert_eq!(format!("{again:?}"), format!("{config:?}"));
    let report = Config::again(config.name(), config.text(), &[]).unwrap_err();
    assert!(report.to_string().contains("not handed over"));
    assert!(Config::of(Some(&file)).unwrap_err().to_string().contains("creel init-config"));
}

#[test]
fn the_sample_is_the_defaults() {
    let sample = sample();
    let config = read(&sample).unwrap_or_else(|report| panic!("{report}"));
    let facts = |config: Config| format!("{:?}", Config { text: String::new(), ..config });
    assert_eq!(facts(config), facts(read("").unwrap()));
    // With every setting taken in, it still reads, but for the examples that contradict each other by design.
    let all: String = sample
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|rest| rest.starts_with("[[") || is_setting(rest)).unwrap_or(line))
        .filter(|line| {
            let apart = ["script =", "name = \"dns", "ca = \"dns", "client_", "command =", "rotate_with ="];
            let apart = apart.into_iter().chain(["source =", "at =", "ca = \"vault", "minted_"]);
            !apart.into_iter().any(|start| line.starts_with(start))
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let config = read(&all).unwrap_or_else(|report| panic!("{report}\n{all}"));
    assert_eq!(config.egress.len(), 1);
    for_each_setting(&RawConfig::SECTION, &mut |name| assert!(sample.contains(name), "{name}"));
}

fn is_setting(line: &str) -> bool {
    line.split_once(" = ").is_some_and(|(key, _)| key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
}

fn for_each_setting(section: &Section, check: &mut impl FnMut(&str)) {
    for setting in section.settings {
        match setting.legal {
            Legal::Table(inner) | Legal::Tables(inner) => for_each_setting(inner, check),
            _ => {
                assert!(!setting.why.is_empty() && !setting.what.is_empty(), "{}", setting.key);
                check(&format!("# {} = ", setting.key));
            }
        }
    }
}

/// The committed file is what is generated; `UPDATE=1` rewrites it.
#[track_caller]
fn committed(path: &str, made: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, made).unwrap();
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(found == made, "{path} is out of date: run `UPDATE=1 cargo test -p creel`");
}

#[test]
fn committed_texts_are_up_to_date() {
    committed("docs/configuration.md", &reference());
    committed("schema/creel.schema.json", &schema());
}

#[test]
fn the_configuration_in_the_readme_is_one() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).unwrap();
    let blocks: Vec<&str> = readme.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        read(block).unwrap_or_else(|report| panic!("{report}"));
    }
}

#[test]
fn the_schema_knows_ranges_and_words() {
    let schema: serde_json::Value = serde_json::from_str(&schema()).unwrap();
    let limits = schema.pointer("/$defs/limits/properties").unwrap();
    assert_eq!(limits["cpus"]["maximum"], 1024.0);
    assert_eq!(limits["memory"]["default"], "4GiB");
    assert_eq!(schema.pointer("/$defs/limits/additionalProperties"), Some(&false.into()));
    assert_eq!(schema.pointer("/$defs/egress.allow/required/0"), Some(&"host".into()));
    assert_eq!(schema.pointer("/$defs/model/properties/provider/enum/0"), Some(&"scripted".into()));
}

#[test]
fn policy_and_doors_get_all_of_it() {
    let text = r#"
        [[egress.allow]]
        host = "a.test"
        ports = [80, 8443]
        address = "127.0.0.1"
        ca = "ca.pem"
        http = true
        methods = ["GET"]
        paths = ["/v1/**"]
        [[egress.allow]]
        host = "192.0.2.7"
        [model]
        provider = "anthropic"
        address = "127.0.0.1"
        [tools]
        deny = ["browser"]
        ask = ["exec"]
    "#;
    let config = read(text).unwrap();
    let provider = config.provider(&|_| true).unwrap();
    let policy = config.policy(7, &provider, vec![[192, 0, 2, 1].into()]);
    let [named, literal] = policy.egress_allow.as_slice() else { panic!("{policy:?}") };
    assert_eq!(
        (named.ports.as_slice(), named.http, named.address),
        ([80, 8443].as_slice(), true, Some([127, 0, 0, 1].into()))
    );
    assert_eq!(named.methods.as_deref(), Some(["GET".to_owned()].as_slice()));
    assert_eq!(named.paths.as_ref().unwrap()[0].to_string(), "/v1/**");
    assert_eq!(literal.host, HostPattern::Address([192, 0, 2, 7].into()));
    assert_eq!((policy.generation, policy.own_addresses.len()), (7, 1));
    assert_eq!((policy.tools.deny.len(), policy.tools.ask.len()), (1, 1));
    let model = &policy.model.providers[0];
    assert_eq!((model.name.as_str(), model.secret.as_deref()), ("anthropic", Some("ANTHROPIC_API_KEY")));
    assert_eq!(model.host.as_ref().unwrap().as_str(), "api.anthropic.com");
    assert_eq!(model.address, Some([127, 0, 0, 1].into()));
    let door = config.egress_door();
    assert_eq!((door.hosts().len(), door.hosts()[0].ca.len()), (2, 1));
    assert_eq!(config.approved_hosts(), ["a.test:80", "a.test:8443", "192.0.2.7:443"]);
    let scripted = read("").unwrap();
    assert_eq!(scripted.provider_url(&scripted.provider(&|_| false).unwrap()), None);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        if let Err(report) = parse(Path::new("c"), &text, &super::no_files) {
            let _ = (report.to_string(), report.render(false));
        }
    }

    #[test]
    fn nearly_right_texts_do_not_either(
        key in "(limits|egress|model|tenant|state)(\\.(allow|cpus|memory|host|name|dir))?",
        value in "[-a-z0-9.\\[\\]{}\"=, éß]{0,24}",
    ) {
        if let Err(report) = read(&format!("{key} = {value}")) {
            prop_assert!(!report.is_empty());
        }
    }
}
