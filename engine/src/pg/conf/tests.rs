//! What `pg_file_settings` of 13 and 18 said of each of these texts, and files with includes.

use proptest::prelude::*;

use super::*;
use crate::pg::files::fake::FakeFiles;

/// A text, and the settings the server found in it; `!` where it saw a syntax error.
const SERVER_SAYS: &[(&str, &str)] = &[
    ("# comment", ""),
    ("work_mem = 4MB", "work_mem=4MB"),
    ("Work_Mem 8MB # trailing", "Work_Mem=8MB"),
    ("port=5418", "port=5418"),
    (
        "log_line_prefix = 'it''s \\'q\\' \\n\\t\\101\\\\ %m#x'   # c",
        "log_line_prefix=it's 'q' \n\tA\\ %m#x",
    ),
    ("a.b.c = 1", "!"),
    ("a.b = x-y.z:/w", "a.b=x-y.z:/w"),
    ("pgx.backup_destination = '/a b'", "pgx.backup_destination=/a b"),
    ("shared_buffers = 0x10MB", "shared_buffers=0x10MB"),
    ("x", "!"),
    ("y =", "!"),
    ("random_page_cost = 1.5e3", "random_page_cost=1.5e3"),
    ("random_page_cost = .5", "random_page_cost=.5"),
    ("random_page_cost = -1.5", "random_page_cost=-1.5"),
    ("log_directory = /abs/path", "!"),
    ("log_directory = rel/path-1.x:2", "log_directory=rel/path-1.x:2"),
    ("name = 'unterminated", "!"),
    ("work_mem = 64kB extra", "!"),
    ("work_mem == 4", "!"),
    ("ünïcode = 1", "ünïcode=1"),
    ("t.e = on\t", "t.e=on"),
    ("t.f='x'#y", "t.f=x"),
    ("t.g=on#y", "t.g=on"),
    ("t.h=1kB5", "!"),
    ("t.i=12abc_d", "!"),
    ("t.j=0x", "t.j=0x"),
    ("t.k=1.2.3", "!"),
    ("t.l=+5", "t.l=+5"),
    ("t.n=''", "t.n="),
    ("t.o='\\8'", "t.o=8"),
    ("1abc=2", "!"),
    ("'q'=3", "!"),
    ("t.p = =3", "!"),
    ("t.q = x=3", "!"),
    ("t.last = 1", "t.last=1"),
    ("x.y=1", "x.y=1"),
    ("x.y=1\r\nx.z=2\r\n", "x.y=1&x.z=2"),
    ("x.y 'a''b'", "x.y=a'b"),
    ("x.y='a' 'b'", "!"),
    ("x.y=\t'\t'", "x.y=\t"),
    ("x.y='\\061\\0611\\1'", "x.y=111\u{1}"),
    ("x.y=-0x1F", "x.y=-0x1F"),
    ("x.y=5.", "x.y=5."),
    ("x.y=.", "x.y=."),
    ("x.y=1e5", "!"),
    ("x.y=1.e5", "x.y=1.e5"),
    ("x.y=- 5", "!"),
    ("x.y=on;", "!"),
    ("x.y=a#b", "x.y=a"),
    ("x.y='a#b'", "x.y=a#b"),
    ("x.y=a,b", "!"),
    ("x.y=*", "!"),
    ("x.y='*'", "x.y=*"),
    ("x.y=$user", "!"),
    ("x.y=a@b", "!"),
    ("x.y=a/b:c.d-e_f", "x.y=a/b:c.d-e_f"),
    ("x.y=/a", "!"),
    ("x.y=1/2", "!"),
    ("x.y=12%", "!"),
    ("é.x=ü", "é.x=ü"),
    ("x.y='\\", "!"),
    ("x.y='a\\'", "!"),
    ("x.y=''''", "x.y='"),
    ("x.y.z=1", "!"),
    ("x = 1", "x=1"),
    ("x.1=2", "!"),
    ("x.y= # c", "!"),
    ("=", "!"),
    ("x.y", "!"),
    ("x.y = 1 = 2", "!"),
    ("x.y 1 2", "!"),
    ("\"x.y\"=1", "!"),
    ("x.y=1\u{b}x", "!"),
    ("x.y=\u{c}1", "!"),
    ("\u{feff}x.y=1", "\u{feff}x.y=1"),
    ("x.y='\\xff'", "x.y=xff"),
    ("x.y=0x1Fg", "x.y=0x1Fg"),
    ("x.y=1.5kB", "!"),
    ("x.y=1.5e3x", "!"),
    ("x.y=yes-no", "x.y=yes-no"),
    ("x.y=0xZ", "x.y=0xZ"),
    ("x.y=1_000", "!"),
    ("x.y=+", "!"),
    ("x.y=0x1F_", "!"),
    ("'x.y'=1", "!"),
    ("x.y==1", "!"),
    ("x.y=\\'a\\'", "!"),
    ("x.y='a\\0b'", "x.y=a"),
    ("x . y = 1", "!"),
    ("x.y=5.5.5", "!"),
    ("x.y='ÿ'", "x.y=ÿ"),
];

