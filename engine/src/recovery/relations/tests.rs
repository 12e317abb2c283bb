//! Names by rows that are learned; records of real servers are read in the workspace's tests.

use super::*;
use crate::pg::catalog::tests::class_row;
use crate::pg::heap::tests::page;

const DATABASE: u32 = 5;

fn file(number: u32) -> RelationFile {
    RelationFile { tablespace: 1663, database: DATABASE, number }
}

fn xid(number: u32) -> TransactionId {
    TransactionId::from_u32(number)
}

fn named(oid: u32, name: &str) -> Vec<u8> {
    let mut row = oid.to_le_bytes().to_vec();
    row.extend(name.as_bytes());
    row.resize(80, 0);
    row
}

fn relations() -> Relations {
    let mut relations = Relations::new(17);
    relations.learn(catalog::PG_DATABASE, 0, &named(DATABASE, "shop"), None);
    relations.learn(catalog::PG_NAMESPACE, DATABASE, &named(2200, "public"), None);
    learn(&mut relations, 16_402, "orders", 16_402, b'r', 1);
    relations
}

fn learn(relations: &mut Relations, oid: u32, name: &str, number: u32, kind: u8, by: u32) {
    let row = class_row(oid, name, number, kind);
    relations.learn(catalog::PG_CLASS, DATABASE, &row, Some(xid(by)));
}

fn matches(relations: &Relations, text: &str, number: u32) -> Matching {
    relations.matching(&Asked::parse(text, &[]).unwrap(), file(number))
}

#[test]
fn names_as_they_are_asked_for() {
    let relations = relations();
    assert_eq!(relations.name(file(16_402)).unwrap(), "shop/public.orders");
    assert_eq!(relations.number(file(9)), "shop/9");
    for text in ["orders", "ORDERS", "\"orders\"", "public.orders", "shop.public.orders", "16402"] {
        assert_eq!(matches(&relations, text, 16_402), Matching::Yes, "{text}");
    }
    assert_eq!(matches(&relations, "shop/public.orders", 16_402), Matching::Yes);
    for text in ["\"Orders\"", "other.orders", "store.public.orders", "order", "16403"] {
        assert_eq!(matches(&relations, text, 16_402), Matching::No, "{text}");
    }
    assert_eq!(matches(&relations, "orders", 77), Matching::Unknown);
    assert_eq!(Asked::parse("a.b.c.d", &[]), None);
    assert_eq!(Asked::parse("\"a", &[]), None);
    assert!(relations.knows(&Asked::parse("orders", &[]).unwrap()));
    assert!(!relations.knows(&Asked::parse("gone", &[]).unwrap()));
    assert!(relations.knows(&Asked::parse("gone", &[4]).unwrap()));
}

#[test]
fn files_of_one_relation_over_time() {
    let mut relations = relations();
    // TRUNCATE gives a new file, VACUUM FULL one that another relation was made with.
    learn(&mut relations, 16_402, "orders", 16_500, b'r', 7);
    let ended = relations.end([xid(7)].iter());
    assert_eq!(ended.fate(&relations, file(16_402)), Fate::Emptied);
    learn(&mut relations, 16_600, "pg_temp_16402", 16_600, b'r', 8);
    learn(&mut relations, 16_402, "orders", 16_600, b'r', 8);
    learn(&mut relations, 16_600, "pg_temp_16402", 16_500, b'r', 8);
    let ended = relations.end([xid(8)].iter());
    assert_eq!(ended.fate(&relations, file(16_500)), Fate::Rewritten);
    for number in [16_402, 16_500, 16_600] {
        assert_eq!(matches(&relations, "orders", number), Matching::Yes, "{number}");
    }
    learn(&mut relations, 16_402, "orders_old", 16_600, b'r', 9);
    let _ = relations.end([xid(9)].iter());
    assert_eq!(relations.name(file(16_600)).unwrap(), "shop/public.orders_old");
    assert_eq!(matches(&relations, "orders", 16_600), Matching::Yes);
    let ended = relations.end([xid(10)].iter());
    assert_eq!(ended.fate(&relations, file(16_600)), Fate::Dropped);
}

#[test]
fn a_page_tells_the_latest_name_last() {
    let (new, old) =
        (class_row(20_000, "now", 20_000, b'r'), class_row(20_000, "then", 20_000, b'r'));
    let page = page(1, &[(&new, false), (&old, true)]);
    let mut relations = relations();
    pages::learn_page(&page, catalog::PG_CLASS, DATABASE, &mut relations);
    assert_eq!(relations.name(file(20_000)).unwrap(), "shop/public.now");
    assert_eq!(matches(&relations, "then", 20_000), Matching::Yes);
}

#[test]
fn a_copied_database_has_the_same_relations() {
    let mut relations = relations();
    relations.copy_database(DATABASE, 6);
    let copy = RelationFile { database: 6, ..file(16_402) };
    assert_eq!(relations.name(copy).unwrap(), "6/public.orders");
}
