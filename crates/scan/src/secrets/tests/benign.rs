//! Texts that hold no secret, and look as if they might: code, documents, logs, identifiers, digests, pictures.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{Known, Scanner, base64, hex};

/// One in a thousand may be flagged.
const MOST: usize = 1000;

/// Always the same numbers.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 16
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next().to_be_bytes()[7]).collect()
    }

    fn hex(&mut self, count: usize) -> String {
        String::from_utf8(hex(&self.bytes(count.div_ceil(2)))).unwrap()
    }

    fn uuid(&mut self) -> String {
        let [start, low, high, clock, node] = [8, 4, 3, 3, 12].map(|digits| self.hex(digits + 1));
        format!("{start:.8}-{low:.4}-4{high:.3}-a{clock:.3}-{node:.12}")
    }
}

fn files(folder: &Path, end: &str, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, end, found);
        } else if path.extension().is_some_and(|own| own == end) {
            found.push(path);
        }
    }
}

/// Files of this repository in pieces of some lines; those of this part show what secrets look like.
fn pieces(folders: &[&str], end: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut found = Vec::new();
    folders.iter().for_each(|folder| files(&root.join(folder), end, &mut found));
    let mut pieces = Vec::new();
    for file in found {
        let text = std::fs::read_to_string(file).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        pieces.extend(lines.chunks(20).map(|piece| piece.join("\n")));
    }
    pieces
}

fn logs(dice: &mut Dice) -> Vec<String> {
    let one = |dice: &mut Dice| {
        let (request, id, digest, address) = (dice.uuid(), dice.next(), dice.hex(40), dice.bytes(4));
        format!(
            "2026-12-01T10:07:{:02}.123Z INFO http request_id={request} user={id} commit={digest} etag=\"{}\" from {}.{}.{}.{}:443 \
             \"GET /v1/items/{}?page=2&cursor={} HTTP/1.1\" 200 {} key=cache:items:{}\n",
            id % 60,
            dice.hex(32),
            address[0],
            address[1],
            address[2],
            address[3],
            id % 9999,
            dice.uuid(),
            id % 100_000,
            dice.hex(16)
        )
    };
    (0..1500).map(|_| (0..5).map(|_| one(dice)).collect()).collect()
}

fn digests(dice: &mut Dice) -> Vec<String> {
    let one = |dice: &mut Dice| {
        let digest = Sha256::digest(dice.bytes(20));
        format!(
            "checksum = \"{}\"\n\"integrity\": \"sha512-{}\"\nsha256:{}  ./a/{}.tar.gz\nindex {}..{} 100644\nETag: W/\"{}\"\n",
            String::from_utf8(hex(&digest)).unwrap(),
            String::from_utf8(base64(&dice.bytes(64))).unwrap(),
            dice.hex(64),
            dice.hex(12),
            dice.hex(8),
            dice.hex(8),
            dice.hex(32)
        )
    };
    (0..1500).map(|_| one(dice)).collect()
}

fn pictures(dice: &mut Dice) -> Vec<String> {
    let one = |dice: &mut Dice| {
        let bytes =
            [&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x02\0\0\0\x02\0\x08\x06\0\0\0"[..], &dice.bytes(6000)].concat();
        format!("<img alt=\"chart\" src=\"data:image/png;base64,{}\">", String::from_utf8(base64(&bytes)).unwrap())
    };
    (0..600).map(|_| one(dice)).collect()
}

const EXPLAINED: [&str; 8] = [
    "Set `API_KEY` to your key; it looks like `sk-...`, and is shown once.",
    "export AWS_SECRET_ACCESS_KEY=\"$(pass show aws/secret)\"  # never in the file itself",
    "password = \"<your password here>\"\napi_key = \"YOUR_API_KEY\"\ntoken: ${{ secrets.GITHUB_TOKEN }}",
    "A bearer token goes into the header: `Authorization: Bearer <token>`.",
    "The private key begins with `-----BEGIN PRIVATE KEY-----`; keep it at mode 0600.",
    "AKIAIOSFODNN7EXAMPLE is the key that the AWS documentation uses in every example.",
    "Rotate the client secret every 30 days; the old one works for an hour.",
    "Passwords have at least 12 characters. The default is `changeme` and must be changed.",
];

#[test]
fn of_texts_without_a_secret_one_in_a_thousand_is_flagged_at_most() {
    let mut dice = Dice(20_261_201);
    let values: Vec<Vec<u8>> = (0..100).map(|at| base64(&dice.bytes(18 + at % 24))).collect();
    let names: Vec<String> = (0..100).map(|at| format!("value-{at}")).collect();
    let known = || Known::new(names.iter().map(String::as_str).zip(values.iter().map(Vec::as_slice)));
    let scanner = Scanner::new(known());
    let code =
        ["crates/guard/src", "crates/jail/src", "crates/ledger/src", "crates/policy/src", "crates/doors/src/dns"];
    let corpora = [
        ("code", pieces(&code, "rs")),
        ("documents", pieces(&["docs"], "md")),
        ("explained", EXPLAINED.repeat(100).into_iter().map(str::to_owned).collect()),
        ("logs", logs(&mut dice)),
        ("digests", digests(&mut dice)),
        ("pictures", pictures(&mut dice)),
    ];
    let (mut all, mut flagged) = (0, Vec::new());
    for (name, texts) in corpora {
        assert!(texts.len() >= 100, "{name}: {}", texts.len());
        all += texts.len();
        for text in texts {
            let found = scanner.scan(text.as_bytes());
            assert!(found.iter().all(|found| found.known.is_none()), "{name}: no value of ours is in {text}");
            flagged.extend(found.first().map(|found| format!("{name}: {}: {text:.300}", found.kind)));
        }
    }
    assert!(flagged.len() * MOST <= all, "{} of {all}:\n{}", flagged.len(), flagged.join("\n\n"));
}
