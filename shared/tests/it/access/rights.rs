//! Reads `rights.txt`.

use std::collections::{BTreeMap, BTreeSet};

use devstack::postgres::{Deployed, ProjectKind};

/// In the order of the table's columns.
pub(super) const ROLES: [&str; 5] = ["anon", "authenticated", "service_role", "shootx_api", "shootx_worker"];
/// In the order of a cell's letters.
pub(super) const VERBS: [char; 5] = ['r', 'a', 'w', 'd', 't'];

const NOBODY: &str = "nobody";
const BY_HAND: &str = "-";

/// What the table says of a project of one kind.
pub(super) struct Rights {
    /// By relation, or the part of one behind a slash, and by role in the order of [`ROLES`].
    pub(super) relations: BTreeMap<&'static str, [&'static str; ROLES.len()]>,
    /// By relation, role and verb.
    pub(super) columns: BTreeMap<(&'static str, &'static str, char), BTreeSet<&'static str>>,
    pub(super) functions: BTreeMap<&'static str, BTreeSet<&'static str>>,
    pub(super) schemas: BTreeMap<&'static str, BTreeSet<&'static str>>,
    pub(super) services: Vec<Grant>,
}

/// A line of the last section.
pub(super) struct Grant {
    pub(super) role: &'static str,
    pub(super) relation: &'static str,
    pub(super) verbs: &'static str,
    /// None when no query of ours shows the need.
    pub(super) files: Option<Vec<&'static str>>,
}

impl Rights {
    pub(super) fn of(kind: ProjectKind) -> Self {
        let mut rights = Self {
            relations: BTreeMap::new(),
            columns: BTreeMap::new(),
            functions: BTreeMap::new(),
            schemas: BTreeMap::new(),
            services: Vec::new(),
        };
        let mut section = "";
        let lines = include_str!("rights.txt").lines();
        for line in lines.map(str::trim_end).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match line.strip_prefix('[') {
                Some(heading) => section = heading.trim_end_matches(']'),
                None => rights.read(section, line, kind),
            }
        }
        rights
    }

    fn read(&mut self, section: &str, line: &'static str, kind: ProjectKind) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match section {
            "columns" => {
                let [relation, role, verb, ..] = words[..] else { panic!("{line}") };
                let verb = verb.parse().expect("one letter");
                self.columns.insert((relation, role, verb), words[3..].iter().copied().collect());
            }
            "functions" => {
                // Only the names of types have spaces in them.
                let (name, roles) = line.split_once(')').expect("a function has arguments");
                let roles = roles.split_whitespace().filter(|role| *role != NOBODY).collect();
                self.functions.insert(&line[..=name.len()], roles);
            }
            "schemas" => {
                self.schemas.insert(words[0], words[1..].iter().copied().collect());
            }
            "services" => {
                let [role, relation, verbs, first, ..] = words[..] else { panic!("{line}") };
                let files = (first != BY_HAND).then(|| words[3..].to_vec());
                self.services.push(Grant { role, relation, verbs, files });
            }
            _ => {
                if is_about(section, kind) {
                    let cells = words[1..].try_into().expect("a cell for each role");
                    self.relations.insert(words[0], cells);
                }
            }
        }
    }

    /// The letter of a cell.
    pub(super) fn cell(&self, relation: &str, role: &str, verb: char) -> char {
        let role = ROLES.iter().position(|known| *known == role).expect("a role of the table");
        let verb = VERBS.iter().position(|known| *known == verb).expect("a verb of the table");
        self.relations.get(relation).and_then(|cells| cells[role].chars().nth(verb)).unwrap_or('?')
    }
}

/// Whether a section of relations is about projects of this kind: `relations, deployed, not exposed`.
fn is_about(section: &str, kind: ProjectKind) -> bool {
    let mut words = section.split(", ");
    assert_eq!(words.next(), Some("relations"), "{section}");
    words.all(|word| match word {
        "deployed" => kind.deployed != Deployed::Nothing,
        "exposed" => kind.exposed,
        "not exposed" => !kind.exposed,
        _ => panic!("{section}"),
    })
}