fn said(content: &str) -> String {
    let item = |item: ConfItem| match item.kind {
        ConfItemKind::Assignment { name, value, .. } => format!("{name}={value}"),
        ConfItemKind::SyntaxError { .. } | ConfItemKind::TooManyErrors => "!".to_owned(),
    };
    scan(content.as_bytes()).into_iter().map(item).collect::<Vec<_>>().join("&")
}

#[test]
fn agrees_with_the_server() {
    for (content, expected) in SERVER_SAYS {
        assert_eq!(said(content), *expected, "{content:?}");
        let with_more = format!("{content}\nlast.line = 'ok'\n");
        let expected = [*expected, "last.line=ok"].join("&");
        assert_eq!(said(&with_more), expected.trim_start_matches('&'), "{with_more:?}");
    }
}

#[test]
fn an_unquoted_file_name_with_a_dot_is_a_qualified_name() {
    assert_eq!(said("include nope.conf"), "!");
    assert_eq!(said("include nope-1.conf"), "include=nope-1.conf");
}

#[test]
fn quotes_end_at_the_line() {
    assert_eq!(said("x.y = 'a\nb'\nz.a=1"), "!&!&z.a=1");
    assert_eq!(said("x.y = 'a\\\nb'\nz.a=1"), "!&!&z.a=1");
}

#[test]
fn lines_and_spans_are_those_of_the_file() {
    let content = "# c\n\n  Port = 5433 # p\nbad bad bad\nlog_line_prefix='%m ''x'\n";
    let items = scan(content.as_bytes());
    let lines: Vec<u32> = items.iter().map(|item| item.line).collect();
    assert_eq!(lines, [3, 4, 5]);
    let ConfItemKind::Assignment { name_span, value_span, .. } = &items[0].kind else {
        panic!("{items:?}");
    };
    assert_eq!((&content[name_span.clone()], &content[value_span.clone()]), ("Port", "5433"));
    assert_eq!(items[1].kind, ConfItemKind::SyntaxError { near: "bad".into() });
    let ConfItemKind::Assignment { value_span, .. } = &items[2].kind else { panic!("{items:?}") };
    assert_eq!(&content[value_span.clone()], "'%m ''x'");
}

#[test]
fn gives_up_after_a_hundred_errors() {
    let items = scan("=\n".repeat(150).as_bytes());
    assert_eq!(items.len(), 101);
    assert_eq!(items[100].kind, ConfItemKind::TooManyErrors);
}

fn load(files: &FakeFiles) -> Conf {
    Conf::load(files, Path::new("/etc/pg/postgresql.conf"), Path::new("/data")).unwrap()
}

#[test]
fn the_last_one_wins_and_auto_conf_is_last() {
    let files = FakeFiles::default()
        .with("/etc/pg/postgresql.conf", "port = 1\nPORT = 2\nwork_mem = 4MB\n")
        .with("/data/postgresql.auto.conf", "# do not edit\nport = '3'\n");
    let conf = load(&files);
    assert_eq!(conf.value("port"), Some("3"));
    assert_eq!(conf.value("Work_Mem"), Some("4MB"));
    assert_eq!(conf.value("absent"), None);
    let port = conf.get("port").unwrap();
    assert_eq!((&*port.file, port.line), (Path::new("/data/postgresql.auto.conf"), 2));
    assert_eq!(conf.files.len(), 2);
    assert_eq!(conf.errors, []);
}

