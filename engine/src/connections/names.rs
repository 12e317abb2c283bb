//! Names of relations in databases the monitor is not connected to.
//!
//! The catalog of a database can be read only from within: a short connection to each asks for
//! the names wanted, and the answers are kept.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::api::Oid;

/// Names kept; when more come, all are forgotten and asked for anew.
const NAMES_MAX: usize = 4_096;
/// Databases asked in one round.
const DATABASES_PER_ROUND_MAX: usize = 8;

/// Known names, and relations found to have none (dropped meanwhile).
#[derive(Clone, Debug, Default)]
pub struct RelationNames {
    known: HashMap<(Oid, Oid), Option<String>>,
}

impl RelationNames {
    /// The name of a relation, if it is known.
    #[must_use]
    pub fn get(&self, database: Option<Oid>, relation: Oid) -> Option<&str> {
        self.known.get(&(database?, relation))?.as_deref()
    }

    /// Which relations of which databases are not known yet, for a few databases.
    #[must_use]
    pub fn wanted(
        &self,
        relations: impl Iterator<Item = (Oid, Oid)>,
    ) -> BTreeMap<Oid, BTreeSet<Oid>> {
        let mut wanted: BTreeMap<Oid, BTreeSet<Oid>> = BTreeMap::new();
        for (database, relation) in relations {
            let is_full =
                wanted.len() >= DATABASES_PER_ROUND_MAX && !wanted.contains_key(&database);
            if !self.known.contains_key(&(database, relation)) && !is_full {
                wanted.entry(database).or_default().insert(relation);
            }
        }
        wanted
    }

    /// Takes a database's answer for the relations it was asked for.
    pub fn learn(&mut self, database: Oid, asked: &BTreeSet<Oid>, answers: &HashMap<Oid, String>) {
        if self.known.len() + asked.len() > NAMES_MAX {
            self.known.clear();
        }
        for relation in asked {
            self.known.insert((database, *relation), answers.get(relation).cloned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oid(number: u32) -> Oid {
        Oid::from_u32(number).unwrap()
    }

    #[test]
    fn asks_once() {
        let mut names = RelationNames::default();
        let seen = [(oid(5), oid(100)), (oid(5), oid(101)), (oid(6), oid(100))];
        let wanted = names.wanted(seen.iter().copied());
        assert_eq!(wanted.len(), 2);
        let answers = HashMap::from([(oid(100), "public.t".to_owned())]);
        names.learn(oid(5), &wanted[&oid(5)], &answers);
        assert_eq!(names.get(Some(oid(5)), oid(100)), Some("public.t"));
        assert_eq!(names.get(Some(oid(5)), oid(101)), None, "dropped meanwhile");
        assert_eq!(names.wanted(seen.iter().copied()).keys().collect::<Vec<_>>(), [&oid(6)]);
        assert_eq!(names.get(None, oid(100)), None);
    }

    #[test]
    fn a_round_asks_a_few_databases_only() {
        let names = RelationNames::default();
        let many = (1..=50).map(|number| (oid(number), oid(7)));
        assert_eq!(names.wanted(many).len(), DATABASES_PER_ROUND_MAX);
    }
}