#[test]
fn includes_are_read_where_they_stand() {
    let files = FakeFiles::default()
        .with(
            "/etc/pg/postgresql.conf",
            "a.a = 1\ninclude 'sub/one.conf'\na.b = main\ninclude_dir = '../conf.d'\n\
             include_if_exists = 'absent.conf'\n",
        )
        .with("/etc/pg/sub/one.conf", "a.a = 2\na.b = one\ninclude '../two.conf'\n")
        .with("/etc/pg/two.conf", "a.c = two\n")
        .with("/etc/conf.d/20.conf", "a.d = twenty\n")
        .with("/etc/conf.d/10.conf", "a.d = ten\n")
        .with("/etc/conf.d/.hidden.conf", "a.d = hidden\n")
        .with("/etc/conf.d/notes.txt", "a.d = notes\n")
        .with("/etc/conf.d/x.conf/inner.conf", "a.d = inner\n");
    let conf = load(&files);
    assert_eq!(conf.errors, []);
    let values = ["a.a", "a.b", "a.c", "a.d"].map(|name| conf.value(name).unwrap());
    assert_eq!(values, ["2", "main", "two", "twenty"]);
    assert_eq!(&*conf.get("a.c").unwrap().file, Path::new("/etc/pg/two.conf"));
    assert_eq!(conf.files.len(), 5);
}

#[test]
fn errors_name_file_and_line() {
    let files = FakeFiles::default()
        .with(
            "/etc/pg/postgresql.conf",
            "\ninclude 'absent.conf'\ninclude_dir 'absent.d'\ninclude ''\n\
             include './postgresql.conf'\nlog_directory = /var/log\nx =\na.z = 1\n",
        )
        .with("/data/postgresql.auto.conf", "");
    let conf = load(&files);
    let said: Vec<String> = conf.errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "/etc/pg/postgresql.conf:2: could not open file \"/etc/pg/absent.conf\": entity not found",
            "/etc/pg/postgresql.conf:3: could not open directory \"/etc/pg/absent.d\": entity not found",
            "/etc/pg/postgresql.conf:4: empty configuration file name",
            "/etc/pg/postgresql.conf:5: the file includes itself",
            "/etc/pg/postgresql.conf:6: syntax error near token \"/\"",
            "/etc/pg/postgresql.conf:7: syntax error near end of line",
        ]
    );
    assert_eq!(conf.value("a.z"), Some("1"));
}

#[test]
fn a_circle_of_includes_ends() {
    let files = FakeFiles::default()
        .with("/etc/pg/postgresql.conf", "include 'b.x'")
        .with("/etc/pg/b.x", "include 'postgresql.conf'");
    assert_eq!(said("include 'b.x'"), "include=b.x");
    let conf = load(&files);
    assert_eq!(conf.errors.len(), 1);
    assert!(conf.errors[0].what.contains("more than 10 deep"), "{:?}", conf.errors);
}

#[test]
fn the_main_file_must_be_there() {
    let error = Conf::load(&FakeFiles::default(), Path::new("/a/b.conf"), Path::new("/data"));
    let error = error.unwrap_err();
    assert_eq!(error.code, ErrorCode::FileAccess);
    assert!(error.fact.contains("/a/b.conf"), "{error}");
}

#[test]
fn paths_are_normalized_in_the_text() {
    for (path, expected) in [
        ("/a/./b/../c", "/a/c"),
        ("/../a", "/a"),
        ("a/../../b", "../b"),
        ("./a", "a"),
        ("/a//b/", "/a/b"),
    ] {
        assert_eq!(normalize(Path::new(path)), Path::new(expected), "{path}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = scan(&bytes);
    }

    #[test]
    fn near_misses_never_panic(text in "[a.'\\\\0-9x=# \n-]{0,60}") {
        for item in scan(text.as_bytes()) {
            if let ConfItemKind::Assignment { name_span, value_span, .. } = item.kind {
                prop_assert!(name_span.end <= value_span.start && value_span.end <= text.len());
            }
        }
    }

    /// Any text written between quotes, with quotes and backslashes doubled, comes back.
    #[test]
    fn quoted_values_come_back(value in "[^\n\0]{0,30}") {
        let quoted = value.replace('\\', "\\\\").replace('\'', "''");
        let items = scan(format!("x.y = '{quoted}' # c").as_bytes());
        let ConfItemKind::Assignment { value: read, .. } = &items[0].kind else {
            panic!("{items:?}");
        };
        prop_assert_eq!(read, &value);
    }
}
